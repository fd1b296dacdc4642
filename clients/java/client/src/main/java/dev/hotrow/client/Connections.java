package dev.hotrow.client;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A few connections to one address, used in turn; each is made when it is first used. Safe from any thread.
 *
 * <p>Workers of a server share one port, and the kernel deals out connections, not calls. In turn, not the one with the
 * fewest calls: that is the one that is broken.
 */
final class Connections {
  private final String address;
  private final ManagedChannel[] channels;
  private final AtomicInteger turn = new AtomicInteger();
  private volatile boolean closed;

  /** Throws IllegalArgumentException for an address or TLS files that are none. */
  Connections(String address, ChannelCredentials credentials, String serverName, int count) {
    this.address = address;
    this.channels = new ManagedChannel[count];
    int colon = address.lastIndexOf(':');
    String host = address.substring(0, Math.max(colon, 0)).replaceAll("^\\[(.*)]$", "$1");
    int port = port(address, address.substring(colon + 1));
    for (int place = 0; place < count; place++) {
      ManagedChannelBuilder<?> builder =
          Grpc.newChannelBuilderForAddress(host, port, credentials)
              .maxInboundMessageSize(Integer.MAX_VALUE)
              // Finds out that the other machine is gone: no answer to a ping for 20 s ends the connection.
              .keepAliveTime(60, TimeUnit.SECONDS)
              .keepAliveTimeout(20, TimeUnit.SECONDS);
      if (serverName != null) {
        builder.overrideAuthority(serverName);
      }
      channels[place] = builder.build();
    }
  }

  private static int port(String address, String digits) {
    if (address.contains("://")) {
      throw new IllegalArgumentException(
          "an address is host:port, such as 127.0.0.1:6565, not the URL '" + address + "'; TLS is asked for by tls()");
    }
    if (address.lastIndexOf(':') > 0 && digits.matches("\\d{1,5}") && Integer.parseInt(digits) <= 65535) {
      return Integer.parseInt(digits);
    }
    throw new IllegalArgumentException("an address is host:port, such as 127.0.0.1:6565, not '" + address + "'");
  }

  String address() {
    return address;
  }

  /** The one whose turn it is; throws IllegalStateException once the client is closed. */
  ManagedChannel next() {
    if (closed) {
      throw new IllegalStateException("the client is closed: make one and keep it as long as the service runs");
    }
    return channels[Math.floorMod(turn.getAndIncrement(), channels.length)];
  }

  /** Ends every connection; calls that run fail. */
  void close() {
    closed = true;
    for (ManagedChannel channel : channels) {
      channel.shutdownNow();
    }
    try {
      for (ManagedChannel channel : channels) {
        channel.awaitTermination(1, TimeUnit.SECONDS);
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
