package dev.hotrow.client;

import dev.hotrow.v1.Destination;
import dev.hotrow.v1.Operation;
import dev.hotrow.v1.PushFeaturesRequest;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;

/**
 * Rows to write. Immutable: each method returns a new request.
 *
 * <pre>{@code
 * client.push(PushRequest.source("driver_stats_push")
 *     .rows(Columns.int64("driver_id", 1001), Columns.float32("conv_rate", 0.75f)));
 * }</pre>
 */
public final class PushRequest {
  private final PushFeaturesRequest message;
  private final Instant eventTime;
  private final Duration timeout;
  private final boolean returnsRejected;

  private PushRequest(PushFeaturesRequest message, Instant eventTime, Duration timeout, boolean returnsRejected) {
    this.message = message;
    this.eventTime = eventTime;
    this.timeout = timeout;
    this.returnsRejected = returnsRejected;
  }

  /**
   * By a push source.
   *
   * @param name its name
   * @return a request without rows
   */
  public static PushRequest source(String name) {
    return new PushRequest(PushFeaturesRequest.newBuilder().setPushSource(name).build(), null, null, false);
  }

  /**
   * To a view.
   *
   * @param name its name
   * @return a request without rows
   */
  public static PushRequest view(String name) {
    return new PushRequest(PushFeaturesRequest.newBuilder().setView(name).build(), null, null, false);
  }

  /**
   * The rows, in place of those given before.
   *
   * @param columns one for each join key and each field, all of one length; fields that have a default may be left out
   * @return a new request
   */
  public PushRequest rows(Column... columns) {
    return changed(request -> {
      request.clearRows();
      for (Column column : columns) {
        request.addRows(column.message());
      }
    });
  }

  /**
   * The event time of every row. Without one it is the time of receipt.
   *
   * @param time the time
   * @return a new request
   */
  public PushRequest eventTime(Instant time) {
    return new PushRequest(message.toBuilder().clearEventTimeUs().build(), time, timeout, returnsRejected);
  }

  /**
   * The event time of each row, in microseconds since 1970-01-01T00:00:00Z; throws IllegalArgumentException for a
   * number that seems to be of another unit. An Instant is taken as it is.
   *
   * @param micros one a row
   * @return a new request
   */
  public PushRequest eventTimesMicros(long... micros) {
    PushFeaturesRequest.Builder request = message.toBuilder().clearEventTimeUs();
    for (long one : micros) {
      request.addEventTimeUs(Micros.checked(one));
    }
    return new PushRequest(request.build(), null, timeout, returnsRejected);
  }

  /**
   * Deletes the rows of these join keys; the rows are then the join keys alone.
   *
   * @return a new request
   */
  public PushRequest delete() {
    return changed(request -> request.setOp(Operation.DELETE));
  }

  /**
   * Where the rows go.
   *
   * @param destination ONLINE unless said
   * @return a new request
   */
  public PushRequest to(Destination destination) {
    return changed(request -> request.setTo(destination));
  }

  /**
   * Makes this push happen once: the same id and rows again are answered with the first reply. Without one the client
   * makes one for each call, which covers that call's own attempts. Give one to go on after an exception.
   *
   * @param requestId any text, new for each push
   * @return a new request
   */
  public PushRequest requestId(String requestId) {
    return changed(request -> request.setRequestId(requestId));
  }

  /**
   * All rows or none: one that is rejected refuses the batch.
   *
   * @return a new request
   */
  public PushRequest atomic() {
    return changed(request -> request.setAtomic(true));
  }

  /**
   * Checks and compares, and writes nothing.
   *
   * @return a new request
   */
  public PushRequest dryRun() {
    return changed(request -> request.setDryRun(true));
  }

  /**
   * Another snapshot than the head.
   *
   * @param snapshot an id, a branch or a pin
   * @return a new request
   */
  public PushRequest snapshot(String snapshot) {
    return changed(request -> request.setSnapshot(snapshot));
  }

  /**
   * Another timeout than the client's.
   *
   * @param timeout for all attempts together
   * @return a new request
   */
  public PushRequest timeout(Duration timeout) {
    return new PushRequest(message, eventTime, timeout, returnsRejected);
  }

  /**
   * Rows that the server rejects are in the reply alone. Without this they throw {@link RejectedRowsException}, once
   * the others are written.
   *
   * @return a new request
   */
  public PushRequest returnRejected() {
    return new PushRequest(message, eventTime, timeout, true);
  }

  /** The reply as it is; throws RejectedRowsException for rejected rows, unless they are to be returned. */
  PushReply checked(PushReply reply) {
    if (reply.rejected() > 0 && !returnsRejected) {
      throw new RejectedRowsException(reply, message.getDryRun());
    }
    return reply;
  }

  /** Null: the client's. */
  Duration timeout() {
    return timeout;
  }

  /** What is sent, with a request id; throws IllegalArgumentException for a column that is given twice. */
  PushFeaturesRequest message(String project) {
    Set<String> names = new HashSet<>();
    for (dev.hotrow.v1.Column column : message.getRowsList()) {
      if (!names.add(column.getName())) {
        throw new IllegalArgumentException("column " + column.getName() + " stands twice among the rows: give it once");
      }
    }
    PushFeaturesRequest.Builder request = message.toBuilder().setProject(project);
    if (request.getRequestId().isEmpty()) {
      request.setRequestId(UUID.randomUUID().toString());
    }
    if (eventTime != null && request.getRowsCount() > 0) {
      long micros = Micros.of(eventTime);
      int rows = new Column(request.getRows(0)).rows();
      for (int row = 0; row < rows; row++) {
        request.addEventTimeUs(micros);
      }
    }
    return request.build();
  }

  private PushRequest changed(Consumer<PushFeaturesRequest.Builder> change) {
    PushFeaturesRequest.Builder builder = message.toBuilder();
    change.accept(builder);
    return new PushRequest(builder.build(), eventTime, timeout, returnsRejected);
  }
}
