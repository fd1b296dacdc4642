package dev.hotrow.client;

import com.google.protobuf.ByteString;
import dev.hotrow.v1.BoolLists;
import dev.hotrow.v1.BytesLists;
import dev.hotrow.v1.Column;
import dev.hotrow.v1.Float32Lists;
import dev.hotrow.v1.Float64Lists;
import dev.hotrow.v1.Int32Lists;
import dev.hotrow.v1.Int64Lists;
import dev.hotrow.v1.StringLists;
import dev.hotrow.v1.TimestampLists;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.IntToLongFunction;
import java.util.function.IntUnaryOperator;

/**
 * The lists of a column of a list type: the values of all rows stand one after another, and a row is a slice of them.
 */
final class Lists {
  private final Column message;
  private final int[] ends;

  private Lists(Column message, int rows, IntUnaryOperator lengths) {
    this.message = message;
    this.ends = new int[rows];
    int end = 0;
    for (int row = 0; row < rows; row++) {
      end += lengths.applyAsInt(row);
      ends[row] = end;
    }
  }

  /** Null for a column of scalars. */
  static Lists of(Column message) {
    switch (message.getValuesCase()) {
      case FLOAT64_LIST:
        Float64Lists doubles = message.getFloat64List();
        return new Lists(message, doubles.getLengthsCount(), doubles::getLengths);
      case FLOAT32_LIST:
        Float32Lists floats = message.getFloat32List();
        return new Lists(message, floats.getLengthsCount(), floats::getLengths);
      case INT64_LIST:
        Int64Lists longs = message.getInt64List();
        return new Lists(message, longs.getLengthsCount(), longs::getLengths);
      case INT32_LIST:
        Int32Lists ints = message.getInt32List();
        return new Lists(message, ints.getLengthsCount(), ints::getLengths);
      case BOOL_LIST:
        BoolLists booleans = message.getBoolList();
        return new Lists(message, booleans.getLengthsCount(), booleans::getLengths);
      case STRING_LIST:
        StringLists strings = message.getStringList();
        return new Lists(message, strings.getLengthsCount(), strings::getLengths);
      case BYTES_LIST:
        BytesLists bytes = message.getBytesList();
        return new Lists(message, bytes.getLengthsCount(), bytes::getLengths);
      case TIMESTAMP_US_LIST:
        TimestampLists times = message.getTimestampUsList();
        return new Lists(message, times.getLengthsCount(), times::getLengths);
      default:
        return null;
    }
  }

  int rows() {
    return ends.length;
  }

  double[] doubles(int row) {
    double[] out = new double[length(row)];
    for (int at = 0; at < out.length; at++) {
      out[at] = message.getFloat64List().getValues(start(row) + at);
    }
    return out;
  }

  float[] floats(int row) {
    float[] out = new float[length(row)];
    for (int at = 0; at < out.length; at++) {
      out[at] = message.getFloat32List().getValues(start(row) + at);
    }
    return out;
  }

  long[] longs(int row) {
    return longs(row, message.getInt64List()::getValues);
  }

  long[] micros(int row) {
    return longs(row, message.getTimestampUsList()::getValues);
  }

  private long[] longs(int row, IntToLongFunction values) {
    long[] out = new long[length(row)];
    for (int at = 0; at < out.length; at++) {
      out[at] = values.applyAsLong(start(row) + at);
    }
    return out;
  }

  int[] ints(int row) {
    int[] out = new int[length(row)];
    for (int at = 0; at < out.length; at++) {
      out[at] = message.getInt32List().getValues(start(row) + at);
    }
    return out;
  }

  boolean[] booleans(int row) {
    boolean[] out = new boolean[length(row)];
    for (int at = 0; at < out.length; at++) {
      out[at] = message.getBoolList().getValues(start(row) + at);
    }
    return out;
  }

  List<String> strings(int row) {
    return boxed(row, message.getStringList()::getValues);
  }

  List<ByteString> bytes(int row) {
    return boxed(row, message.getBytesList()::getValues);
  }

  /** Any of them, boxed. */
  List<?> get(int row) {
    return switch (message.getValuesCase()) {
      case FLOAT64_LIST -> boxed(row, message.getFloat64List()::getValues);
      case FLOAT32_LIST -> boxed(row, message.getFloat32List()::getValues);
      case INT64_LIST -> boxed(row, message.getInt64List()::getValues);
      case INT32_LIST -> boxed(row, message.getInt32List()::getValues);
      case BOOL_LIST -> boxed(row, message.getBoolList()::getValues);
      case STRING_LIST -> strings(row);
      case BYTES_LIST -> bytes(row);
      default -> this.<Instant>boxed(row, at -> Micros.instant(message.getTimestampUsList().getValues(at)));
    };
  }

  private <T> List<T> boxed(int row, IntFunction<T> values) {
    List<T> out = new ArrayList<>(length(row));
    for (int at = start(row); at < ends[row]; at++) {
      out.add(values.apply(at));
    }
    return List.copyOf(out);
  }

  private int start(int row) {
    return row == 0 ? 0 : ends[row - 1];
  }

  private int length(int row) {
    return ends[row] - start(row);
  }
}
