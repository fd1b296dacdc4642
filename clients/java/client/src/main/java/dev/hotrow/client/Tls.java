package dev.hotrow.client;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * TLS from PEM files.
 *
 * @param ca what signed the server's certificate; null: one of the authorities that the JVM trusts
 * @param cert the caller's own certificate, for mutual TLS, or null
 * @param key its key in PKCS #8 ("BEGIN PRIVATE KEY"), without a password, or null
 * @param serverName the name on the server's certificate, where that is not the host of the address, or null
 */
public record Tls(Path ca, Path cert, Path key, String serverName) {
  /**
   * A server whose certificate that authority signed.
   *
   * @param ca a PEM file
   * @return TLS without a certificate of the caller's
   */
  public static Tls trusting(Path ca) {
    return new Tls(ca, null, null, null);
  }

  /**
   * A server whose certificate an authority signed that the JVM trusts.
   *
   * @return TLS without a certificate of the caller's
   */
  public static Tls trustingSystem() {
    return new Tls(null, null, null, null);
  }

  /**
   * The same with a certificate of the caller's: mutual TLS.
   *
   * @param cert a PEM file
   * @param key a PEM file
   * @return mutual TLS
   */
  public Tls withCertificate(Path cert, Path key) {
    return new Tls(ca, cert, key, serverName);
  }

  /**
   * The same for a certificate of another name than the host of the address.
   *
   * @param serverName the name on the server's certificate
   * @return TLS that expects that name
   */
  public Tls withServerName(String serverName) {
    return new Tls(ca, cert, key, serverName);
  }

  /** Throws IllegalArgumentException naming the file that is missing or wrong. */
  ChannelCredentials credentials() {
    TlsChannelCredentials.Builder credentials = TlsChannelCredentials.newBuilder();
    if ((cert == null) != (key == null)) {
      throw new IllegalArgumentException("a TLS certificate and its key are both needed: give cert and key, or neither");
    }
    if (ca != null) {
      read("authority", ca, () -> credentials.trustManager(readable(ca)));
    }
    if (cert != null) {
      read("certificate " + cert + " with key", key, () -> credentials.keyManager(readable(cert), readable(key)));
    }
    return credentials.build();
  }

  private static java.io.File readable(Path file) {
    if (!Files.isReadable(file)) {
      throw new IllegalArgumentException("the TLS file " + file + " does not exist or cannot be read");
    }
    return file.toFile();
  }

  private interface Reading {
    void run() throws IOException;
  }

  private static void read(String what, Path file, Reading reading) {
    try {
      reading.run();
    } catch (IOException error) {
      throw new IllegalArgumentException("the TLS " + what + " " + file + " cannot be read: " + error.getMessage(), error);
    }
  }
}
