package dev.hotrow.client;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** The real server on a repository of src/test/resources, started once for all tests and stopped after the last. */
final class Served implements AutoCloseable {
  private static final Path ROOT = Path.of(System.getProperty("hotrow.root")).toAbsolutePath().normalize();
  private static final long READY_SECONDS = 100;

  private final Path folder;
  private final Process process;
  final String address;
  final String ingestAddress;

  private Served() throws IOException, InterruptedException {
    folder = Files.createTempDirectory("hotrow-java");
    int[] ports = freePorts();
    address = "127.0.0.1:" + ports[0];
    ingestAddress = "127.0.0.1:" + ports[1];
    Files.copy(Path.of("src/test/resources/features.py"), folder.resolve("features.py"));
    Files.writeString(
        folder.resolve("hotrow.toml"),
        """
        project = "java"
        [server]
        address = "%s"
        workers = 1
        [ingest]
        address = "%s"
        durability = "os"
        [online_store]
        size_gib = 1
        """
            .formatted(address, ingestAddress));
    hotrow("apply");
    process = start("serve");
    try (HotrowClient client = HotrowClient.builder(address).timeout(Duration.ofSeconds(READY_SECONDS)).build()) {
      client.serverInfo();
    } catch (HotrowException failure) {
      process.destroyForcibly();
      throw new AssertionError(log(), failure);
    }
  }

  /** A file of the checkout. */
  static Path file(String name) {
    return ROOT.resolve(name);
  }

  /** What a command printed; it has to succeed. */
  String hotrow(String... arguments) throws IOException, InterruptedException {
    Process command = start(arguments);
    String said = new String(command.getInputStream().readAllBytes());
    if (command.waitFor() != 0) {
      throw new AssertionError(said + log());
    }
    return said;
  }

  private Process start(String... arguments) throws IOException {
    Path command = file(System.getProperty("hotrow.command", ".venv/bin/hotrow"));
    if (!Files.isExecutable(command)) {
      throw new AssertionError("the tests call a real server, but there is no " + command + ": run make java");
    }
    ProcessBuilder builder = new ProcessBuilder(command.toString()).directory(folder.toFile());
    builder.command().addAll(List.of(arguments));
    builder.redirectError(ProcessBuilder.Redirect.appendTo(folder.resolve("log").toFile()));
    if (arguments[0].equals("serve")) {
      builder.redirectOutput(ProcessBuilder.Redirect.appendTo(folder.resolve("log").toFile()));
    }
    return builder.start();
  }

  private String log() throws IOException {
    return Files.readString(folder.resolve("log"));
  }

  static int[] freePorts() throws IOException {
    InetAddress loopback = InetAddress.getLoopbackAddress();
    try (ServerSocket one = new ServerSocket(0, 1, loopback);
        ServerSocket other = new ServerSocket(0, 1, loopback)) {
      return new int[] {one.getLocalPort(), other.getLocalPort()};
    }
  }

  @Override
  public void close() throws IOException, InterruptedException {
    process.destroy();
    if (!process.waitFor(60, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new AssertionError("the server does not stop: " + log());
    }
    if (process.exitValue() != 0) {
      throw new AssertionError(log());
    }
    try (var files = Files.walk(folder)) {
      files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
    }
  }

  /** Hands it to tests. */
  static final class Extension implements ParameterResolver {
    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
      return parameter.getParameter().getType() == Served.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
      ExtensionContext.Store store = context.getRoot().getStore(ExtensionContext.Namespace.create(Served.class));
      return store.getOrComputeIfAbsent(
          Served.class,
          key -> {
            try {
              return new Served();
            } catch (IOException | InterruptedException error) {
              throw new AssertionError("the server cannot be started", error);
            }
          });
    }
  }
}
