package dev.hotrow.client;

import com.google.protobuf.ByteString;
import dev.hotrow.v1.EventTimes;
import dev.hotrow.v1.Float32s;
import dev.hotrow.v1.GetOnlineFeaturesReply;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;

/** Columns in the order asked, with a row for each of the entities, in their order. Immutable. */
public final class Reply {
  private final Map<String, Column> columns;
  private final Map<String, EventTimes> eventTimes;
  private final String snapshot;

  private Reply(Map<String, Column> columns, Map<String, EventTimes> eventTimes, String snapshot) {
    this.columns = Collections.unmodifiableMap(columns);
    this.eventTimes = eventTimes;
    this.snapshot = snapshot;
  }

  static Reply of(GetOnlineFeaturesReply message) {
    Map<String, Column> columns = new LinkedHashMap<>();
    FloatBuffer matrix = message.hasMatrix() ? floats(message.getMatrix().getValues()) : null;
    int place = 0;
    for (dev.hotrow.v1.Column column : message.getColumnsList()) {
      columns.put(column.getName(), new Column(matrix == null ? column : filled(column, matrix, place, message)));
      place++;
    }
    Map<String, EventTimes> times = new LinkedHashMap<>();
    message.getEventTimesList().forEach(one -> times.put(one.getView(), one));
    return new Reply(columns, times, message.getSnapshot());
  }

  private static FloatBuffer floats(ByteString values) {
    return values.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
  }

  /** With a matrix, a column comes without values: they stand in the matrix, row by row. */
  private static dev.hotrow.v1.Column filled(
      dev.hotrow.v1.Column column, FloatBuffer matrix, int place, GetOnlineFeaturesReply message) {
    Float32s.Builder values = Float32s.newBuilder();
    for (int row = 0; row < message.getMatrix().getRows(); row++) {
      values.addValues(matrix.get(row * message.getColumnsCount() + place));
    }
    return column.toBuilder().setFloat32(values).build();
  }

  /**
   * A column.
   *
   * @param name the feature's name, or view__feature where the read asked for full names
   * @return the column
   * @throws NoSuchElementException for a name that was not asked for
   */
  public Column column(String name) {
    Column column = columns.get(name);
    if (column == null) {
      throw unknown("column", name, columns.keySet(), "ask for the feature, or use one of these names");
    }
    return column;
  }

  /**
   * The columns, in the order asked.
   *
   * @return an unmodifiable collection
   */
  public Collection<Column> columns() {
    return columns.values();
  }

  /**
   * The columns' names, in the order asked.
   *
   * @return an unmodifiable list
   */
  public List<String> names() {
    return List.copyOf(columns.keySet());
  }

  /**
   * How many rows there are: one for each of the entities.
   *
   * @return the number of rows
   */
  public int rows() {
    return columns.values().stream().mapToInt(Column::rows).max().orElse(0);
  }

  /**
   * The snapshot that answered.
   *
   * @return its id
   */
  public String snapshot() {
    return snapshot;
  }

  /**
   * The event time of a row.
   *
   * @param view the view's name
   * @param row the row, from 0
   * @return the time, empty where there is no row for this entity
   * @throws NoSuchElementException unless the read asked for event timestamps, of a feature of that view
   */
  public Optional<Instant> eventTime(String view, int row) {
    EventTimes times = eventTimes.get(view);
    if (times == null) {
      throw unknown("event time of view", view, eventTimes.keySet(), "ask for them with eventTimestamps()");
    }
    long micros = times.getValues(row);
    return micros == 0 ? Optional.empty() : Optional.of(Micros.instant(micros));
  }

  /**
   * The numbers of all columns in one array, for a model: row by row, NaN where there is no value.
   *
   * @return a new array of {@code rows() * names().size()} floats
   * @throws ClassCastException where a column is no number
   */
  public float[] matrix() {
    float[] out = new float[rows() * columns.size()];
    int place = 0;
    for (Column column : columns.values()) {
      for (int row = 0; row < column.rows(); row++) {
        out[row * columns.size() + place] = column.isPresent(row) ? number(column, row) : Float.NaN;
      }
      place++;
    }
    return out;
  }

  private static float number(Column column, int row) {
    return switch (column.type()) {
      case FLOAT32 -> column.getFloat(row);
      case INT64 -> column.getLong(row);
      case BOOL -> column.getBoolean(row) ? 1 : 0;
      case FLOAT64, INT32 -> (float) column.getDouble(row);
      default -> throw new ClassCastException(
          "column " + column.name() + " is " + column.type() + ", which a matrix of floats cannot hold: leave it out");
    };
  }

  /**
   * A map a row, boxed, for logs and generic code; see {@link Column#get}.
   *
   * @return a list with an entry a row; a map has every column, null where there is no value
   */
  public List<Map<String, Object>> toRows() {
    List<Map<String, Object>> out = new ArrayList<>();
    for (int row = 0; row < rows(); row++) {
      Map<String, Object> values = new LinkedHashMap<>();
      for (Column column : columns.values()) {
        values.put(column.name(), column.get(row));
      }
      out.add(values);
    }
    return out;
  }

  @Override
  public String toString() {
    return "Reply(" + rows() + " rows of " + String.join(", ", columns.keySet()) + ")";
  }

  private static NoSuchElementException unknown(String what, String name, Collection<String> known, String remedy) {
    String names = known.isEmpty() ? "none" : String.join(", ", known);
    return new NoSuchElementException("the reply has no " + what + " '" + name + "'; it has: " + names + "; " + remedy);
  }
}
