package dev.hotrow.client;

import io.grpc.Status;
import java.util.stream.Collectors;

/**
 * Rows of a push that the server rejected; the others were taken. {@link PushRequest#returnRejected} has the reply
 * returned instead.
 */
public final class RejectedRowsException extends HotrowException {
  private static final long serialVersionUID = 1;
  private static final int SHOWN = 3;

  private final transient PushReply reply;

  RejectedRowsException(PushReply reply, boolean dryRun) {
    this(reply, message(reply, dryRun), null);
  }

  private RejectedRowsException(PushReply reply, String message, Throwable cause) {
    super(Status.Code.INVALID_ARGUMENT, message, cause, field(reply), null, false);
    this.reply = reply;
  }

  /**
   * The reply to the push.
   *
   * @return what became of each row, and why rows were rejected
   */
  public PushReply reply() {
    return reply;
  }

  @Override
  HotrowException raised() {
    return new RejectedRowsException(reply, text(), this);
  }

  private static String field(PushReply reply) {
    return reply.rejections().isEmpty() ? "" : reply.rejections().get(0).field();
  }

  private static String message(PushReply reply, boolean dryRun) {
    String first =
        reply.rejections().stream()
            .limit(SHOWN)
            .map(one -> "row " + one.row() + ", " + one.field() + ": " + one.reason())
            .collect(Collectors.joining("; "));
    String rest =
        dryRun
            ? "Nothing was written, as by any dry run"
            : "The others were taken (" + reply.written() + " written, " + reply.skippedStale() + " stale, "
                + reply.duplicates() + " duplicates)";
    return reply.rejected() + " of " + reply.results().size() + " rows were rejected: " + first
        + (reply.rejected() > SHOWN ? "; and others. " : ". ") + rest
        + ". reply() has each row's result; PushRequest.returnRejected() returns it in place of throwing";
  }
}
