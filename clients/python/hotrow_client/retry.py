"""When a call that failed is sent again, for both facades: no sending and no waiting happens here."""

import random
from typing import Final

from hotrow.clock import monotonic_s

from hotrow_client.rpc_error import HotrowRpcError

_FIRST_BACKOFF_S: Final = 0.02
_LAST_BACKOFF_S: Final = 1.0
_HINT_JITTER: Final = 1.2
_MOST_LOSSES: Final = 2


class Attempts:
    """One call's deadline, which counts for all attempts together, and the pauses between them. `what` names the call.

    A pause is the one that the server asked for (and up to a fifth more, so that not all come back at once), or else
    one that doubles from 20 ms to 1 s, of which jitter takes up to a half.

    A call whose worker died while it had it is sent again once: the second death may well be the call's doing, and a
    third worker is not given it.
    """

    def __init__(self, timeout_s: float, what: str = "") -> None:
        self._what = what
        self._losses = 0
        self.deadline_s = monotonic_s() + timeout_s
        self._backoff_s = _FIRST_BACKOFF_S

    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self.deadline_s - monotonic_s()

    def pause_s(self, failure: HotrowRpcError) -> float | None:
        """How long to wait before the next attempt; None where there is none: the failure is final, or the pause would
        outlast the deadline, and then the server's own words say more than a deadline does.
        """
        self._losses += failure.lost
        if not failure.retryable or self._losses >= _MOST_LOSSES:
            return None
        if failure.retry_after_s is None:
            pause_s = self._backoff_s * random.uniform(0.5, 1)
        else:
            pause_s = max(failure.retry_after_s, _FIRST_BACKOFF_S) * random.uniform(1, _HINT_JITTER)
        self._backoff_s = min(2 * self._backoff_s, _LAST_BACKOFF_S)
        return pause_s if pause_s < self.left_s() else None

    def final(self, failure: HotrowRpcError) -> HotrowRpcError:
        """The error to raise for a failure after which the call is not sent again."""
        if self._losses < _MOST_LOSSES or not failure.lost:
            return failure
        named = f"{self._what} may be what ends it" if self._what else "this call may be what ends it"
        return HotrowRpcError(
            failure.status,
            f"the worker that had this call died, twice, so it is not sent again: {named}; look at the server's log "
            f"({failure.message})",
            lost=True,
        )
