"""Stage timings of one call, for callers who ask for them with the metadata `hotrow-timing: 1`.

They come in the trailer `server-timing`, in the form of the HTTP header of that name: `parse;dur=0.012, store;dur=0.1`,
in milliseconds.
"""

from hotrow import clock
from hotrow.rpc.call import Metadata

ASKED = ("hotrow-timing", "1")
TRAILER = "server-timing"


class StageTimer:
    """Notes how long each stage took, from the making of the timer on."""

    def __init__(self) -> None:
        self._stages: list[str] = []
        self._since_ns = clock.monotonic_ns()

    def ended(self, stage: str) -> None:
        """The stage is over, and the next one begins."""
        now_ns = clock.monotonic_ns()
        self._stages.append(f"{stage};dur={(now_ns - self._since_ns) / 1e6:.4f}")
        self._since_ns = now_ns

    def trailers(self) -> Metadata:
        """What to send behind the answer."""
        return ((TRAILER, ", ".join(self._stages)),)
