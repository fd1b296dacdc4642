package dev.hotrow.client;

import static org.junit.jupiter.api.Assertions.*;

import dev.hotrow.v1.FeatureServerGrpc;
import dev.hotrow.v1.GetServerInfoReply;
import dev.hotrow.v1.GetServerInfoRequest;
import io.grpc.Grpc;
import io.grpc.Server;
import io.grpc.TlsServerCredentials;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.time.Duration;
import java.util.Base64;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** TLS and mutual TLS from PEM files. */
class TlsTest {
  private static final char[] PASSWORD = "changeit".toCharArray();

  @TempDir static Path folder;
  private static Server server;
  private static String address;

  @BeforeAll
  static void start() throws Exception {
    pem("server");
    pem("caller");
    TlsServerCredentials.Builder credentials =
        TlsServerCredentials.newBuilder()
            .keyManager(file("server.pem").toFile(), file("server.key").toFile())
            .trustManager(file("caller.pem").toFile())
            .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE);
    server =
        Grpc.newServerBuilderForPort(0, credentials.build())
            .addService(
                new FeatureServerGrpc.FeatureServerImplBase() {
                  @Override
                  public void getServerInfo(GetServerInfoRequest request, StreamObserver<GetServerInfoReply> answer) {
                    answer.onNext(GetServerInfoReply.newBuilder().setProject("rides").build());
                    answer.onCompleted();
                  }
                })
            .build()
            .start();
    address = "127.0.0.1:" + server.getPort();
  }

  @AfterAll
  static void stop() throws InterruptedException {
    server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
  }

  private static Path file(String name) {
    return folder.resolve(name);
  }

  /** A certificate that signs itself, and its key, by the JDK's own tool. */
  private static void pem(String name) throws IOException, InterruptedException, GeneralSecurityException {
    Path store = file(name + ".p12");
    Path keytool = Path.of(System.getProperty("java.home"), "bin", "keytool");
    Process made =
        new ProcessBuilder(
                keytool.toString(), "-genkeypair", "-alias", name, "-keyalg", "EC", "-dname", "CN=" + name, "-ext",
                "san=dns:" + name + ".example", "-ext", "bc=ca:true", "-keystore", store.toString(), "-storepass",
                new String(PASSWORD))
            .redirectErrorStream(true)
            .start();
    String said = new String(made.getInputStream().readAllBytes());
    assertEquals(0, made.waitFor(), said);
    KeyStore keys = KeyStore.getInstance(store.toFile(), PASSWORD);
    write(name + ".pem", "CERTIFICATE", keys.getCertificate(name).getEncoded());
    write(name + ".key", "PRIVATE KEY", keys.getKey(name, PASSWORD).getEncoded());
  }

  private static void write(String name, String what, byte[] der) throws IOException {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
    Files.writeString(file(name), "-----BEGIN " + what + "-----\n" + text + "\n-----END " + what + "-----\n");
  }

  private static String project(Tls tls) {
    try (HotrowClient client = HotrowClient.builder(address).tls(tls).timeout(Duration.ofSeconds(20)).build()) {
      return client.serverInfo().project();
    }
  }

  private static Tls mutual() {
    return Tls.trusting(file("server.pem")).withCertificate(file("caller.pem"), file("caller.key"));
  }

  @Test
  void mutualTls() {
    assertEquals("rides", project(mutual().withServerName("server.example")));
  }

  @Test
  void aCertificateThatIsNotTrusted() {
    try (HotrowClient client =
        HotrowClient.builder(address).tls(Tls.trusting(file("caller.pem"))).timeout(Duration.ofSeconds(3)).build()) {
      HotrowException error = assertThrows(HotrowException.class, client::serverInfo);
      assertTrue(error.getMessage().contains("certification path"), error.getMessage());
    }
  }

  @Test
  void filesThatAreMissingOrWrongAreNamed() {
    IllegalArgumentException missing =
        assertThrows(IllegalArgumentException.class, () -> project(Tls.trusting(file("no.pem"))));
    assertTrue(missing.getMessage().contains("no.pem cannot be read"), missing.getMessage());
    IllegalArgumentException alone =
        assertThrows(IllegalArgumentException.class, () -> project(mutual().withCertificate(file("caller.pem"), null)));
    assertTrue(alone.getMessage().contains("give cert and key"), alone.getMessage());
    IllegalArgumentException wrong =
        assertThrows(IllegalArgumentException.class, () -> project(Tls.trusting(file("caller.key"))));
    assertTrue(wrong.getMessage().contains("caller.key holds no"), wrong.getMessage());
    IllegalArgumentException noKey =
        assertThrows(
            IllegalArgumentException.class,
            () -> project(mutual().withCertificate(file("caller.pem"), file("caller.pem"))));
    assertTrue(noKey.getMessage().contains("openssl pkcs8"), noKey.getMessage());
  }
}
