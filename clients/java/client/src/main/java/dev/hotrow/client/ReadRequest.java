package dev.hotrow.client;

import com.google.protobuf.ByteString;
import dev.hotrow.v1.FeatureNames;
import dev.hotrow.v1.GetOnlineFeaturesRequest;
import dev.hotrow.v1.ReadOptions;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * What a read asks for. Immutable: each method returns a new request, so that one may be kept and given other entities.
 *
 * <pre>{@code
 * ReadRequest activity = ReadRequest.service("driver_activity").timeout(Duration.ofMillis(50));
 * Reply reply = client.read(activity.entities(Columns.int64("driver_id", 1001, 9)));
 * }</pre>
 */
public final class ReadRequest {
  private final GetOnlineFeaturesRequest message;
  private final Duration timeout;

  private ReadRequest(GetOnlineFeaturesRequest message, Duration timeout) {
    this.message = message;
    this.timeout = timeout;
  }

  /**
   * Some features.
   *
   * @param names each "view:feature"
   * @return a request without entities
   */
  public static ReadRequest features(String... names) {
    return features(List.of(names));
  }

  /**
   * Some features.
   *
   * @param names each "view:feature"
   * @return a request without entities
   */
  public static ReadRequest features(List<String> names) {
    if (names.isEmpty()) {
      throw new IllegalArgumentException("a read names features, each as view:feature, or a feature service");
    }
    FeatureNames features = FeatureNames.newBuilder().addAllNames(names).build();
    return new ReadRequest(GetOnlineFeaturesRequest.newBuilder().setFeatures(features).build(), null);
  }

  /**
   * The features of a feature service.
   *
   * @param name the service's name
   * @return a request without entities
   */
  public static ReadRequest service(String name) {
    return new ReadRequest(GetOnlineFeaturesRequest.newBuilder().setFeatureService(name).build(), null);
  }

  /**
   * The entities, in place of those given before.
   *
   * @param keys a column for each join key, all of one length; none for views without entities
   * @return a new request
   */
  public ReadRequest entities(Column... keys) {
    return changed(request -> {
      request.clearEntities();
      for (Column key : keys) {
        request.addEntities(key.message());
      }
    });
  }

  /**
   * What transforms take from the request, in place of what was given before.
   *
   * @param columns a column for each name, with a value for each of the entities
   * @return a new request
   */
  public ReadRequest requestData(Column... columns) {
    return changed(request -> {
      request.clearRequestData();
      for (Column column : columns) {
        request.addRequestData(column.message());
      }
    });
  }

  /**
   * Another snapshot than the head.
   *
   * @param snapshot an id, a branch or a pin
   * @return a new request
   */
  public ReadRequest snapshot(String snapshot) {
    return changed(request -> request.setSnapshot(snapshot));
  }

  /**
   * What the caller's model was trained with: the server refuses the read where the features have changed since.
   *
   * @param signature the signature of the feature service
   * @return a new request
   */
  public ReadRequest signature(String signature) {
    return changed(request -> request.setSignature(signature));
  }

  /**
   * A push that this read must see.
   *
   * @param token {@link PushReply#token} of the push
   * @return a new request
   */
  public ReadRequest minToken(ByteString token) {
    return changed(request -> request.setMinToken(token));
  }

  /**
   * Columns are named view__feature, for features of equal names.
   *
   * @return a new request
   */
  public ReadRequest fullNames() {
    return options(options -> options.setFullNames(true));
  }

  /**
   * The event time of each row comes too: {@link Reply#eventTime}.
   *
   * @return a new request
   */
  public ReadRequest eventTimestamps() {
    return options(options -> options.setEventTimestamps(true));
  }

  /**
   * Numbers come as one matrix of floats, which is smaller: {@link Reply#matrix}. Every column is then a Float32.
   *
   * @return a new request
   */
  public ReadRequest matrix() {
    return options(options -> options.setMatrix(true));
  }

  /**
   * Another timeout than the client's.
   *
   * @param timeout for all attempts together
   * @return a new request
   */
  public ReadRequest timeout(Duration timeout) {
    return new ReadRequest(message, timeout);
  }

  /** Null: the client's. */
  Duration timeout() {
    return timeout;
  }

  /** What is sent; throws IllegalArgumentException for a column that is given twice. */
  GetOnlineFeaturesRequest message(String project) {
    Set<String> names = new HashSet<>();
    message.getEntitiesList().forEach(column -> once(names, column.getName()));
    message.getRequestDataList().forEach(column -> once(names, column.getName()));
    return message.toBuilder().setProject(project).build();
  }

  private static void once(Set<String> names, String name) {
    if (!names.add(name)) {
      throw new IllegalArgumentException(
          "column " + name + " stands twice among the entities and the request data: give it once");
    }
  }

  private ReadRequest changed(Consumer<GetOnlineFeaturesRequest.Builder> change) {
    GetOnlineFeaturesRequest.Builder builder = message.toBuilder();
    change.accept(builder);
    return new ReadRequest(builder.build(), timeout);
  }

  private ReadRequest options(Consumer<ReadOptions.Builder> change) {
    return changed(request -> change.accept(request.getOptionsBuilder()));
  }
}
