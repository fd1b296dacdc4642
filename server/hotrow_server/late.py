"""Answers that are made on another thread than the one that handled the call."""

from collections.abc import Callable

from hotrow import log
from hotrow.errors import Code, HotrowError
from hotrow.rpc.call import Call

_log = log.logger(__name__)


def answer_late(call: Call, answer: Callable[[], None]) -> None:
    """Run what answers the call; what it raises becomes the answer, as the gate does on the thread of the call."""
    try:
        answer()
    except HotrowError as error:
        call.fail(error)
    except Exception:  # noqa: BLE001 - whatever it is, its caller gets an answer, and the thread goes on for others
        _log.exception("a read failed", request_id=call.request_id)
        call.fail(HotrowError(Code.INTERNAL, f"internal error; request id {call.request_id}"))
