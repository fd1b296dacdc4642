"""Stage timings of one call, for callers who ask for them with the metadata `hotrow-timing: 1`.

They come in the trailer `server-timing`, in the form of the HTTP header of that name: `parse;dur=0.012, store;dur=0.1`,
in milliseconds. What each stage is stands in docs/performance.md. A door makes the timer as soon as it sees a call
that asks, the gate ends the stage `queue`, and handlers the others.
"""

import re

from hotrow import clock
from hotrow.rpc.metadata import Metadata

ASKED = ("hotrow-timing", "1")
TRAILER = "server-timing"

_STAGE = re.compile(r"([a-z]+);dur=([0-9.]+)")
_NS_PER_MS = 1_000_000


class StageTimer:
    """Notes how long each stage took, from the making of the timer on; a stage that comes again is added up."""

    __slots__ = ("_since_ns", "_stages_ns")

    def __init__(self) -> None:
        self._stages_ns: dict[str, int] = {}
        self._since_ns = clock.monotonic_ns()

    def ended(self, stage: str) -> None:
        """The stage is over, and the next one begins."""
        now_ns = clock.monotonic_ns()
        self._add(stage, now_ns - self._since_ns)
        self._since_ns = now_ns

    def trailers(self) -> Metadata:
        """What to send behind the answer."""
        return ((TRAILER, ", ".join(f"{name};dur={ns / _NS_PER_MS:.4f}" for name, ns in self._stages_ns.items())),)

    def handed_on(self, trailers: Metadata) -> Metadata:
        """The trailers of a call that another worker has answered, with `trailers`: its stages beside those of here,
        and as `hop` what the way there and back took.
        """
        now_ns = clock.monotonic_ns()
        there_ns = {name: round(ms * _NS_PER_MS) for name, ms in stages_ms(trailers).items()}
        self._add("hop", max(0, now_ns - self._since_ns - sum(there_ns.values())))
        for name, ns in there_ns.items():
            self._add(name, ns)
        self._since_ns = now_ns
        return (*(item for item in trailers if item[0] != TRAILER), *self.trailers())

    def _add(self, stage: str, ns: int) -> None:
        self._stages_ns[stage] = self._stages_ns.get(stage, 0) + ns


def stages_ms(trailers: Metadata) -> dict[str, float]:
    """The stages that an answer's trailers tell, in their order, in milliseconds; empty where they tell none."""
    told = next((value for name, value in trailers if name == TRAILER), "")
    return {name: float(ms) for name, ms in _STAGE.findall(told)} if isinstance(told, str) else {}
