package dev.hotrow.client;

import static dev.hotrow.client.Columns.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.hotrow.v1.Status;
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
    assertThrows(ArithmeticException.class, () -> timestamp("t", Instant.MAX));
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
