package dev.hotrow.client;

import dev.hotrow.v1.Column.ValuesCase;

/** The type of a column's values; {@link #toString} gives the name that definitions use, such as Array(Int64). */
public enum ValueType {
  /** A double. */
  FLOAT64("Float64", ValuesCase.FLOAT64, "getDouble"),
  /** A float. */
  FLOAT32("Float32", ValuesCase.FLOAT32, "getFloat"),
  /** A long. */
  INT64("Int64", ValuesCase.INT64, "getLong"),
  /** An int. */
  INT32("Int32", ValuesCase.INT32, "getInt"),
  /** A boolean. */
  BOOL("Bool", ValuesCase.BOOL, "getBoolean"),
  /** A string. */
  STRING("String", ValuesCase.STRING, "getString"),
  /** Bytes. */
  BYTES("Bytes", ValuesCase.BYTES, "getBytes"),
  /** A time in UTC, in microseconds. */
  UNIX_TIMESTAMP("UnixTimestamp", ValuesCase.TIMESTAMP_US, "getInstant or getMicros"),
  /** Doubles. */
  FLOAT64_LIST("Array(Float64)", ValuesCase.FLOAT64_LIST, "getDoubles"),
  /** Floats. */
  FLOAT32_LIST("Array(Float32)", ValuesCase.FLOAT32_LIST, "getFloats"),
  /** Longs. */
  INT64_LIST("Array(Int64)", ValuesCase.INT64_LIST, "getLongs"),
  /** Ints. */
  INT32_LIST("Array(Int32)", ValuesCase.INT32_LIST, "getInts"),
  /** Booleans. */
  BOOL_LIST("Array(Bool)", ValuesCase.BOOL_LIST, "getBooleans"),
  /** Strings. */
  STRING_LIST("Array(String)", ValuesCase.STRING_LIST, "getStrings"),
  /** A list of bytes. */
  BYTES_LIST("Array(Bytes)", ValuesCase.BYTES_LIST, "getBytesList"),
  /** Times in UTC, in microseconds. */
  UNIX_TIMESTAMP_LIST("Array(UnixTimestamp)", ValuesCase.TIMESTAMP_US_LIST, "getMicrosList");

  private final String title;
  private final ValuesCase wire;
  private final String accessor;

  ValueType(String title, ValuesCase wire, String accessor) {
    this.title = title;
    this.wire = wire;
    this.accessor = accessor;
  }

  /** The type of what stands in a column; null where nothing does. */
  static ValueType of(ValuesCase wire) {
    for (ValueType type : values()) {
      if (type.wire == wire) {
        return type;
      }
    }
    return null;
  }

  /** The method of {@link Column} that reads it. */
  String accessor() {
    return accessor;
  }

  @Override
  public String toString() {
    return title;
  }
}
