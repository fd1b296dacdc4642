package dev.hotrow.client;

import dev.hotrow.v1.GetServerInfoReply;
import dev.hotrow.v1.ServedSnapshot;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a server says of itself.
 *
 * @param version its version
 * @param project the project it serves
 * @param snapshot the id of the head
 * @param served the names ("head", branches, pins) of each snapshot id
 * @param storeType the kind of its online store
 * @param storeId the store's id
 * @param lane "on", or "off" and why
 * @param worker the process id of the worker that answered
 * @param started when that worker started
 */
public record ServerInfo(
    String version,
    String project,
    String snapshot,
    Map<String, List<String>> served,
    String storeType,
    String storeId,
    String lane,
    int worker,
    Instant started) {

  static ServerInfo of(GetServerInfoReply message) {
    Map<String, List<String>> served = new LinkedHashMap<>();
    for (ServedSnapshot snapshot : message.getServedList()) {
      served.put(snapshot.getId(), List.copyOf(snapshot.getNamesList()));
    }
    return new ServerInfo(
        message.getVersion(),
        message.getProject(),
        message.getSnapshot(),
        served,
        message.getStoreType(),
        message.getStoreId(),
        message.getLane(),
        message.getWorker(),
        Micros.instant(message.getStartedUs()));
  }
}
