"""Upkeep of the store by its one writer: rows nobody can read any more go, a few at a time, while pushes are served."""

import threading

from hotrow import clock, log
from hotrow.errors import HotrowError
from hotrow.registry.served import ServedSet
from hotrow.registry.snapshot import Snapshot
from hotrow.stores.maintenance import GcReport, GcRules, gc_batches, longest_ttls
from hotrow.stores.port import OnlineStore

_BATCH_ROWS = 200
_SHORTEST_REST_S = 0.01
_REST = 9
"""A batch is followed by a rest of so many times what it took: a tenth of the time, of a core and of the store's lock,
is the most that a pass takes from pushes."""

_log = log.logger(__name__)


class Collector:
    """Removes, every `interval_s` (0: never), the rows of the served views that are a day past their ttl.

    A row stays for as long as any served snapshot may read it, and rows of views that none serves are left alone:
    `hotrow store gc` removes those, which can tell whose they are.
    """

    def __init__(self, store: OnlineStore, served: ServedSet[Snapshot], *, interval_s: float) -> None:
        self._store = store
        self._served = served
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hotrow-collect", daemon=True)
        if interval_s:
            self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End after the batch under way; whether the store is left alone from now on."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def collect(self, now_us: int) -> GcReport:
        """One pass, cut short by `stop`; raises HotrowError where the store does."""
        report = GcReport()
        generation = self._served.generation
        ttls = longest_ttls(self._served.compiled())
        began_s = clock.monotonic_s()
        for latest in gc_batches(self._store, GcRules(ttls), now_us=now_us, batch_rows=_BATCH_ROWS):
            report = latest
            if self._stopping.wait(max(_SHORTEST_REST_S, _REST * (clock.monotonic_s() - began_s))):
                break
            if self._served.generation is not generation:  # a pass may be long; what is published holds from now on
                generation = self._served.generation
                ttls.clear()
                ttls.update(longest_ttls(self._served.compiled()))
            began_s = clock.monotonic_s()
        return report

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            began_s = clock.monotonic_s()
            try:
                report = self.collect(clock.now_us())
            except HotrowError as error:
                _log.warning("old rows could not be removed; this is tried again", error=error.message)
            except Exception:  # noqa: BLE001 - pushes go on whatever it is, and so does the thread
                _log.exception("old rows could not be removed; this is tried again")
            else:
                tell = _log.info if report.removed else _log.debug
                tell(
                    "old rows removed",
                    scanned=report.scanned,
                    removed=report.removed,
                    expired=report.expired,
                    tombstones=report.tombstones,
                    seconds=round(clock.monotonic_s() - began_s, 3),
                )
