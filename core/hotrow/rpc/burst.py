"""What is put off until the calls that have come by now are handled, so that they share it: a commit, for one."""

from collections.abc import Callable

from hotrow import log

Work = Callable[[], None]

_log = log.logger(__name__)


class Burst:
    """The works of one thread that serves calls; used by that thread alone."""

    __slots__ = ("_works",)

    def __init__(self) -> None:
        self._works: dict[Work, None] = {}

    def put_off(self, work: Work) -> bool:
        """Keep a work, once however often it comes; whether it is the first, so that an end must be seen to."""
        first = not self._works
        self._works[work] = None
        return first

    def end(self) -> None:
        """Do what was put off. What fails is logged: the thread goes on."""
        works, self._works = self._works, {}
        for work in works:
            try:
                work()
            except Exception:  # noqa: BLE001 - whatever it is, the others are still done
                _log.exception("what was put off to the end of a burst failed")
