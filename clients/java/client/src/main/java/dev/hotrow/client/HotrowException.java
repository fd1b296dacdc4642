package dev.hotrow.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.net.ConnectException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;

/**
 * A call that the server refused, or that nobody answered. The message names what is wrong and what helps.
 *
 * <p>Arguments that cannot be sent are {@link IllegalArgumentException} instead, and a closed client is {@link
 * IllegalStateException}.
 */
public sealed class HotrowException extends RuntimeException permits RejectedRowsException {
  private static final long serialVersionUID = 1;

  private static final Pattern TOO_LARGE =
      Pattern.compile("Received message larger than max \\((\\d+) vs\\. (\\d+)\\)");

  private final Status.Code status;
  private final String field;
  private final Duration retryAfter;
  private final boolean lost;

  HotrowException(
      Status.Code status, String message, Throwable cause, String field, Duration retryAfter, boolean lost) {
    super(status + ": " + message, cause);
    this.status = status;
    this.field = field;
    this.retryAfter = retryAfter;
    this.lost = lost;
  }

  /** What gRPC raised, in this package's terms. */
  static HotrowException of(Throwable error, String address) {
    Status status = Status.fromThrowable(error);
    String field = "";
    Duration retryAfter = null;
    boolean lost = isBroken(status);
    com.google.rpc.Status details = StatusProto.fromThrowable(error);
    if (details != null) {
      for (Any detail : details.getDetailsList()) {
        try {
          if (detail.is(RetryInfo.class)) {
            com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
            retryAfter = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
          } else if (detail.is(ErrorInfo.class)) {
            lost = detail.unpack(ErrorInfo.class).getReason().equals("WORKER_LOST");
          } else if (detail.is(BadRequest.class)) {
            BadRequest request = detail.unpack(BadRequest.class);
            field = request.getFieldViolationsCount() == 0 ? "" : request.getFieldViolations(0).getField();
          }
        } catch (InvalidProtocolBufferException damaged) {
          // Another server's details: the message stands without them.
          continue;
        }
      }
    }
    return new HotrowException(status.getCode(), reason(status, address), error, field, retryAfter, lost);
  }

  /** Whether a connection broke on which the call was; one that could not be made has another cause. */
  private static boolean isBroken(Status status) {
    if (status.getCode() != Status.Code.UNAVAILABLE) {
      return false;
    }
    Throwable root = status.getCause();
    while (root != null && root.getCause() != null) {
      root = root.getCause();
    }
    boolean unmade =
        root instanceof ConnectException || root instanceof UnknownHostException || root instanceof SSLException;
    String said = String.valueOf(status.getDescription());
    return (root instanceof IOException && !unmade) || said.contains("Network closed");
  }

  /** The error of a call that two workers did not survive: it is not given to a third. */
  HotrowException twice() {
    String message =
        "the worker that had this call died, twice, so it is not sent again: the call may be what ends it; look at the"
            + " server's log (" + text() + ")";
    return new HotrowException(status, message, getCause(), field, null, true);
  }

  /** Whether the worker died while it had the call. */
  boolean isLost() {
    return lost;
  }

  /** This deadline, which passed in a later attempt: what failed before says more. */
  HotrowException after(HotrowException before) {
    String message = text() + "; the attempt before it: " + before.getMessage();
    return new HotrowException(status, message, getCause(), field, retryAfter, lost);
  }

  String text() {
    return getMessage().substring(status.toString().length() + 2);
  }

  /** The same failure, raised where the caller stands. */
  HotrowException raised() {
    return new HotrowException(status, text(), this, field, retryAfter, lost);
  }

  /** A blocking call whose thread was interrupted. */
  static HotrowException interrupted(InterruptedException error) {
    String message = "the thread was interrupted while it waited; a push may have been written all the same";
    return new HotrowException(Status.Code.CANCELLED, message, error, "", null, false);
  }

  private static String reason(Status status, String address) {
    String said = status.getDescription() == null ? status.getCode().toString() : status.getDescription();
    if (status.getCode() == Status.Code.UNAVAILABLE && status.getCause() instanceof IOException) {
      Throwable root = status.getCause();
      while (root.getCause() != null) {
        root = root.getCause();
      }
      return "no connection to " + address + " (" + (said.startsWith("io exception") ? root.getMessage() : said)
          + "): start the server there (hotrow serve), or give the client its address;"
          + " TLS must be on in both or in none";
    }
    if (status.getCode() == Status.Code.DEADLINE_EXCEEDED) {
      return "no reply from " + address + " within the timeout, which counts for all attempts together:"
          + " give the request a longer timeout, or find out what keeps the server busy (" + said + ")";
    }
    if (status.getCode() == Status.Code.UNIMPLEMENTED && said.startsWith("Method not found")) {
      return "what listens at " + address + " has no such method: reads, pushes and serverInfo go to the address of"
          + " `hotrow serve` (server.address in hotrow.toml); an ingest worker's (ingest.address) is for ingestAddress";
    }
    Matcher sizes = TOO_LARGE.matcher(said);
    if (status.getCode() == Status.Code.RESOURCE_EXHAUSTED && sizes.find()) {
      return "the message has " + sizes.group(1) + " bytes, and the server takes " + sizes.group(2)
          + " at most (max_message_mib in its hotrow.toml): send the rows in several requests, one after another";
    }
    return said;
  }

  /**
   * gRPC's code, such as NOT_FOUND for an unknown feature or INVALID_ARGUMENT for a wrong type.
   *
   * @return the code
   */
  public Status.Code status() {
    return status;
  }

  /**
   * Which part of the request is at fault, such as "features.names" or the name of a column.
   *
   * @return the field, empty where none is at fault
   */
  public String field() {
    return field;
  }

  /**
   * When to come back, where the server says it.
   *
   * @return the server's hint
   */
  public Optional<Duration> retryAfter() {
    return Optional.ofNullable(retryAfter);
  }

  /**
   * Whether the same call may succeed later: nobody answered, or the server is full and said when to come back.
   * RESOURCE_EXHAUSTED without a hint is final, as a message over the size limit is.
   *
   * @return whether the client sends such a call again by itself, within its timeout
   */
  public boolean isRetryable() {
    return status == Status.Code.UNAVAILABLE
        || status == Status.Code.CANCELLED
        || (status == Status.Code.RESOURCE_EXHAUSTED && retryAfter != null);
  }
}
