/**
 * A client of hotrow for Java services: reads and pushes, blocking or as futures, values without boxing.
 *
 * <p>{@link dev.hotrow.client.HotrowClient} is the entry. {@link dev.hotrow.client.Columns} makes the columns that are
 * sent, {@link dev.hotrow.client.Column} reads those that come back.
 */
package dev.hotrow.client;
