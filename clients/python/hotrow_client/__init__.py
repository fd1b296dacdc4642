"""A client of hotrow for Python programs: features into arrays and frames, rows out of them."""

from hotrow.errors import Code, HotrowError
from hotrow.rpc.tls import ChannelTls

from hotrow_client.aio import AsyncClient
from hotrow_client.call import ServerInfo
from hotrow_client.client import Client
from hotrow_client.push import PushOptions, PushReply, RejectedRowsError, Rejection, TransformError
from hotrow_client.reply import Reply
from hotrow_client.request import ReadOptions
from hotrow_client.rpc_error import HotrowRpcError
from hotrow_client.status import Status

__all__ = [
    "AsyncClient",
    "ChannelTls",
    "Client",
    "Code",
    "HotrowError",
    "HotrowRpcError",
    "PushOptions",
    "PushReply",
    "ReadOptions",
    "RejectedRowsError",
    "Rejection",
    "Reply",
    "ServerInfo",
    "Status",
    "TransformError",
]
