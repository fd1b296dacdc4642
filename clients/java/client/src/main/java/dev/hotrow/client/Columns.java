package dev.hotrow.client;

import com.google.protobuf.ByteString;
import dev.hotrow.v1.BoolLists;
import dev.hotrow.v1.Bools;
import dev.hotrow.v1.BytesLists;
import dev.hotrow.v1.BytesValues;
import dev.hotrow.v1.Column.Builder;
import dev.hotrow.v1.Float32Lists;
import dev.hotrow.v1.Float32s;
import dev.hotrow.v1.Float64Lists;
import dev.hotrow.v1.Float64s;
import dev.hotrow.v1.Int32Lists;
import dev.hotrow.v1.Int32s;
import dev.hotrow.v1.Int64Lists;
import dev.hotrow.v1.Int64s;
import dev.hotrow.v1.Status;
import dev.hotrow.v1.StringLists;
import dev.hotrow.v1.Strings;
import dev.hotrow.v1.TimestampLists;
import dev.hotrow.v1.Timestamps;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Makes the columns that are sent: entities, request data and rows of a push, with a value a row.
 *
 * <p>{@code int64("driver_id", 1001, 9)} takes values as they are. A {@code List} may hold null for a null; so may the
 * lists that give a list a row. NaN is a value. The server converts numbers to the type of the schema: a float field
 * takes the nearest that it holds, an integer field what is whole and in its range.
 */
public final class Columns {
  private Columns() {}

  /**
   * Doubles.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column float64(String name, double... values) {
    Float64s.Builder packed = Float64s.newBuilder();
    for (double value : values) {
      packed.addValues(value);
    }
    return new Column(named(name).setFloat64(packed).build());
  }

  /**
   * Doubles, some of which may be null.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column float64(String name, List<Double> values) {
    Float64s.Builder packed = Float64s.newBuilder();
    Builder column = named(name);
    fill(column, values, 0.0, packed::addValues);
    return new Column(column.setFloat64(packed).build());
  }

  /**
   * Floats.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column float32(String name, float... values) {
    Float32s.Builder packed = Float32s.newBuilder();
    for (float value : values) {
      packed.addValues(value);
    }
    return new Column(named(name).setFloat32(packed).build());
  }

  /**
   * Floats, some of which may be null.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column float32(String name, List<Float> values) {
    Float32s.Builder packed = Float32s.newBuilder();
    Builder column = named(name);
    fill(column, values, 0f, packed::addValues);
    return new Column(column.setFloat32(packed).build());
  }

  /**
   * Longs.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column int64(String name, long... values) {
    Int64s.Builder packed = Int64s.newBuilder();
    for (long value : values) {
      packed.addValues(value);
    }
    return new Column(named(name).setInt64(packed).build());
  }

  /**
   * Longs, some of which may be null.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column int64(String name, List<Long> values) {
    Int64s.Builder packed = Int64s.newBuilder();
    Builder column = named(name);
    fill(column, values, 0L, packed::addValues);
    return new Column(column.setInt64(packed).build());
  }

  /**
   * Ints.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column int32(String name, int... values) {
    Int32s.Builder packed = Int32s.newBuilder();
    for (int value : values) {
      packed.addValues(value);
    }
    return new Column(named(name).setInt32(packed).build());
  }

  /**
   * Ints, some of which may be null.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column int32(String name, List<Integer> values) {
    Int32s.Builder packed = Int32s.newBuilder();
    Builder column = named(name);
    fill(column, values, 0, packed::addValues);
    return new Column(column.setInt32(packed).build());
  }

  /**
   * Booleans.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column bool(String name, boolean... values) {
    Bools.Builder packed = Bools.newBuilder();
    for (boolean value : values) {
      packed.addValues(value);
    }
    return new Column(named(name).setBool(packed).build());
  }

  /**
   * Booleans, some of which may be null.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column bool(String name, List<Boolean> values) {
    Bools.Builder packed = Bools.newBuilder();
    Builder column = named(name);
    fill(column, values, false, packed::addValues);
    return new Column(column.setBool(packed).build());
  }

  /**
   * Strings.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column string(String name, String... values) {
    return string(name, Arrays.asList(values));
  }

  /**
   * Strings, some of which may be null.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column string(String name, List<String> values) {
    Strings.Builder packed = Strings.newBuilder();
    Builder column = named(name);
    fill(column, values, "", packed::addValues);
    return new Column(column.setString(packed).build());
  }

  /**
   * Bytes.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column bytes(String name, ByteString... values) {
    return bytes(name, Arrays.asList(values));
  }

  /**
   * Bytes, some of which may be null.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column bytes(String name, List<ByteString> values) {
    BytesValues.Builder packed = BytesValues.newBuilder();
    Builder column = named(name);
    fill(column, values, ByteString.EMPTY, packed::addValues);
    return new Column(column.setBytes(packed).build());
  }

  /**
   * Times.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column timestamp(String name, Instant... values) {
    return timestamp(name, Arrays.asList(values));
  }

  /**
   * Times, some of which may be null.
   *
   * @param name the column's name
   * @param values a value a row; of nanoseconds the last three digits are dropped
   * @return the column
   */
  public static Column timestamp(String name, List<Instant> values) {
    Timestamps.Builder packed = Timestamps.newBuilder();
    Builder column = named(name);
    fill(column, values, Instant.EPOCH, value -> packed.addValues(Micros.of(value)));
    return new Column(column.setTimestampUs(packed).build());
  }

  /**
   * Times in microseconds since 1970-01-01T00:00:00Z; throws IllegalArgumentException for a number that seems to be of
   * another unit, such as {@code System.currentTimeMillis()}. An Instant is taken as it is.
   *
   * @param name the column's name
   * @param values a value a row
   * @return the column
   */
  public static Column timestampMicros(String name, long... values) {
    Timestamps.Builder packed = Timestamps.newBuilder();
    for (long value : values) {
      packed.addValues(Micros.checked(value));
    }
    return new Column(named(name).setTimestampUs(packed).build());
  }

  /**
   * A list a row: doubles.
   *
   * @param name the column's name
   * @param rows the list of each row, or null for a null
   * @return the column
   */
  public static Column float64List(String name, List<double[]> rows) {
    Float64Lists.Builder packed = Float64Lists.newBuilder();
    Builder column = named(name);
    fill(
        column,
        rows,
        new double[0],
        row -> {
          packed.addLengths(row.length);
          for (double value : row) {
            packed.addValues(value);
          }
        });
    return new Column(column.setFloat64List(packed).build());
  }

  /**
   * A list a row: floats.
   *
   * @param name the column's name
   * @param rows the list of each row, or null for a null
   * @return the column
   */
  public static Column float32List(String name, List<float[]> rows) {
    Float32Lists.Builder packed = Float32Lists.newBuilder();
    Builder column = named(name);
    fill(
        column,
        rows,
        new float[0],
        row -> {
          packed.addLengths(row.length);
          for (float value : row) {
            packed.addValues(value);
          }
        });
    return new Column(column.setFloat32List(packed).build());
  }

  /**
   * A list a row: longs.
   *
   * @param name the column's name
   * @param rows the list of each row, or null for a null
   * @return the column
   */
  public static Column int64List(String name, List<long[]> rows) {
    Int64Lists.Builder packed = Int64Lists.newBuilder();
    Builder column = named(name);
    fill(
        column,
        rows,
        new long[0],
        row -> {
          packed.addLengths(row.length);
          for (long value : row) {
            packed.addValues(value);
          }
        });
    return new Column(column.setInt64List(packed).build());
  }

  /**
   * A list a row: ints.
   *
   * @param name the column's name
   * @param rows the list of each row, or null for a null
   * @return the column
   */
  public static Column int32List(String name, List<int[]> rows) {
    Int32Lists.Builder packed = Int32Lists.newBuilder();
    Builder column = named(name);
    fill(
        column,
        rows,
        new int[0],
        row -> {
          packed.addLengths(row.length);
          for (int value : row) {
            packed.addValues(value);
          }
        });
    return new Column(column.setInt32List(packed).build());
  }

  /**
   * A list a row: booleans.
   *
   * @param name the column's name
   * @param rows the list of each row, or null for a null
   * @return the column
   */
  public static Column boolList(String name, List<boolean[]> rows) {
    BoolLists.Builder packed = BoolLists.newBuilder();
    Builder column = named(name);
    fill(
        column,
        rows,
        new boolean[0],
        row -> {
          packed.addLengths(row.length);
          for (boolean value : row) {
            packed.addValues(value);
          }
        });
    return new Column(column.setBoolList(packed).build());
  }

  /**
   * A list a row: strings.
   *
   * @param name the column's name
   * @param rows the list of each row, or null for a null
   * @return the column
   */
  public static Column stringList(String name, List<List<String>> rows) {
    StringLists.Builder packed = StringLists.newBuilder();
    Builder column = named(name);
    fill(
        column,
        rows,
        List.of(),
        row -> {
          packed.addLengths(row.size()).addAllValues(row);
        });
    return new Column(column.setStringList(packed).build());
  }

  /**
   * A list a row: bytes.
   *
   * @param name the column's name
   * @param rows the list of each row, or null for a null
   * @return the column
   */
  public static Column bytesList(String name, List<List<ByteString>> rows) {
    BytesLists.Builder packed = BytesLists.newBuilder();
    Builder column = named(name);
    fill(
        column,
        rows,
        List.of(),
        row -> {
          packed.addLengths(row.size()).addAllValues(row);
        });
    return new Column(column.setBytesList(packed).build());
  }

  /**
   * A list a row: times in microseconds since 1970-01-01T00:00:00Z, checked as by {@link #timestampMicros}.
   *
   * @param name the column's name
   * @param rows the list of each row, or null for a null
   * @return the column
   */
  public static Column timestampMicrosList(String name, List<long[]> rows) {
    TimestampLists.Builder packed = TimestampLists.newBuilder();
    Builder column = named(name);
    fill(
        column,
        rows,
        new long[0],
        row -> {
          packed.addLengths(row.length);
          for (long value : row) {
            packed.addValues(Micros.checked(value));
          }
        });
    return new Column(column.setTimestampUsList(packed).build());
  }

  /**
   * Decimals as values of a field's type, each rounded once: to the nearest float, or exactly to an integer, or to its
   * digits with all places of its scale. Throws IllegalArgumentException for one that the type does not hold.
   *
   * @param name the column's name
   * @param type FLOAT64, FLOAT32, INT64, INT32 or STRING, the type of the field
   * @param values a value a row, null for a null
   * @return the column
   */
  public static Column decimal(String name, ValueType type, List<BigDecimal> values) {
    try {
      return switch (type) {
        case FLOAT64 -> float64(name, converted(values, value -> finite(value, value.doubleValue())));
        case FLOAT32 -> float32(name, converted(values, value -> (float) finite(value, value.floatValue())));
        case INT64 -> int64(name, converted(values, BigDecimal::longValueExact));
        case INT32 -> int32(name, converted(values, BigDecimal::intValueExact));
        case STRING -> string(name, converted(values, BigDecimal::toPlainString));
        default -> throw new IllegalArgumentException("column " + name + ": " + type + " does not hold decimals");
      };
    } catch (ArithmeticException error) {
      throw new IllegalArgumentException("column " + name + ", which is " + type + ": " + error.getMessage(), error);
    }
  }

  private static <T> List<T> converted(List<BigDecimal> values, Function<BigDecimal, T> convert) {
    List<T> made = new ArrayList<>(values.size());
    for (BigDecimal value : values) {
      made.add(value == null ? null : convert.apply(value));
    }
    return made;
  }

  private static double finite(BigDecimal value, double made) {
    if (Double.isInfinite(made)) {
      throw new ArithmeticException(value + " is beyond the range");
    }
    return made;
  }

  private static Builder named(String name) {
    return dev.hotrow.v1.Column.newBuilder().setName(Objects.requireNonNull(name, "a column's name"));
  }

  /** Adds each value, `empty` in place of a null, and the statuses where there is a null. */
  private static <T> void fill(Builder column, List<T> values, T empty, Consumer<T> add) {
    Objects.requireNonNull(values, () -> "the values of column " + column.getName());
    boolean absent = false;
    for (T value : values) {
      add.accept(value == null ? empty : value);
      absent |= value == null;
    }
    if (absent) {
      for (T value : values) {
        column.addStatuses(value == null ? Status.NULL_VALUE : Status.PRESENT);
      }
    }
  }
}
