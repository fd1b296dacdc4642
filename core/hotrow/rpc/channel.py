"""Channels to a server or an ingest worker, for the command line, offline work and workers on other machines."""

import grpc

from hotrow.rpc.tls import ChannelTls, channel_credentials

_ARGS = (
    # A connection of its own: without it, channels of one process to one address share one.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    # gRPC's own pause before it connects again grows to two minutes; a worker is started again in a second.
    ("grpc.initial_reconnect_backoff_ms", 50),
    # In spite of its name this is how long an attempt may take: with 50 ms a busy machine is found unreachable.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Finds out that the other machine is gone: no answer to a ping for 20 s ends the connection.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)


def open_channel(address: str, tls: ChannelTls | None = None) -> grpc.Channel:
    """A channel to `address`, which is connected at its first call; without `tls` it is plain text.

    Raises FAILED_PRECONDITION for a TLS file that is missing or wrong.
    """
    if tls is None:
        return grpc.insecure_channel(address, _ARGS)
    name = (("grpc.ssl_target_name_override", tls.server_name),) if tls.server_name else ()
    return grpc.secure_channel(address, channel_credentials(tls), (*_ARGS, *name))
