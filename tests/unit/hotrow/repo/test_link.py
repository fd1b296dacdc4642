"""How a command reaches the ingest worker."""

import threading

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.repo.link import Waiting


def test_a_reply_from_another_thread():
    """The waiting thread gets it."""
    waiting = Waiting(5)
    threading.Timer(0.05, waiting.reply, (b"done",)).start()
    assert waiting.result() == b"done"
    assert waiting.cancelled()


def test_a_failure_is_raised():
    """As the error that the worker answered with."""
    waiting = Waiting(5)
    waiting.fail(HotrowError(Code.EXHAUSTED, "full", retry_after_s=1.0))
    with pytest.raises(HotrowError, match="full") as caught:
        waiting.result()
    assert caught.value.retry_after_s == 1.0


def test_no_answer_is_a_deadline():
    """And the transport sees that nobody waits any more."""
    waiting = Waiting(0.02)
    with pytest.raises(HotrowError) as caught:
        waiting.result()
    assert caught.value.code is Code.DEADLINE
    assert waiting.cancelled()


def test_cancelled():
    """After an interrupt."""
    waiting = Waiting(5)
    assert not waiting.cancelled()
    waiting.cancel()
    assert waiting.cancelled()
