package dev.hotrow.client;

import static org.junit.jupiter.api.Assertions.*;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.RetryInfo;
import dev.hotrow.v1.FeatureServerGrpc;
import dev.hotrow.v1.GetOnlineFeaturesReply;
import dev.hotrow.v1.GetOnlineFeaturesRequest;
import dev.hotrow.v1.PushFeaturesReply;
import dev.hotrow.v1.PushFeaturesRequest;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** When a call is sent again, against a server that fails as each test says. */
class RetryTest {
  private static final ReadRequest READ = ReadRequest.features("stats:fare");
  private static final PushRequest PUSH = PushRequest.view("stats");

  /** Fails with what is queued, then answers, or leaves reads waiting. */
  private static final class Scripted extends FeatureServerGrpc.FeatureServerImplBase {
    final Queue<Throwable> failures = new ArrayDeque<>();
    final List<String> requestIds = new CopyOnWriteArrayList<>();
    final CountDownLatch received = new CountDownLatch(1);
    final CountDownLatch cancelled = new CountDownLatch(1);
    volatile boolean silent;
    volatile boolean silentAfterwards;

    @Override
    public void pushFeatures(PushFeaturesRequest request, StreamObserver<PushFeaturesReply> answer) {
      requestIds.add(request.getRequestId());
      answer(answer, PushFeaturesReply.newBuilder().setWritten(1).build());
    }

    @Override
    public void getOnlineFeatures(GetOnlineFeaturesRequest request, StreamObserver<GetOnlineFeaturesReply> answer) {
      ((ServerCallStreamObserver<GetOnlineFeaturesReply>) answer).setOnCancelHandler(cancelled::countDown);
      received.countDown();
      if (!silent) {
        silent = silentAfterwards;
        answer(answer, GetOnlineFeaturesReply.getDefaultInstance());
      }
    }

    private synchronized <T> void answer(StreamObserver<T> answer, T reply) {
      Throwable failure = failures.poll();
      if (failure != null) {
        answer.onError(failure);
        return;
      }
      answer.onNext(reply);
      answer.onCompleted();
    }
  }

  private final Scripted scripted = new Scripted();
  private Server server;
  private HotrowClient client;

  @BeforeEach
  void start() throws IOException {
    server = serve(0);
    client = HotrowClient.builder("127.0.0.1:" + server.getPort()).timeout(java.time.Duration.ofSeconds(30)).build();
  }

  private Server serve(int port) throws IOException {
    return Grpc.newServerBuilderForPort(port, InsecureServerCredentials.create()).addService(scripted).build().start();
  }

  @AfterEach
  void stop() throws InterruptedException {
    client.close();
    server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
  }

  private static Throwable full(long afterMillis) {
    int nanos = (int) TimeUnit.MILLISECONDS.toNanos(afterMillis % 1000);
    Duration delay = Duration.newBuilder().setSeconds(afterMillis / 1000).setNanos(nanos).build();
    return StatusProto.toStatusException(
        com.google.rpc.Status.newBuilder()
            .setCode(Status.Code.RESOURCE_EXHAUSTED.value())
            .setMessage("the queue is full")
            .addDetails(Any.pack(RetryInfo.newBuilder().setRetryDelay(delay).build()))
            .build());
  }

  @Test
  void aPushIsSentAgainWithItsRequestId() {
    scripted.failures.addAll(List.of(Status.UNAVAILABLE.asException(), Status.CANCELLED.asException()));
    PushReply reply = client.push(PUSH);
    assertEquals(3, scripted.requestIds.size());
    assertEquals(List.of(reply.requestId()), scripted.requestIds.stream().distinct().toList());
    client.push(PUSH);
    assertEquals(2, scripted.requestIds.stream().distinct().count());
  }

  @Test
  void aFullQueueIsTriedAgainWhenItSays() {
    scripted.failures.add(full(200));
    long start = System.nanoTime();
    assertEquals(1, client.push(PUSH).written());
    assertTrue(System.nanoTime() - start >= TimeUnit.MILLISECONDS.toNanos(200));
  }

  @Test
  void aHintBeyondTheDeadlineFailsAtOnce() {
    scripted.failures.add(full(30_500));
    PushRequest hasty = PUSH.timeout(java.time.Duration.ofSeconds(30));
    HotrowException error = assertThrows(HotrowException.class, () -> client.push(hasty));
    assertEquals("RESOURCE_EXHAUSTED: the queue is full", error.getMessage());
    assertEquals(java.time.Duration.ofMillis(30_500), error.retryAfter().orElseThrow());
    assertEquals(1, scripted.requestIds.size());
  }

  @ParameterizedTest
  @EnumSource(
      value = Status.Code.class,
      names = {"RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "INTERNAL", "DATA_LOSS", "UNIMPLEMENTED", "ABORTED"})
  void allElseIsFinal(Status.Code code) {
    scripted.failures.add(code.toStatus().withDescription("no").asException());
    HotrowException error = assertThrows(HotrowException.class, () -> client.push(PUSH));
    assertEquals(code + ": no", error.getMessage());
    assertEquals(code, error.status());
    assertEquals(1, scripted.requestIds.size());
  }

  @Test
  void aDeadlineThatPasses() throws InterruptedException {
    scripted.silent = true;
    HotrowException error =
        assertThrows(HotrowException.class, () -> client.read(READ.timeout(java.time.Duration.ofSeconds(2))));
    assertEquals(Status.Code.DEADLINE_EXCEEDED, error.status());
    assertTrue(error.getMessage().contains("give the request a longer timeout"), error.getMessage());
    assertTrue(scripted.cancelled.await(30, TimeUnit.SECONDS), "the server stops working on it");
  }

  @Test
  void aDeadlineThatPassesInALaterAttemptTellsOfTheOneBefore() {
    scripted.failures.add(Status.UNAVAILABLE.withDescription("away").asException());
    scripted.silentAfterwards = true;
    HotrowException error =
        assertThrows(HotrowException.class, () -> client.read(READ.timeout(java.time.Duration.ofSeconds(2))));
    assertEquals(Status.Code.DEADLINE_EXCEEDED, error.status());
    assertTrue(error.getMessage().endsWith("; the attempt before it: UNAVAILABLE: away"), error.getMessage());
  }

  @Test
  void aFutureThatIsCancelledEndsTheCall() throws InterruptedException {
    scripted.silent = true;
    CompletableFuture<Reply> future = client.readAsync(READ);
    assertTrue(scripted.received.await(30, TimeUnit.SECONDS));
    future.cancel(true);
    assertTrue(scripted.cancelled.await(30, TimeUnit.SECONDS));
  }

  @Test
  void aThreadThatIsInterruptedEndsTheCall() throws InterruptedException {
    scripted.silent = true;
    CompletableFuture<Throwable> raised = new CompletableFuture<>();
    Thread caller = new Thread(() -> raised.complete(assertThrows(HotrowException.class, () -> client.read(READ))));
    caller.start();
    assertTrue(scripted.received.await(30, TimeUnit.SECONDS));
    caller.interrupt();
    assertEquals(Status.Code.CANCELLED, ((HotrowException) raised.join()).status());
    assertTrue(scripted.cancelled.await(30, TimeUnit.SECONDS));
  }

  @Test
  void theContextOfTheCallerCounts() throws Exception {
    scripted.silent = true;
    Context.CancellableContext context = Context.current().withCancellation();
    CompletableFuture<Reply> future = context.call(() -> client.readAsync(READ));
    assertTrue(scripted.received.await(30, TimeUnit.SECONDS));
    context.cancel(null);
    assertTrue(scripted.cancelled.await(30, TimeUnit.SECONDS));
    assertThrows(Exception.class, () -> future.get(30, TimeUnit.SECONDS));
  }

  @Test
  void nobodyThere() throws IOException {
    String address = "127.0.0.1:" + Served.freePorts()[0];
    try (HotrowClient lonely = HotrowClient.builder(address).timeout(java.time.Duration.ofSeconds(2)).build()) {
      HotrowException error = assertThrows(HotrowException.class, lonely::serverInfo);
      assertTrue(error.getMessage().contains("UNAVAILABLE: no connection to " + address), error.getMessage());
      assertTrue(error.getMessage().contains("Connection refused): start the server there"), error.getMessage());
    }
  }

  @Test
  void aServerThatComesLateIsReached() throws IOException, InterruptedException {
    int port = server.getPort();
    server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
    CompletableFuture<PushReply> push = client.pushAsync(PUSH);
    assertThrows(java.util.concurrent.TimeoutException.class, () -> push.get(500, TimeUnit.MILLISECONDS));
    server = serve(port);
    assertEquals(1, push.join().written());
  }

  @Test
  void aClosedClientSaysSo() {
    client.close();
    IllegalStateException error = assertThrows(IllegalStateException.class, () -> client.read(READ));
    assertTrue(error.getMessage().contains("the client is closed"), error.getMessage());
  }

  @Test
  void anAddressThatIsNone() {
    for (String address : List.of("localhost", "127.0.0.1:", ":6565", "localhost:99999", "", "http://a:6565")) {
      IllegalArgumentException error =
          assertThrows(IllegalArgumentException.class, () -> HotrowClient.connect(address), address);
      assertTrue(error.getMessage().contains("host:port, such as 127.0.0.1:6565"), error.getMessage());
    }
    assertThrows(IllegalArgumentException.class, () -> HotrowClient.builder("[::1]:6565").connections(0));
    HotrowClient.connect("[::1]:6565").close();
  }
}
