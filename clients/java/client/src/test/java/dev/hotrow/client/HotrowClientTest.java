package dev.hotrow.client;

import static dev.hotrow.client.Columns.*;
import static org.junit.jupiter.api.Assertions.*;

import com.google.protobuf.ByteString;
import dev.hotrow.client.PushReply.Rejection;
import dev.hotrow.v1.RowResult;
import dev.hotrow.v1.Status;
import io.grpc.Status.Code;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Against the real server: every type there and back, errors by name, retries under one id. */
@ExtendWith(Served.Extension.class)
class HotrowClientTest {
  private static Served served;
  private static HotrowClient client;

  @BeforeAll
  static void connect(Served running) {
    served = running;
    client = HotrowClient.builder(running.address).timeout(Duration.ofSeconds(60)).build();
  }

  @AfterAll
  static void close() {
    client.close();
  }

  private static Column driver(long... ids) {
    return int64("driver_id", ids);
  }

  private static PushRequest fares(long driver, double... fares) {
    long[] ids = IntStream.range(0, fares.length).mapToLong(at -> driver + at).toArray();
    return PushRequest.source("stats_push").rows(driver(ids), float64("fare", fares));
  }

  private static List<Status> statuses(Column column) {
    return IntStream.range(0, column.rows()).mapToObj(column::status).toList();
  }

  @Test
  void everyTypeComesBack() {
    Instant time = Instant.parse("1969-12-31T23:59:59.999999Z");
    ByteString blob = ByteString.copyFrom(new byte[] {0, -1, -128});
    PushReply pushed =
        client.push(
            PushRequest.view("every")
                .rows(
                    int64("id", 1, 1, 2),
                    string("part", "a", "b", "a"),
                    float64("float64", Arrays.asList(1.5, Double.NEGATIVE_INFINITY, null)),
                    float32("float32", Arrays.asList(0.5f, -2f, null)),
                    int64("int64", Arrays.asList(Long.MIN_VALUE, Long.MAX_VALUE, null)),
                    int32("int32", Arrays.asList(Integer.MIN_VALUE, Integer.MAX_VALUE, null)),
                    bool("bool", Arrays.asList(true, false, null)),
                    string("string", Arrays.asList("å😀", "", null)),
                    bytes("bytes", Arrays.asList(blob, ByteString.EMPTY, null)),
                    timestamp("timestamp", Arrays.asList(time, Instant.EPOCH, null)),
                    float64List("float64_list", Arrays.asList(new double[] {1.5, Double.NaN}, new double[0], null)),
                    float32List("float32_list", Arrays.asList(new float[] {0.5f}, new float[0], null)),
                    int64List("int64_list", Arrays.asList(new long[] {Long.MIN_VALUE, 1}, new long[0], null)),
                    int32List("int32_list", Arrays.asList(new int[] {7, -7}, new int[0], null)),
                    boolList("bool_list", Arrays.asList(new boolean[] {true, false}, new boolean[0], null)),
                    stringList("string_list", Arrays.asList(List.of("å", ""), List.of(), null)),
                    bytesList("bytes_list", Arrays.asList(List.of(blob, ByteString.EMPTY), List.of(), null)),
                    timestampMicrosList("timestamp_list", Arrays.asList(new long[] {-1, 0}, new long[0], null))));
    assertEquals(List.of(RowResult.WRITTEN, RowResult.WRITTEN, RowResult.WRITTEN), pushed.results());

    List<String> names =
        Stream.of("float64", "float32", "int64", "int32", "bool", "string", "bytes", "timestamp")
            .flatMap(name -> Stream.of("every:" + name, "every:" + name + "_list"))
            .toList();
    Reply reply =
        client.read(
            ReadRequest.features(names)
                .entities(int64("id", 1, 1, 2, 3), string("part", "a", "b", "a", "a"))
                .minToken(pushed.token()));
    assertEquals(4, reply.rows());
    for (Column column : reply.columns()) {
      assertEquals(
          List.of(Status.PRESENT, Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND),
          statuses(column),
          column.name());
      assertNull(column.get(2));
    }
    assertEquals(Double.NEGATIVE_INFINITY, reply.column("float64").getDouble(1));
    assertEquals(-2f, reply.column("float32").getFloat(1));
    assertEquals(Long.MAX_VALUE, reply.column("int64").getLong(1));
    assertEquals(Integer.MIN_VALUE, reply.column("int32").getInt(0));
    assertTrue(reply.column("bool").getBoolean(0));
    assertEquals("å😀", reply.column("string").getString(0));
    assertEquals(blob, reply.column("bytes").getBytes(0));
    assertEquals(time, reply.column("timestamp").getInstant(0));
    assertEquals(-1, reply.column("timestamp").getMicros(0));
    assertArrayEquals(new double[] {1.5, Double.NaN}, reply.column("float64_list").getDoubles(0));
    assertArrayEquals(new float[] {0.5f}, reply.column("float32_list").getFloats(0));
    assertArrayEquals(new long[] {Long.MIN_VALUE, 1}, reply.column("int64_list").getLongs(0));
    assertArrayEquals(new int[] {7, -7}, reply.column("int32_list").getInts(0));
    assertArrayEquals(new boolean[] {true, false}, reply.column("bool_list").getBooleans(0));
    assertEquals(List.of("å", ""), reply.column("string_list").getStrings(0));
    assertEquals(List.of(blob, ByteString.EMPTY), reply.column("bytes_list").getBytesList(0));
    assertArrayEquals(new long[] {-1, 0}, reply.column("timestamp_list").getMicrosList(0));
    assertEquals(List.of(), reply.column("string_list").getStrings(1));
    assertEquals(List.of(time, Instant.EPOCH), reply.column("timestamp_list").get(0));
  }

  @Test
  void aThousandRowsAsArraysAndAsAMatrix() {
    long[] ids = IntStream.range(1000, 2000).mapToLong(id -> id).toArray();
    int[] trips = IntStream.range(1000, 2000).toArray();
    double[] fares = Arrays.stream(trips).mapToDouble(Math::sqrt).toArray();
    client.push(PushRequest.source("stats_push").rows(driver(ids), float64("fare", fares), int32("trips", trips)));

    ReadRequest activity = ReadRequest.service("activity").entities(driver(ids));
    Reply reply = client.read(activity);
    assertEquals(List.of("trips", "fare"), reply.names());
    assertArrayEquals(fares, reply.column("fare").toDoubles(Double.NaN));
    assertArrayEquals(trips, reply.column("trips").toInts(-1));
    assertEquals("SEK", reply.column("fare").unit());

    Reply matrix = client.read(activity.matrix());
    assertArrayEquals(reply.matrix(), matrix.matrix());
    assertEquals((float) fares[7], matrix.column("fare").getFloat(7));
    assertEquals(ValueType.FLOAT32, matrix.column("trips").type());
  }

  @Test
  void aMessageOverTheLimitSaysSo() {
    ReadRequest large = ReadRequest.features("every:int64").entities(int64("id", 1), string("part", "x".repeat(65 << 20)));
    HotrowException error = assertThrows(HotrowException.class, () -> client.read(large));
    assertEquals(Code.RESOURCE_EXHAUSTED, error.status());
    assertTrue(error.getMessage().contains("the server takes 67108864 at most"), error.getMessage());
    assertTrue(error.getMessage().contains("in several requests"), error.getMessage());
  }

  @Test
  void anAddressOfAnotherServiceSaysSo() {
    try (HotrowClient wrong = HotrowClient.builder(served.address).ingestAddress(served.address).build()) {
      HotrowException error = assertThrows(HotrowException.class, () -> wrong.push(fares(1, 1.0)));
      assertEquals(Code.UNIMPLEMENTED, error.status());
      assertTrue(error.getMessage().contains("is for ingestAddress"), error.getMessage());
    }
  }

  @Test
  void resultsOfEachRowAndEventTimes() {
    Instant now = Instant.now().truncatedTo(ChronoUnit.MICROS);
    Instant old = now.minus(2, ChronoUnit.DAYS);
    assertEquals(1, client.push(fares(1, 1.0).eventTime(old)).written());
    assertEquals(1, client.push(fares(2, 2.0).eventTime(now)).written());
    PushRequest rows =
        PushRequest.source("stats_push")
            .rows(driver(2, 3, 3, 4), float64("fare", 1, 1, 1, 1), int64("trips", 1, 1, 2, 1L << 40))
            .eventTimesMicros(Micros.of(old), Micros.of(old), Micros.of(now), Micros.of(now))
            .requestId(UUID.randomUUID().toString());
    RejectedRowsException rejected = assertThrows(RejectedRowsException.class, () -> client.push(rows));
    assertTrue(rejected.getMessage().contains("1 of 4 rows were rejected: row 3, trips: "), rejected.getMessage());
    assertTrue(rejected.getMessage().contains("1 written, 1 stale, 1 duplicates"), rejected.getMessage());
    assertEquals(List.of("trips", 1), List.of(rejected.field(), rejected.reply().written()));
    PushReply reply = client.push(rows.returnRejected());
    assertEquals(rejected.reply(), reply);
    assertEquals(
        List.of(RowResult.SKIPPED_STALE, RowResult.DUPLICATE, RowResult.WRITTEN, RowResult.REJECTED), reply.results());
    Rejection rejection = reply.rejections().get(0);
    assertEquals(List.of(3, "trips"), List.of(rejection.row(), rejection.field()));

    Reply read =
        client.read(
            ReadRequest.features("stats:fare").entities(driver(1, 2, 4)).eventTimestamps().fullNames());
    Column fare = read.column("stats__fare");
    assertEquals(List.of(Status.OUTSIDE_MAX_AGE, Status.PRESENT, Status.NOT_FOUND), statuses(fare));
    assertEquals(-1, fare.getDouble(0, -1));
    assertEquals(old, read.eventTime("stats", 0).orElseThrow());
    assertTrue(read.eventTime("stats", 2).isEmpty());
    assertTrue(Float.isNaN(read.matrix()[0]));
  }

  @Test
  void aRequestIdWritesOnce() {
    PushRequest push = fares(10, 1.0).eventTime(Instant.now()).requestId("once");
    PushReply first = client.push(push);
    try (HotrowClient direct =
        HotrowClient.builder(served.address).ingestAddress(served.ingestAddress).build()) {
      assertEquals(first, direct.push(push));
    }
    HotrowException refused =
        assertThrows(HotrowException.class, () -> client.push(push.rows(driver(10), float64("fare", 2))));
    assertEquals(Code.INVALID_ARGUMENT, refused.status());
    assertTrue(refused.getMessage().contains("request_id"), refused.getMessage());
    assertNotEquals(client.push(fares(11, 1)).requestId(), client.push(fares(11, 1)).requestId());
  }

  @Test
  void dryRunAtomicAndDelete() {
    ReadRequest read = ReadRequest.features("stats:fare").entities(driver(20));
    assertEquals(1, client.push(fares(20, 1).dryRun()).written());
    assertEquals(Status.NOT_FOUND, client.read(read).column("fare").status(0));
    PushRequest half =
        PushRequest.source("stats_push").rows(driver(20, 21), float64("fare", 1, 1), int64("trips", 1, 1L << 40));
    assertThrows(HotrowException.class, () -> client.push(half.atomic()));
    assertEquals(Status.NOT_FOUND, client.read(read).column("fare").status(0));
    assertEquals(1, client.push(fares(20, 1)).written());
    assertEquals(1, client.push(PushRequest.source("stats_push").rows(driver(20)).delete()).written());
    assertEquals(Status.NOT_FOUND, client.read(read).column("fare").status(0));
  }

  @Test
  void requestDataAndUnits() {
    client.push(PushRequest.source("stats_push").rows(driver(30, 31), float64("fare", 100, 50).withUnit("SEK")));
    ReadRequest read = ReadRequest.features("fare_per_km:fare_per_km").entities(driver(30, 31));
    Column column = client.read(read.requestData(float64("distance", 2.5, 0).withUnit("km"))).column("fare_per_km");
    assertEquals("SEK/km", column.unit());
    assertArrayEquals(new double[] {40, 0}, column.toDoubles(Double.NaN));

    HotrowException missing = assertThrows(HotrowException.class, () -> client.read(read));
    assertTrue(missing.getMessage().contains("distance"), missing.getMessage());
    assertThrows(IllegalArgumentException.class, () -> client.read(read.requestData(driver(30, 31))));
  }

  @Test
  void theSignatureOfTheTraining() throws Exception {
    String signature =
        served.hotrow("features", "show", "activity").lines()
            .filter(line -> line.startsWith("signature"))
            .findFirst()
            .orElseThrow()
            .replaceAll("signature\\s+", "");
    ReadRequest read = ReadRequest.service("activity").entities(driver(1));
    assertEquals(1, client.read(read.signature(signature)).rows());
    HotrowException other =
        assertThrows(HotrowException.class, () -> client.read(read.signature(signature.replaceAll(".", "0"))));
    assertEquals(Code.FAILED_PRECONDITION, other.status());
    assertEquals("signature", other.field());
  }

  static Stream<Arguments> mistakes() {
    ReadRequest fare = ReadRequest.features("stats:fare");
    return Stream.of(
        mistake(c -> c.read(ReadRequest.features("stat:fare").entities(driver(1))), Code.NOT_FOUND, "mean stats"),
        mistake(c -> c.read(ReadRequest.features("stats:fair").entities(driver(1))), Code.NOT_FOUND, "stats:fare"),
        mistake(c -> c.read(ReadRequest.service("active")), Code.NOT_FOUND, "activity"),
        mistake(c -> c.read(fare.entities(string("driver_id", "1"))), Code.INVALID_ARGUMENT, "driver_id"),
        mistake(c -> c.read(fare), Code.INVALID_ARGUMENT, "driver_id"),
        mistake(c -> c.read(fare.entities(driver(1)).snapshot("f00d")), Code.FAILED_PRECONDITION, "f00d"),
        mistake(c -> c.push(PushRequest.source("stats")), Code.NOT_FOUND, "did you mean stats_push"),
        mistake(
            c -> c.push(PushRequest.source("stats_push").rows(driver(1))),
            Code.INVALID_ARGUMENT,
            "'fare' is missing"),
        mistake(
            c -> c.push(PushRequest.source("stats_push").rows(driver(1), float64("fare", 1).withUnit("EUR"))),
            Code.INVALID_ARGUMENT,
            "the unit 'SEK'"),
        mistake(
            c -> c.push(PushRequest.source("stats_push").rows(driver(1, 2), float64("fare", 1))),
            Code.INVALID_ARGUMENT,
            "must agree"));
  }

  private static Arguments mistake(Function<HotrowClient, Object> call, Code status, String complaint) {
    return Arguments.of(call, status, complaint);
  }

  @ParameterizedTest(name = "{2}")
  @MethodSource("mistakes")
  void errorsNameWhatIsWrong(Function<HotrowClient, Object> call, Code status, String complaint) {
    HotrowException error = assertThrows(HotrowException.class, () -> call.apply(client));
    assertTrue(error.getMessage().startsWith(status + ": "), error.getMessage());
    assertTrue(error.getMessage().contains(complaint), error.getMessage());
    assertFalse(error.isRetryable());
    // It is raised where the caller stands, not on a thread of the network.
    assertTrue(
        Arrays.stream(error.getStackTrace()).anyMatch(one -> one.getClassName().endsWith("HotrowClientTest")));
  }

  @Test
  void theFieldAtFault() {
    HotrowException error =
        assertThrows(
            HotrowException.class,
            () -> client.read(ReadRequest.features("stats:fare").entities(string("driver_id", "x"))));
    assertEquals("driver_id", error.field());
  }

  @Test
  void whatTheReplyDoesNotHaveIsNamed() {
    client.push(fares(40, 2.5));
    Reply reply = client.read(ReadRequest.service("activity").entities(driver(40, 41)));
    NoSuchElementException unknown = assertThrows(NoSuchElementException.class, () -> reply.column("fair"));
    assertTrue(unknown.getMessage().contains("'fair'; it has: trips, fare"), unknown.getMessage());
    assertThrows(NoSuchElementException.class, () -> reply.eventTime("stats", 0));
    assertEquals(2.5, reply.toRows().get(0).get("fare"));
    assertEquals("Reply(2 rows of trips, fare)", reply.toString());
  }

  @Test
  void futures() {
    client.push(fares(50, 1, 2, 3, 4));
    List<CompletableFuture<Double>> futures = new ArrayList<>();
    for (long id = 50; id < 54; id++) {
      ReadRequest read = ReadRequest.features("stats:fare").entities(driver(id));
      futures.add(client.readAsync(read).thenApply(reply -> reply.column("fare").getDouble(0)));
    }
    assertEquals(List.of(1.0, 2.0, 3.0, 4.0), futures.stream().map(CompletableFuture::join).toList());
    CompletionException failed =
        assertThrows(CompletionException.class, () -> client.readAsync(ReadRequest.features("no:thing")).join());
    assertEquals(Code.NOT_FOUND, assertInstanceOf(HotrowException.class, failed.getCause()).status());
  }

  @Test
  void theProject() {
    try (HotrowClient other = HotrowClient.builder(served.address).project("javs").build()) {
      HotrowException error =
          assertThrows(HotrowException.class, () -> other.read(ReadRequest.service("activity").entities(driver(1))));
      assertTrue(error.getMessage().contains("javs"), error.getMessage());
    }
  }

  @Test
  void serverInfo() {
    ServerInfo info = client.serverInfo();
    assertEquals(List.of("java", "lmdb"), List.of(info.project(), info.storeType()));
    assertTrue(info.served().get(info.snapshot()).contains("head"));
    assertTrue(Duration.between(info.started(), Instant.now()).abs().toMinutes() < 10);
  }

  @Test
  void aWorkerThatDiesIsGotOver() {
    PushRequest push = fares(60, 1).eventTime(Instant.now()).requestId("over");
    PushReply before = client.push(push);
    int worker = client.serverInfo().worker();
    assertTrue(ProcessHandle.of(worker).orElseThrow().destroyForcibly());
    // No server worker is there until the supervisor has started one: the client waits for it, under the same id.
    assertEquals(before, client.push(push));
    assertNotEquals(worker, client.serverInfo().worker());
  }
}
