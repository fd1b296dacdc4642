package dev.hotrow.client;

import static dev.hotrow.client.Columns.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.hotrow.v1.Status;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What an accessor does with another type, another row and a null. */
class ColumnTest {
  @Test
  void anAccessorOfAnotherTypeNamesTheRightOne() {
    Column trips = int64("trips", 1, 2);
    ClassCastException error = assertThrows(ClassCastException.class, () -> trips.getDouble(0));
    assertEquals("column trips is Int64, which getDouble does not read: use getLong", error.getMessage());
    assertThrows(ClassCastException.class, () -> trips.getInt(0, 7));
    assertThrows(ClassCastException.class, () -> trips.getString(0, ""));
    assertThrows(ClassCastException.class, () -> trips.getLongs(0));
    assertThrows(ClassCastException.class, () -> string("s", "x").toDoubles(0));
  }

  @Test
  void aWiderAccessorReadsWhatItHoldsExactly() {
    assertEquals(3.0, int32("x", 3).getDouble(0));
    assertEquals(0.5, float32("x", 0.5f).getDouble(0));
    assertEquals(3L, int32("x", 3).getLong(0));
    assertArrayEquals(new long[] {3, -1}, int32("x", Arrays.asList(3, null)).toLongs(-1));
  }

  @Test
  void aRowWithoutAValueSaysWhy() {
    Column fare = float64("fare", Arrays.asList(1.0, null));
    IllegalStateException error = assertThrows(IllegalStateException.class, () -> fare.getDouble(1));
    assertTrue(error.getMessage().contains("fare has no value in row 1: its status is NULL_VALUE"), error.getMessage());
    assertEquals(7, fare.getDouble(1, 7));
    assertArrayEquals(new double[] {1, 7}, fare.toDoubles(7));
    assertEquals(Arrays.asList(1.0, null), fare.toList());
    assertThrows(IllegalStateException.class, () -> timestamp("t", Arrays.asList((Instant) null)).getInstant(0));
  }

  @Test
  void aRowThatIsNotThereIsNamed() {
    IndexOutOfBoundsException error =
        assertThrows(IndexOutOfBoundsException.class, () -> float64("fare", 1).getDouble(1));
    assertEquals("column fare has 1 rows, from 0, and no row 1", error.getMessage());
    assertThrows(IndexOutOfBoundsException.class, () -> float64("fare", 1).withNulls(-1));
  }

  @Test
  void nullsAndUnits() {
    Column fare = float64("fare", 1, 2, 3).withNulls(1).withUnit("SEK").withNulls(2);
    assertEquals(List.of(true, false, false), List.of(fare.isPresent(0), fare.isPresent(1), fare.isPresent(2)));
    assertEquals(Status.NULL_VALUE, fare.status(2));
    assertEquals("fare Float64 in SEK [1.0, null, null]", fare.toString());
    assertTrue(Double.isNaN(float64("x", Double.NaN).getDouble(0)), "NaN is a value");
  }

  @Test
  void nanosecondsAreDroppedTowardThePast() {
    assertEquals(-1, timestamp("t", Instant.ofEpochSecond(-1, 999_999_999)).getMicros(0));
    assertEquals(Instant.parse("1969-12-31T23:59:59.999999Z"), timestampMicros("t", -1).getInstant(0));
  }

  @Test
  void aTimeThatMicrosecondsCannotHoldIsRefused() {
    for (long micros : new long[] {Long.MIN_VALUE, Long.MAX_VALUE, 0}) {
      assertEquals(micros, timestamp("t", Micros.instant(micros)).getMicros(0));
    }
    assertThrows(IllegalArgumentException.class, () -> timestamp("t", Instant.MAX));
    assertThrows(IllegalArgumentException.class, () -> timestamp("t", Instant.MIN));
    assertThrows(IllegalArgumentException.class, () -> Micros.of(Micros.instant(Long.MIN_VALUE).minusNanos(1)));
  }

  @Test
  void aNumberOfAnotherUnitIsRefusedAsATime() {
    long second = 1_704_067_200L;
    for (long unit : new long[] {1, 1_000, 1_000_000_000}) {
      IllegalArgumentException error =
          assertThrows(IllegalArgumentException.class, () -> timestampMicros("t", second * unit));
      assertTrue(error.getMessage().contains("as microseconds, and 2024-01-01T00:00:00Z as"), error.getMessage());
      long[] row = {second * unit};
      assertThrows(IllegalArgumentException.class, () -> timestampMicrosList("t", List.of(row)));
      assertThrows(
          IllegalArgumentException.class, () -> PushRequest.view("stats").eventTimesMicros(0, second * unit));
      Instant meant = Micros.instant(second * unit);
      assertEquals(meant, timestamp("t", meant).getInstant(0));
    }
    assertEquals(second * 1_000_000, timestampMicros("t", second * 1_000_000).getMicros(0));
  }

  @Test
  void aDecimalBecomesTheNearestOrIsRefused() {
    BigDecimal half = new BigDecimal("0.50");
    BigDecimal twice = new BigDecimal("9007199791611905");
    assertEquals((1L << 53) + (1L << 30), (long) decimal("x", ValueType.FLOAT32, List.of(twice)).getFloat(0));
    assertEquals(twice.longValue(), decimal("x", ValueType.INT64, List.of(twice)).getLong(0));
    assertEquals(0.5, decimal("x", ValueType.FLOAT64, Arrays.asList(half, null)).getDouble(0));
    assertEquals("0.50", decimal("x", ValueType.STRING, List.of(half)).getString(0));
    BigDecimal large = new BigDecimal("1e39");
    for (ValueType type : new ValueType[] {ValueType.FLOAT32, ValueType.INT64, ValueType.INT32, ValueType.BOOL}) {
      assertThrows(IllegalArgumentException.class, () -> decimal("x", type, List.of(large)));
    }
    assertThrows(IllegalArgumentException.class, () -> decimal("x", ValueType.INT32, List.of(half)));
  }

  @Test
  void aRequestCanBeKept() {
    ReadRequest kept = ReadRequest.service("activity").fullNames();
    ReadRequest one = kept.entities(int64("driver_id", 1));
    assertEquals(0, kept.message("").getEntitiesCount());
    assertEquals(1, one.message("").getEntitiesCount());
    assertTrue(one.matrix().message("").getOptions().getFullNames());
    assertThrows(IllegalArgumentException.class, ReadRequest::features);
    PushRequest twice = PushRequest.view("stats").rows(float64("fare", 1), float64("fare", 2));
    assertThrows(IllegalArgumentException.class, () -> twice.message(""));
  }
}
