package dev.hotrow.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** A call on its way: sent, sent again while that is of use, and cancelled with its future. */
final class PendingCall<Q, A, R> {
  private final Connections connections;
  private final MethodDescriptor<Q, A> method;
  private final Q request;
  private final Function<A, R> decode;
  private final Attempts attempts;
  private final CompletableFuture<R> result = new CompletableFuture<>();
  /** The caller's: its deadline and cancellation count for later attempts too. */
  private final Context context = Context.current();

  /** Null once it has ended: there is nothing to cancel then, and gRPC takes a cancelled call's last steps amiss. */
  private volatile ClientCall<Q, A> running;

  /** What the last attempt ended with: only one runs at a time. */
  private volatile HotrowException before;

  PendingCall(
      Connections connections, MethodDescriptor<Q, A> method, Q request, Duration timeout, Function<A, R> decode) {
    this.connections = connections;
    this.method = method;
    this.request = request;
    this.decode = decode;
    this.attempts = new Attempts(timeout);
  }

  /** Fails with HotrowException, or IllegalStateException where the client is closed. */
  CompletableFuture<R> send() {
    result.whenComplete((reply, error) -> cancel());
    try {
      attempt(connections.next());
    } catch (IllegalStateException closed) {
      result.completeExceptionally(closed);
    }
    return result;
  }

  private void attempt(ManagedChannel channel) {
    if (result.isDone()) {
      return;
    }
    long left = Math.max(attempts.leftNanos(), 1);
    ClientCall<Q, A> call = channel.newCall(method, CallOptions.DEFAULT.withDeadlineAfter(left, TimeUnit.NANOSECONDS));
    running = call;
    try {
      ClientCalls.asyncUnaryCall(call, request, new Answer());
    } catch (IllegalStateException cancelled) {
      result.completeExceptionally(cancelled); // nothing: the future was cancelled meanwhile
    }
    if (result.isDone()) {
      cancel(); // it was done before this call could be seen
    }
  }

  private void cancel() {
    ClientCall<Q, A> call = running;
    if (call != null) {
      call.cancel("the caller wants no reply any more", null);
    }
  }

  private void failed(Throwable error) {
    HotrowException failure = HotrowException.of(error, connections.address());
    if (before != null && failure.status() == Status.Code.DEADLINE_EXCEEDED) {
      failure = failure.after(before);
    }
    before = failure;
    OptionalLong pause = context.isCancelled() ? OptionalLong.empty() : attempts.pauseNanos(failure);
    if (pause.isEmpty()) {
      result.completeExceptionally(attempts.last(failure));
      return;
    }
    try {
      // The next connection, and not after gRPC's own pause, which grows to two minutes: the pause here decides.
      ManagedChannel next = connections.next();
      next.resetConnectBackoff();
      CompletableFuture.delayedExecutor(pause.getAsLong(), TimeUnit.NANOSECONDS)
          .execute(context.wrap(() -> attempt(next)));
    } catch (IllegalStateException closed) {
      result.completeExceptionally(closed);
    }
  }

  private final class Answer implements StreamObserver<A> {
    private A reply;

    @Override
    public void onNext(A value) {
      reply = value;
    }

    @Override
    public void onCompleted() {
      running = null;
      try {
        result.complete(decode.apply(reply));
      } catch (RuntimeException error) {
        result.completeExceptionally(error);
      }
    }

    @Override
    public void onError(Throwable error) {
      running = null;
      failed(error);
    }
  }
}
