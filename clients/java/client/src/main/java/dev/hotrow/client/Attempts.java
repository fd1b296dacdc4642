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
 */
final class Attempts {
  private static final long FIRST_BACKOFF_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
  private static final long LAST_BACKOFF_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final double HINT_JITTER = 1.2;

  private final long deadlineNanos;
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
    if (!failure.isRetryable()) {
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
}
