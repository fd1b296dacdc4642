package dev.hotrow.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import dev.hotrow.v1.GetOnlineFeaturesReply;
import dev.hotrow.v1.GetOnlineFeaturesRequest;
import dev.hotrow.v1.PushFeaturesReply;
import dev.hotrow.v1.PushFeaturesRequest;
import dev.hotrow.v1.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The golden vectors of tests/vectors, which the Python codecs are held to as well. */
class VectorsTest {
  private static final Map<String, Message> MESSAGES =
      Map.of(
          "hotrow.v1.GetOnlineFeaturesRequest", GetOnlineFeaturesRequest.getDefaultInstance(),
          "hotrow.v1.GetOnlineFeaturesReply", GetOnlineFeaturesReply.getDefaultInstance(),
          "hotrow.v1.PushFeaturesRequest", PushFeaturesRequest.getDefaultInstance(),
          "hotrow.v1.PushFeaturesReply", PushFeaturesReply.getDefaultInstance());

  private static List<Message> vectors() throws IOException {
    List<Message> found = new ArrayList<>();
    String text = Files.readString(Served.file("tests/vectors/messages.json"));
    for (JsonElement one : JsonParser.parseString(text).getAsJsonArray()) {
      JsonObject vector = one.getAsJsonObject();
      byte[] bytes = HexFormat.of().parseHex(vector.get("bytes").getAsString());
      Message message = MESSAGES.get(vector.get("message").getAsString()).getParserForType().parseFrom(bytes);
      assertArrayEquals(bytes, message.toByteArray());
      // Printed, not parsed: protobuf's reader of JSON makes 0.0 of -0.0.
      JsonFormat.Printer printer = JsonFormat.printer().preservingProtoFieldNames();
      assertEquals(vector.get("json"), JsonParser.parseString(printer.print(message)));
      found.add(message);
    }
    return found;
  }

  @Test
  void bytesAndJsonAreTheSameMessage() throws IOException {
    assertEquals(9, vectors().size());
  }

  @Test
  void aColumnOfEveryTypeIsReadAndMadeAgain() throws IOException {
    Set<ValueType> seen = EnumSet.noneOf(ValueType.class);
    for (Message message : vectors()) {
      for (dev.hotrow.v1.Column wire : columns(message)) {
        Column column = new Column(wire);
        if (column.type() != null) {
          seen.add(column.type());
          Column again = made(column).withUnit(column.unit());
          assertEquals(wire.toBuilder().clearStatuses().build(), again.message().toBuilder().clearStatuses().build());
          assertEquals(absent(column), absent(again));
        }
      }
    }
    assertEquals(EnumSet.allOf(ValueType.class), seen);
  }

  @Test
  void aReplyWithEverything() throws IOException {
    Reply reply =
        vectors().stream()
            .filter(message -> message instanceof GetOnlineFeaturesReply full && full.getEventTimesCount() > 0)
            .map(message -> Reply.of((GetOnlineFeaturesReply) message))
            .findFirst()
            .orElseThrow();
    assertEquals(3, reply.rows());
    assertEquals("SEK", reply.column("f_float64").unit());
    assertEquals(Status.NOT_FOUND, reply.column("f_float64").status(2));
    assertEquals(Instant.parse("2023-11-14T22:13:20.123456Z"), reply.eventTime("stats", 0).orElseThrow());
    assertTrue(reply.eventTime("stats", 1).isEmpty());
    assertEquals("ab".repeat(32), reply.snapshot());
  }

  @Test
  void aReplyAsAMatrix() throws IOException {
    Reply reply =
        vectors().stream()
            .filter(message -> message instanceof GetOnlineFeaturesReply full && full.hasMatrix())
            .map(message -> Reply.of((GetOnlineFeaturesReply) message))
            .findFirst()
            .orElseThrow();
    assertEquals(List.of(1f, 2f), List.of(reply.column("a").getFloat(0), reply.column("b").getFloat(0)));
    assertEquals(Status.NOT_FOUND, reply.column("b").status(1));
    assertEquals(2, reply.rows());
  }

  private static List<dev.hotrow.v1.Column> columns(Message message) {
    if (message instanceof GetOnlineFeaturesReply reply) {
      return reply.getColumnsList();
    } else if (message instanceof GetOnlineFeaturesRequest request) {
      return request.getEntitiesList();
    }
    return message instanceof PushFeaturesRequest push ? push.getRowsList() : List.of();
  }

  private static List<Integer> absent(Column column) {
    return IntStream.range(0, column.rows()).filter(row -> !column.isPresent(row)).boxed().toList();
  }

  /** The column that a caller with these values makes. */
  private static Column made(Column column) {
    return switch (column.type()) {
      case FLOAT64 -> make(column, Columns::float64, column::getDouble);
      case FLOAT32 -> make(column, Columns::float32, column::getFloat);
      case INT64 -> make(column, Columns::int64, column::getLong);
      case INT32 -> make(column, Columns::int32, column::getInt);
      case BOOL -> make(column, Columns::bool, column::getBoolean);
      case STRING -> make(column, Columns::string, column::getString);
      case BYTES -> make(column, Columns::bytes, column::getBytes);
      case UNIX_TIMESTAMP -> make(column, Columns::timestamp, column::getInstant);
      case FLOAT64_LIST -> make(column, Columns::float64List, column::getDoubles);
      case FLOAT32_LIST -> make(column, Columns::float32List, column::getFloats);
      case INT64_LIST -> make(column, Columns::int64List, column::getLongs);
      case INT32_LIST -> make(column, Columns::int32List, column::getInts);
      case BOOL_LIST -> make(column, Columns::boolList, column::getBooleans);
      case STRING_LIST -> make(column, Columns::stringList, column::getStrings);
      case BYTES_LIST -> make(column, Columns::bytesList, column::getBytesList);
      case UNIX_TIMESTAMP_LIST -> make(column, Columns::timestampMicrosList, column::getMicrosList);
    };
  }

  private interface Maker<T> {
    Column of(String name, List<T> values);
  }

  private static <T> Column make(Column column, Maker<T> maker, IntFunction<T> read) {
    List<T> values = new ArrayList<>();
    for (int row = 0; row < column.rows(); row++) {
      values.add(column.isPresent(row) ? read.apply(row) : null);
    }
    return maker.of(column.name(), values);
  }
}
