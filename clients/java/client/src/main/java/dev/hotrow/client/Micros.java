package dev.hotrow.client;

import java.time.Instant;
import java.util.concurrent.TimeUnit;

/** Times of the wire: microseconds since 1970-01-01T00:00:00Z. */
final class Micros {
  private static final long SECOND = TimeUnit.SECONDS.toMicros(1);

  private Micros() {}

  /**
   * Nanoseconds are dropped, toward the past, as everywhere in hotrow; throws ArithmeticException past the year
   * 294246.
   */
  static long of(Instant time) {
    return Math.addExact(Math.multiplyExact(time.getEpochSecond(), SECOND), time.getNano() / 1000L);
  }

  static Instant instant(long micros) {
    return Instant.ofEpochSecond(Math.floorDiv(micros, SECOND), Math.floorMod(micros, SECOND) * 1000L);
  }
}
