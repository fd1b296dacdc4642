package dev.hotrow.client;

import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * One call's deadline, which counts for all attempts together, and the pauses between them.
 *
 * <p>A pause is the one that the server asked for (and up to a fifth more, so that not all come back at once), or else
 * one that doubles from 20 ms to 1 s, of which jitter takes up to a half.
 *
 * <p>A call whose worker died while it had it is sent again once: the second death may well be the call's doing, and a
 * third worker is not given it.
 */
final class Attempts {
  private static final long FIRST_BACKOFF_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
  private static final long LAST_BACKOFF_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final double HINT_JITTER = 1.2;

  private static final int MOST_LOSSES = 2;

  private final long deadlineNanos;
  private int losses;
  private long backoffNanos = FIRST_BACKOFF_NANOS;

  Attempts(Duration timeout) {
    deadlineNanos = System.nanoTime() + timeout.toNanos();
  }

  /** Until the deadline. */
  long leftNanos() {
    return deadlineNanos - System.nanoTime();
  }

  /**
   * How long to wait before the next attempt; empty where there is none: the failure is final, or the pause would
   * outlast the deadline, and then the server's own words say more than a deadline does.
   */
  OptionalLong pauseNanos(HotrowException failure) {
    losses += failure.isLost() ? 1 : 0;
    if (!failure.isRetryable() || losses >= MOST_LOSSES) {
      return OptionalLong.empty();
    }
    ThreadLocalRandom random = ThreadLocalRandom.current();
    long pause =
        failure
            .retryAfter()
            .map(hint -> (long) (Math.max(hint.toNanos(), FIRST_BACKOFF_NANOS) * random.nextDouble(1, HINT_JITTER)))
            .orElse((long) (backoffNanos * random.nextDouble(0.5, 1)));
    backoffNanos = Math.min(2 * backoffNanos, LAST_BACKOFF_NANOS);
    return pause < leftNanos() ? OptionalLong.of(pause) : OptionalLong.empty();
  }

  /** The error to give the caller for a failure after which the call is not sent again. */
  HotrowException last(HotrowException failure) {
    return losses >= MOST_LOSSES && failure.isLost() ? failure.twice() : failure;
  }
}
