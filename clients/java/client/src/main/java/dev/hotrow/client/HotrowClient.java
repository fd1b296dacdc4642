package dev.hotrow.client;

import dev.hotrow.v1.FeatureIngestGrpc;
import dev.hotrow.v1.FeatureServerGrpc;
import dev.hotrow.v1.GetServerInfoRequest;
import dev.hotrow.v1.PushFeaturesReply;
import dev.hotrow.v1.PushFeaturesRequest;
import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * A server at an address. Safe from any thread; make one and keep it. Nothing is connected before the first call.
 *
 * <pre>{@code
 * try (HotrowClient client = HotrowClient.connect("127.0.0.1:6565")) {
 *   Reply reply = client.read(
 *       ReadRequest.features("driver_hourly_stats:fare").entities(Columns.int64("driver_id", 1, 2)));
 *   double fare = reply.column("fare").getDouble(0);
 * }
 * }</pre>
 *
 * <p>Blocking methods throw {@link HotrowException} for what a server refused or nobody answered, and {@link
 * IllegalArgumentException} for arguments that cannot be sent. The methods that end in {@code Async} give a future that
 * fails with the same; to cancel it cancels the call. What hangs on it runs on a thread of gRPC's pool.
 *
 * <p>A timeout counts for all attempts together. A call is sent again when nobody answered, or when the server is full
 * and says when to come back; nothing else is. A push that is sent again keeps its request id, so it is applied once.
 */
public final class HotrowClient implements AutoCloseable {
  private final String project;
  private final Duration timeout;
  private final Connections server;
  private final Connections ingest;

  private HotrowClient(Builder builder) {
    ChannelCredentials credentials =
        builder.tls == null ? InsecureChannelCredentials.create() : builder.tls.credentials();
    String name = builder.tls == null ? null : builder.tls.serverName();
    project = builder.project;
    timeout = builder.timeout;
    server = new Connections(builder.address, credentials, name, builder.connections);
    ingest =
        builder.ingestAddress == null
            ? server
            : new Connections(builder.ingestAddress, credentials, name, builder.connections);
  }

  /**
   * A client without TLS, of a server that has one project.
   *
   * @param address such as "127.0.0.1:6565"
   * @return a new client
   */
  public static HotrowClient connect(String address) {
    return builder(address).build();
  }

  /**
   * Settings of a client.
   *
   * @param address such as "127.0.0.1:6565"
   * @return a new builder
   */
  public static Builder builder(String address) {
    return new Builder(address);
  }

  /**
   * Reads features of entities.
   *
   * @param request what is asked
   * @return a row for each of the entities, in their order
   */
  public Reply read(ReadRequest request) {
    return await(readAsync(request));
  }

  /**
   * As {@link #read}.
   *
   * @param request what is asked
   * @return the reply to come
   */
  public CompletableFuture<Reply> readAsync(ReadRequest request) {
    return new PendingCall<>(
            server,
            FeatureServerGrpc.getGetOnlineFeaturesMethod(),
            request.message(project),
            orMine(request.timeout()),
            Reply::of)
        .send();
  }

  /**
   * Writes rows. Once this returns, they are durable and every later read sees them. Rows that the server
   * rejects throw {@link RejectedRowsException} once the others are written; of an atomic push one refuses the batch. A
   * request is one message, of 64 MiB unless the server is set otherwise: more rows go in several, one after another.
   *
   * @param request the rows
   * @return what became of each
   */
  public PushReply push(PushRequest request) {
    return await(pushAsync(request));
  }

  /**
   * As {@link #push}. A push that is cancelled may have been written: push again with the same request id to know.
   *
   * @param request the rows
   * @return the reply to come
   */
  public CompletableFuture<PushReply> pushAsync(PushRequest request) {
    PushFeaturesRequest message = request.message(project);
    MethodDescriptor<PushFeaturesRequest, PushFeaturesReply> method =
        ingest == server ? FeatureServerGrpc.getPushFeaturesMethod() : FeatureIngestGrpc.getPushFeaturesMethod();
    String requestId = message.getRequestId();
    return new PendingCall<>(
            ingest, method, message, orMine(request.timeout()), reply -> request.checked(PushReply.of(reply, requestId)))
        .send();
  }

  /**
   * What the worker that answers says of itself. Waits for a server that is not up yet, within the timeout.
   *
   * @return its version, what it serves, and more
   */
  public ServerInfo serverInfo() {
    return await(serverInfoAsync());
  }

  /**
   * As {@link #serverInfo}.
   *
   * @return the reply to come
   */
  public CompletableFuture<ServerInfo> serverInfoAsync() {
    return new PendingCall<>(
            server,
            FeatureServerGrpc.getGetServerInfoMethod(),
            GetServerInfoRequest.getDefaultInstance(),
            timeout,
            ServerInfo::of)
        .send();
  }

  /** Ends every connection: calls that run fail, and later ones throw {@link IllegalStateException}. */
  @Override
  public void close() {
    server.close();
    ingest.close();
  }

  private Duration orMine(Duration given) {
    return given == null ? timeout : given;
  }

  private static <T> T await(CompletableFuture<T> future) {
    try {
      return future.get();
    } catch (InterruptedException interrupted) {
      future.cancel(true);
      Thread.currentThread().interrupt();
      throw HotrowException.interrupted(interrupted);
    } catch (ExecutionException failed) {
      if (failed.getCause() instanceof HotrowException failure) {
        throw failure.raised();
      }
      throw (RuntimeException) failed.getCause(); // nothing else ends a call
    }
  }

  /** Settings of a client. */
  public static final class Builder {
    private final String address;
    private String ingestAddress;
    private String project = "";
    private Tls tls;
    private Duration timeout = Duration.ofSeconds(10);
    private int connections = 4;

    private Builder(String address) {
      this.address = Objects.requireNonNull(address, "address");
    }

    /**
     * The project; may stay away where the server has one alone.
     *
     * @param project its name
     * @return this
     */
    public Builder project(String project) {
      this.project = Objects.requireNonNull(project, "project");
      return this;
    }

    /**
     * Where pushes go, straight to the ingest worker. Without it they go through the server.
     *
     * @param address such as "127.0.0.1:6566"
     * @return this
     */
    public Builder ingestAddress(String address) {
      this.ingestAddress = Objects.requireNonNull(address, "ingestAddress");
      return this;
    }

    /**
     * Encrypted connections.
     *
     * @param tls whom to trust, and what to show
     * @return this
     */
    public Builder tls(Tls tls) {
      this.tls = Objects.requireNonNull(tls, "tls");
      return this;
    }

    /**
     * Each call's timeout, unless the call has its own; 10 seconds unless said.
     *
     * @param timeout for all attempts together
     * @return this
     */
    public Builder timeout(Duration timeout) {
      this.timeout = Objects.requireNonNull(timeout, "timeout");
      return this;
    }

    /**
     * How many connections, 4 unless said; they are spread over the workers that share the address.
     *
     * @param connections a positive number
     * @return this
     */
    public Builder connections(int connections) {
      if (connections < 1) {
        throw new IllegalArgumentException("connections is a positive number, not " + connections);
      }
      this.connections = connections;
      return this;
    }

    /**
     * The client.
     *
     * @return a new client, to be closed
     * @throws IllegalArgumentException for an address that is none, or TLS files that cannot be read
     */
    public HotrowClient build() {
      return new HotrowClient(this);
    }
  }
}
