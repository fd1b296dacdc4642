package dev.hotrow.example;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.hotrow.client.Column;
import dev.hotrow.client.Columns;
import dev.hotrow.client.HotrowClient;
import dev.hotrow.client.HotrowException;
import dev.hotrow.client.ReadRequest;
import dev.hotrow.client.Reply;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.CompletionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A service that scores drivers: GET /score?driver_id=1001 answers {"driver_id": 1001, "score": 0.25}.
 *
 * <p>One client for the whole service, one request kept and given other entities, a short timeout, and a fallback where
 * a feature has no value. An HTTP thread is not held while the features come.
 */
public final class ScoringService {
  private static final ReadRequest ACTIVITY =
      ReadRequest.service("driver_activity").timeout(Duration.ofSeconds(2));
  private static final Pattern QUERY = Pattern.compile("driver_id=(-?\\d{1,18})");
  private static final double NEW_DRIVER = 0.5;

  private final HotrowClient client;

  ScoringService(HotrowClient client) {
    this.client = client;
  }

  /**
   * Serves until the process ends.
   *
   * @param arguments the address of hotrow, and the port of this service (0: any that is free)
   * @throws IOException where the port is taken
   */
  public static void main(String[] arguments) throws IOException {
    if (arguments.length != 2) {
      System.err.println("usage: java -jar hotrow-example-0.1.0.jar 127.0.0.1:6565 8080");
      System.exit(2);
    }
    HotrowClient client = HotrowClient.connect(arguments[0]);
    client.serverInfo(); // the first call loads gRPC and connects, which takes longer than a request here may
    ScoringService service = new ScoringService(client);
    InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(arguments[1]));
    HttpServer server = HttpServer.create(address, 0);
    server.createContext("/score", service::score);
    server.start();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      server.stop(1);
      client.close();
    }));
    System.out.println("scoring on http://127.0.0.1:" + server.getAddress().getPort() + "/score?driver_id=1001");
  }

  private void score(HttpExchange exchange) throws IOException {
    String query = exchange.getRequestURI().getQuery();
    Matcher asked = QUERY.matcher(query == null ? "" : query);
    if (!asked.matches()) {
      answer(exchange, 400, "{\"error\": \"ask for /score?driver_id=NUMBER\"}");
      return;
    }
    long driver = Long.parseLong(asked.group(1));
    client
        .readAsync(ACTIVITY.entities(Columns.int64("driver_id", driver)))
        .thenApply(reply -> String.format(Locale.ROOT, "{\"driver_id\": %d, \"score\": %.4f}", driver, scoreOf(reply)))
        .whenComplete((body, error) -> {
          if (error == null) {
            answer(exchange, 200, body);
          } else {
            System.err.println("driver " + driver + ": " + cause(error).getMessage());
            boolean later = cause(error) instanceof HotrowException failure && failure.isRetryable();
            answer(exchange, later ? 503 : 500, "{\"error\": \"no features\"}");
          }
        });
  }

  private static double scoreOf(Reply reply) {
    Column rate = reply.column("conv_rate");
    Column trips = reply.column("avg_daily_trips");
    double share = Math.min(trips.getLong(0, 0) / 20.0, 1);
    return share * rate.getDouble(0, NEW_DRIVER) + (1 - share) * NEW_DRIVER;
  }

  private static Throwable cause(Throwable error) {
    return error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
  }

  private static void answer(HttpExchange exchange, int status, String body) {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    try (exchange) {
      exchange.sendResponseHeaders(status, bytes.length);
      exchange.getResponseBody().write(bytes);
    } catch (IOException gone) {
      System.err.println("the caller is gone: " + gone.getMessage());
    }
  }
}
