package dev.hotrow.client;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;

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
    if ((cert == null) != (key == null)) {
      throw new IllegalArgumentException("a TLS certificate needs its key: give cert and key, or neither");
    }
    TlsChannelCredentials.Builder credentials = TlsChannelCredentials.newBuilder();
    try {
      if (ca != null) {
        credentials.trustManager(new ByteArrayInputStream(certificates(ca)));
      }
      if (cert != null) {
        credentials.keyManager(new ByteArrayInputStream(certificates(cert)), new ByteArrayInputStream(key(key)));
      }
    } catch (IOException error) {
      throw new IllegalArgumentException("the TLS file " + error.getMessage() + " cannot be read", error);
    }
    return credentials.build();
  }

  private static byte[] certificates(Path file) throws IOException {
    byte[] pem = Files.readAllBytes(file);
    try {
      if (!CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(pem)).isEmpty()) {
        return pem;
      }
    } catch (CertificateException error) {
      throw new IllegalArgumentException("the TLS file " + file + " holds no usable PEM certificate", error);
    }
    throw new IllegalArgumentException("the TLS file " + file + " holds no PEM certificate");
  }

  private static byte[] key(Path file) throws IOException {
    byte[] pem = Files.readAllBytes(file);
    if (!new String(pem, StandardCharsets.US_ASCII).contains("-----BEGIN PRIVATE KEY-----")) {
      throw new IllegalArgumentException(
          "the TLS file " + file + " holds no key in PKCS #8 without a password;"
              + " openssl pkcs8 -topk8 -nocrypt makes one");
    }
    return pem;
  }
}
