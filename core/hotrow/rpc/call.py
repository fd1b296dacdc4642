"""One RPC as a handler sees it, whichever door it came by: the fast lane, the ordinary server, or a frame."""

import math
from collections.abc import Callable
from typing import Protocol

from hotrow.errors import HotrowError
from hotrow.rpc.burst import Work
from hotrow.rpc.metadata import Metadata
from hotrow.rpc.timing import StageTimer


class Call(Protocol):
    """A call that waits for its one answer. `reply` or `fail` ends it, once, at any time, from any thread.

    `deadline_s` is in seconds of the wall clock, infinite where the caller gave none. `caller` is the authenticated
    name, empty until there is authentication. `request_id` is what the logs and an INTERNAL answer name. `timer` runs
    from the arrival on where the caller asked for stage timings, else it is None.
    """

    @property
    def method(self) -> str: ...
    @property
    def metadata(self) -> Metadata: ...
    @property
    def deadline_s(self) -> float: ...
    @property
    def peer(self) -> str: ...
    @property
    def caller(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def timer(self) -> StageTimer | None: ...

    def cancelled(self) -> bool:
        """Whether nobody waits any more: cancelled, expired or disconnected."""

    def put_off(self, work: Work) -> bool:
        """Have `work` done on this thread once the calls that have come by now are handled; it answers this call.

        For a handler to call. False: this door knows no such moment, and the work is the caller's to do.
        """

    def reply(self, message: bytes, trailers: Metadata = ()) -> None:
        """Answer with a serialized message. Does nothing on a call that has ended."""

    def fail(self, error: HotrowError) -> None:
        """Answer with an error. Does nothing on a call that has ended."""


Handler = Callable[[bytes, Call], None]
"""Takes the request's bytes and answers the call now or later; what it raises is answered by the gate."""


NEVER_S = 1e15  # thirty million years; gRPC's own "never" is the largest number of seconds that 64 bits hold


def deadline_from_grpc(deadline_s: float) -> float:
    """A deadline as gRPC tells it, infinite where the caller gave none."""
    return deadline_s if deadline_s < NEVER_S else math.inf
