"""A client of hotrow for Python programs: features into NumPy arrays, rows out of them."""

from hotrow.errors import Code, HotrowError
from hotrow.rpc.tls import ChannelTls

from hotrow_client.client import Client, PushOptions, ReadOptions, ServerInfo
from hotrow_client.push import PushReply, Rejection
from hotrow_client.reply import Reply
from hotrow_client.rpc_error import HotrowRpcError

__all__ = [
    "ChannelTls",
    "Client",
    "Code",
    "HotrowError",
    "HotrowRpcError",
    "PushOptions",
    "PushReply",
    "ReadOptions",
    "Rejection",
    "Reply",
    "ServerInfo",
]
