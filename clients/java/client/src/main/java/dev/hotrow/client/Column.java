package dev.hotrow.client;

import com.google.protobuf.ByteString;
import dev.hotrow.v1.Status;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;

/**
 * A column: a name, and a value or none for each row, in order. {@link Columns} makes those that are sent. Immutable.
 *
 * <p>An accessor reads one row and boxes nothing. {@link #getDouble(int)} throws {@link IllegalStateException} where
 * the row has no value, and says the status; {@link #getDouble(int, double)} gives the other value instead. An accessor
 * that does not fit the column's type throws {@link ClassCastException} naming the one that does: a type fits if it
 * holds every value exactly, so a {@code double} also reads Float32 and Int32, a {@code long} Int32. NaN is a value.
 */
public final class Column {
  private final dev.hotrow.v1.Column message;
  private final ValueType type;
  private final int rows;
  private final Lists lists;

  Column(dev.hotrow.v1.Column message) {
    this.message = message;
    this.type = ValueType.of(message.getValuesCase());
    this.lists = Lists.of(message);
    this.rows = lists == null ? scalars(message) : lists.rows();
  }

  /** The message that is sent or was received. */
  dev.hotrow.v1.Column message() {
    return message;
  }

  /**
   * The name: of a feature, a join key or a field.
   *
   * @return the name
   */
  public String name() {
    return message.getName();
  }

  /**
   * The type of the values.
   *
   * @return the type
   */
  public ValueType type() {
    return type;
  }

  /**
   * The unit, as the view declares it ("SEK", "km").
   *
   * @return the unit, empty where there is none
   */
  public String unit() {
    return message.getUnit();
  }

  /**
   * How many rows there are, with and without a value.
   *
   * @return the number of rows
   */
  public int rows() {
    return rows;
  }

  /**
   * Why a row has a value or none.
   *
   * @param row the row, from 0
   * @return PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE or TRANSFORM_ERROR
   */
  public Status status(int row) {
    check(row);
    return message.getStatusesCount() == 0 ? Status.PRESENT : message.getStatuses(row);
  }

  /**
   * Whether a row has a value.
   *
   * @param row the row, from 0
   * @return whether its status is PRESENT
   */
  public boolean isPresent(int row) {
    return status(row) == Status.PRESENT;
  }

  /**
   * The same column with a unit: a push that states another one than the view's is refused.
   *
   * @param unit a unit such as "SEK"
   * @return a new column
   */
  public Column withUnit(String unit) {
    return new Column(message.toBuilder().setUnit(Objects.requireNonNull(unit, "unit")).build());
  }

  /**
   * The same column with a null in some rows, whatever values stand there.
   *
   * @param nulls the rows, from 0
   * @return a new column
   */
  public Column withNulls(int... nulls) {
    Status[] statuses = new Status[rows];
    for (int row = 0; row < rows; row++) {
      statuses[row] = status(row);
    }
    for (int row : nulls) {
      check(row);
      statuses[row] = Status.NULL_VALUE;
    }
    return new Column(message.toBuilder().clearStatuses().addAllStatuses(List.of(statuses)).build());
  }

  /**
   * A Float64, Float32 or Int32.
   *
   * @param row the row, from 0
   * @return the value
   */
  public double getDouble(int row) {
    double value = doubleAt(row);
    present(row);
    return value;
  }

  /**
   * A Float64, Float32 or Int32.
   *
   * @param row the row, from 0
   * @param otherwise what to return where the row has no value
   * @return the value
   */
  public double getDouble(int row, double otherwise) {
    double value = doubleAt(row);
    return isPresent(row) ? value : otherwise;
  }

  private double doubleAt(int row) {
    check(row);
    if (type == ValueType.FLOAT64) {
      return message.getFloat64().getValues(row);
    } else if (type == ValueType.FLOAT32) {
      return message.getFloat32().getValues(row);
    } else if (type == ValueType.INT32) {
      return message.getInt32().getValues(row);
    }
    throw misread("getDouble");
  }

  /**
   * A Float32.
   *
   * @param row the row, from 0
   * @return the value
   */
  public float getFloat(int row) {
    float value = floatAt(row);
    present(row);
    return value;
  }

  /**
   * A Float32.
   *
   * @param row the row, from 0
   * @param otherwise what to return where the row has no value
   * @return the value
   */
  public float getFloat(int row, float otherwise) {
    float value = floatAt(row);
    return isPresent(row) ? value : otherwise;
  }

  private float floatAt(int row) {
    expect(row, ValueType.FLOAT32, "getFloat");
    return message.getFloat32().getValues(row);
  }

  /**
   * An Int64 or Int32.
   *
   * @param row the row, from 0
   * @return the value
   */
  public long getLong(int row) {
    long value = longAt(row);
    present(row);
    return value;
  }

  /**
   * An Int64 or Int32.
   *
   * @param row the row, from 0
   * @param otherwise what to return where the row has no value
   * @return the value
   */
  public long getLong(int row, long otherwise) {
    long value = longAt(row);
    return isPresent(row) ? value : otherwise;
  }

  private long longAt(int row) {
    check(row);
    if (type == ValueType.INT64) {
      return message.getInt64().getValues(row);
    } else if (type == ValueType.INT32) {
      return message.getInt32().getValues(row);
    }
    throw misread("getLong");
  }

  /**
   * An Int32.
   *
   * @param row the row, from 0
   * @return the value
   */
  public int getInt(int row) {
    int value = intAt(row);
    present(row);
    return value;
  }

  /**
   * An Int32.
   *
   * @param row the row, from 0
   * @param otherwise what to return where the row has no value
   * @return the value
   */
  public int getInt(int row, int otherwise) {
    int value = intAt(row);
    return isPresent(row) ? value : otherwise;
  }

  private int intAt(int row) {
    expect(row, ValueType.INT32, "getInt");
    return message.getInt32().getValues(row);
  }

  /**
   * A Bool.
   *
   * @param row the row, from 0
   * @return the value
   */
  public boolean getBoolean(int row) {
    boolean value = booleanAt(row);
    present(row);
    return value;
  }

  /**
   * A Bool.
   *
   * @param row the row, from 0
   * @param otherwise what to return where the row has no value
   * @return the value
   */
  public boolean getBoolean(int row, boolean otherwise) {
    boolean value = booleanAt(row);
    return isPresent(row) ? value : otherwise;
  }

  private boolean booleanAt(int row) {
    expect(row, ValueType.BOOL, "getBoolean");
    return message.getBool().getValues(row);
  }

  /**
   * A String.
   *
   * @param row the row, from 0
   * @return the value
   */
  public String getString(int row) {
    String value = stringAt(row);
    present(row);
    return value;
  }

  /**
   * A String.
   *
   * @param row the row, from 0
   * @param otherwise what to return where the row has no value; may be null
   * @return the value
   */
  public String getString(int row, String otherwise) {
    String value = stringAt(row);
    return isPresent(row) ? value : otherwise;
  }

  private String stringAt(int row) {
    expect(row, ValueType.STRING, "getString");
    return message.getString().getValues(row);
  }

  /**
   * Bytes.
   *
   * @param row the row, from 0
   * @return the value
   */
  public ByteString getBytes(int row) {
    expect(row, ValueType.BYTES, "getBytes");
    present(row);
    return message.getBytes().getValues(row);
  }

  /**
   * A UnixTimestamp, in microseconds since 1970-01-01T00:00:00Z.
   *
   * @param row the row, from 0
   * @return the value
   */
  public long getMicros(int row) {
    long value = microsAt(row);
    present(row);
    return value;
  }

  /**
   * A UnixTimestamp, in microseconds since 1970-01-01T00:00:00Z.
   *
   * @param row the row, from 0
   * @param otherwise what to return where the row has no value
   * @return the value
   */
  public long getMicros(int row, long otherwise) {
    long value = microsAt(row);
    return isPresent(row) ? value : otherwise;
  }

  private long microsAt(int row) {
    expect(row, ValueType.UNIX_TIMESTAMP, "getMicros");
    return message.getTimestampUs().getValues(row);
  }

  /**
   * A UnixTimestamp.
   *
   * @param row the row, from 0
   * @return the value
   */
  public Instant getInstant(int row) {
    return Micros.instant(getMicros(row));
  }

  /**
   * An Array(Float64).
   *
   * @param row the row, from 0
   * @return the values
   */
  public double[] getDoubles(int row) {
    list(row, ValueType.FLOAT64_LIST, "getDoubles");
    return lists.doubles(row);
  }

  /**
   * An Array(Float32).
   *
   * @param row the row, from 0
   * @return the values
   */
  public float[] getFloats(int row) {
    list(row, ValueType.FLOAT32_LIST, "getFloats");
    return lists.floats(row);
  }

  /**
   * An Array(Int64).
   *
   * @param row the row, from 0
   * @return the values
   */
  public long[] getLongs(int row) {
    list(row, ValueType.INT64_LIST, "getLongs");
    return lists.longs(row);
  }

  /**
   * An Array(Int32).
   *
   * @param row the row, from 0
   * @return the values
   */
  public int[] getInts(int row) {
    list(row, ValueType.INT32_LIST, "getInts");
    return lists.ints(row);
  }

  /**
   * An Array(Bool).
   *
   * @param row the row, from 0
   * @return the values
   */
  public boolean[] getBooleans(int row) {
    list(row, ValueType.BOOL_LIST, "getBooleans");
    return lists.booleans(row);
  }

  /**
   * An Array(String).
   *
   * @param row the row, from 0
   * @return the values
   */
  public List<String> getStrings(int row) {
    list(row, ValueType.STRING_LIST, "getStrings");
    return lists.strings(row);
  }

  /**
   * An Array(Bytes).
   *
   * @param row the row, from 0
   * @return the values
   */
  public List<ByteString> getBytesList(int row) {
    list(row, ValueType.BYTES_LIST, "getBytesList");
    return lists.bytes(row);
  }

  /**
   * An Array(UnixTimestamp), in microseconds since 1970-01-01T00:00:00Z.
   *
   * @param row the row, from 0
   * @return the values
   */
  public long[] getMicrosList(int row) {
    list(row, ValueType.UNIX_TIMESTAMP_LIST, "getMicrosList");
    return lists.micros(row);
  }

  /**
   * All rows of a column that {@link #getDouble(int)} reads.
   *
   * @param otherwise what stands where a row has no value, such as {@link Double#NaN}
   * @return a new array with an entry a row
   */
  public double[] toDoubles(double otherwise) {
    double[] out = new double[rows];
    for (int row = 0; row < rows; row++) {
      out[row] = getDouble(row, otherwise);
    }
    return out;
  }

  /**
   * All rows of a column that {@link #getFloat(int)} reads.
   *
   * @param otherwise what stands where a row has no value, such as {@link Float#NaN}
   * @return a new array with an entry a row
   */
  public float[] toFloats(float otherwise) {
    float[] out = new float[rows];
    for (int row = 0; row < rows; row++) {
      out[row] = getFloat(row, otherwise);
    }
    return out;
  }

  /**
   * All rows of a column that {@link #getLong(int)} reads.
   *
   * @param otherwise what stands where a row has no value
   * @return a new array with an entry a row
   */
  public long[] toLongs(long otherwise) {
    long[] out = new long[rows];
    for (int row = 0; row < rows; row++) {
      out[row] = getLong(row, otherwise);
    }
    return out;
  }

  /**
   * All rows of a column that {@link #getInt(int)} reads.
   *
   * @param otherwise what stands where a row has no value
   * @return a new array with an entry a row
   */
  public int[] toInts(int otherwise) {
    int[] out = new int[rows];
    for (int row = 0; row < rows; row++) {
      out[row] = getInt(row, otherwise);
    }
    return out;
  }

  /**
   * A value of any type, boxed, for logs and generic code; services use the typed accessors. A time is an {@link
   * Instant}, a list of numbers a {@code List} of their boxes.
   *
   * @param row the row, from 0
   * @return the value, or null where there is none
   */
  public Object get(int row) {
    if (!isPresent(row)) {
      return null;
    }
    return lists != null ? lists.get(row) : switch (type) {
      case FLOAT64 -> getDouble(row);
      case FLOAT32 -> getFloat(row);
      case INT64 -> getLong(row);
      case INT32 -> getInt(row);
      case BOOL -> getBoolean(row);
      case STRING -> getString(row);
      case BYTES -> getBytes(row);
      default -> getInstant(row);
    };
  }

  /**
   * All rows, as {@link #get} has them.
   *
   * @return an unmodifiable list with an entry a row, null where there is no value
   */
  public List<Object> toList() {
    List<Object> out = new ArrayList<>(rows);
    for (int row = 0; row < rows; row++) {
      out.add(get(row));
    }
    return Collections.unmodifiableList(out);
  }

  @Override
  public String toString() {
    String unit = unit().isEmpty() ? "" : " in " + unit();
    return name() + " " + type + unit + " " + toList();
  }

  private void list(int row, ValueType wanted, String method) {
    expect(row, wanted, method);
    present(row);
  }

  private void expect(int row, ValueType wanted, String method) {
    if (type != wanted) {
      throw misread(method);
    }
    check(row);
  }

  private ClassCastException misread(String method) {
    return new ClassCastException(
        "column " + name() + " is " + type + ", which " + method + " does not read: use " + type.accessor());
  }

  private void check(int row) {
    if (row < 0 || row >= rows) {
      throw new IndexOutOfBoundsException("column " + name() + " has " + rows + " rows, from 0, and no row " + row);
    }
  }

  private void present(int row) {
    Status status = status(row);
    if (status != Status.PRESENT) {
      throw new IllegalStateException(
          "column " + name() + " has no value in row " + row + ": its status is " + status
              + "; ask isPresent(" + row + ") first, or give the accessor another value to return");
    }
  }

  private static int scalars(dev.hotrow.v1.Column message) {
    return switch (message.getValuesCase()) {
      case FLOAT64 -> message.getFloat64().getValuesCount();
      case FLOAT32 -> message.getFloat32().getValuesCount();
      case INT64 -> message.getInt64().getValuesCount();
      case INT32 -> message.getInt32().getValuesCount();
      case BOOL -> message.getBool().getValuesCount();
      case STRING -> message.getString().getValuesCount();
      case BYTES -> message.getBytes().getValuesCount();
      case TIMESTAMP_US -> message.getTimestampUs().getValuesCount();
      default -> message.getStatusesCount();
    };
  }
}
