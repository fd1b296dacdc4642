"""How a call is known whose worker died while it had it: by what a server says of it, or by a connection that broke."""

from typing import Final

LOST_REASON: Final = "WORKER_LOST"
LOST_DOMAIN: Final = "hotrow"
"""Of `google.rpc.ErrorInfo` in the details of an error."""

_BROKEN: Final = ("socket closed", "connection reset", "broken pipe", "stream removed", "endpoint closing")


def is_broken(message: str) -> bool:
    """Whether gRPC's words for UNAVAILABLE say that the connection broke on which the call was.

    One that could not be made has other words, and so has a server that drains.
    """
    lowered = message.lower()
    return "failed to connect" not in lowered and any(word in lowered for word in _BROKEN)
