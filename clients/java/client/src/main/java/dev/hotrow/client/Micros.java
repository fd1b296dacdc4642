package dev.hotrow.client;

import java.time.Instant;
import java.util.concurrent.TimeUnit;

/** Times of the wire: microseconds since 1970-01-01T00:00:00Z. */
final class Micros {
  private static final long SECOND = TimeUnit.SECONDS.toMicros(1);
  private static final long YEAR_1980 = 315_532_800L;
  private static final long YEAR_2100 = 4_102_444_800L;

  private Micros() {}

  /**
   * Nanoseconds are dropped, toward the past, as everywhere in hotrow; throws IllegalArgumentException beyond the years
   * -290308 to 294247, which 64 bits of microseconds hold.
   */
  static long of(Instant time) {
    long seconds = time.getEpochSecond();
    long micros = time.getNano() / 1000L;
    try {
      if (seconds < 0) { // the first second of the range begins before it
        return Math.addExact(Math.multiplyExact(seconds + 1, SECOND), micros - SECOND);
      }
      return Math.addExact(Math.multiplyExact(seconds, SECOND), micros);
    } catch (ArithmeticException error) {
      throw new IllegalArgumentException("the time " + time + " does not fit in 64 bits of microseconds", error);
    }
  }

  /**
   * A number that is to be microseconds; throws IllegalArgumentException for one that as microseconds is a time that
   * hardly anyone means, and in another unit one of 1980 to 2100.
   */
  static long checked(long micros) {
    unit(micros, "seconds", 1L);
    unit(micros, "milliseconds", 1_000L);
    unit(micros, "nanoseconds", 1_000_000_000L);
    return micros;
  }

  private static void unit(long number, String name, long perSecond) {
    if (number >= YEAR_1980 * perSecond && number < YEAR_2100 * perSecond) {
      throw new IllegalArgumentException(
          String.format(
              "%d is %s as microseconds, and %s as %s; give microseconds since 1970, or an Instant where that is meant",
              number, instant(number), Instant.ofEpochSecond(number / perSecond), name));
    }
  }

  static Instant instant(long micros) {
    return Instant.ofEpochSecond(Math.floorDiv(micros, SECOND), Math.floorMod(micros, SECOND) * 1000L);
  }
}
