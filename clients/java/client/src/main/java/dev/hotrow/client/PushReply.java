package dev.hotrow.client;

import com.google.protobuf.ByteString;
import dev.hotrow.v1.PushFeaturesReply;
import dev.hotrow.v1.RowResult;
import java.util.List;

/**
 * What became of the rows of a push. Those that are written are durable, and every later read sees them.
 *
 * @param written how many were written
 * @param skippedStale how many the store had of the same or a later event time
 * @param rejected how many were refused; {@code rejections} says why
 * @param duplicates how many had a later row of the same key in the batch
 * @param results what became of each row
 * @param rejections why rows were refused, of the first thousand
 * @param token a read that has it as {@link ReadRequest#minToken} sees these rows or fails
 * @param snapshot the snapshot that answered
 * @param requestId the id that was sent
 * @param transformErrors rows for which a transform that runs at push raised
 */
public record PushReply(
    int written,
    int skippedStale,
    int rejected,
    int duplicates,
    List<RowResult> results,
    List<Rejection> rejections,
    ByteString token,
    String snapshot,
    String requestId,
    List<TransformError> transformErrors) {

  /**
   * Why a row was refused.
   *
   * @param row the row, from 0
   * @param field the field at fault
   * @param reason what is wrong with it
   */
  public record Rejection(int row, String field, String reason) {}

  /**
   * Rows for which a transform that runs at push raised. They are written, with its outputs null.
   *
   * @param transform the transform
   * @param rows how many rows
   * @param row the first of them, from 0
   * @param reason the exception, its line, and the inputs of that row
   */
  public record TransformError(String transform, int rows, int row, String reason) {}

  static PushReply of(PushFeaturesReply message, String requestId) {
    return new PushReply(
        message.getWritten(),
        message.getSkippedStale(),
        message.getRejected(),
        message.getDuplicates(),
        message.getResultsList(),
        message.getRejectionsList().stream()
            .map(one -> new Rejection(one.getRow(), one.getField(), one.getReason()))
            .toList(),
        message.getToken(),
        message.getSnapshot(),
        requestId,
        message.getTransformErrorsList().stream()
            .map(one -> new TransformError(one.getTransform(), one.getRows(), one.getRow(), one.getReason()))
            .toList());
  }
}
