"""The thread that takes pushed rows to the log: when it does, and what it does where it cannot."""

import threading
import time

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.offline.row_log.lease import LogLease
from hotrow.settings import OnlineStoreSettings
from hotrow.stores.redis.store import RedisStore
from hotrow_ingest.log_drain import LogDrain
from structlog.testing import capture_logs
from support.pushlog import Filled, files_of, logged_values

WAIT_S = 20.0


@pytest.fixture
def store():
    return Filled()


@pytest.fixture
def start(tmp_path, store):
    """Starts a drain of the store into the log of the test, and stops it."""
    made = []

    def begin(interval_s=0.01, into=None):
        made.append(LogDrain(into or store, tmp_path / "log", interval_s=interval_s))
        return made[-1]

    yield begin
    for drain in made:
        assert drain.stop(WAIT_S)


def until(holds):
    end_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_rows_are_logged_while_others_come(tmp_path, store, start):
    """Every interval, in order, each once."""
    start()
    for _ in range(5):
        store.push(3)
        until(lambda: store.info().outbox == 0)
    assert logged_values(tmp_path / "log") == list(range(15))
    assert len(files_of(tmp_path / "log")) >= 5


def test_a_stop_logs_what_waits(tmp_path, store, start):
    """However long the interval is."""
    drain = start(interval_s=1000)
    store.push(3)
    assert drain.stop(WAIT_S)
    assert logged_values(tmp_path / "log") == [0, 1, 2]


def test_nothing_is_made_where_nothing_is_logged(tmp_path, store, start):
    """Not even a folder."""
    drain = start()
    time.sleep(0.05)
    assert drain.stop(WAIT_S)
    assert not (tmp_path / "log").exists()


def test_rows_wait_where_the_log_cannot_be_written(tmp_path, store, start):
    """It is said, and tried again until it works."""
    (tmp_path / "log").write_text("in the way")
    with capture_logs() as said:
        start()
        store.push(3)
        until(lambda: len(said) >= 2)
    assert "wait in the outbox" in said[0]["event"]
    assert "offline_store.path" in said[0]["error"]
    assert store.info().outbox == 3
    (tmp_path / "log").unlink()
    until(lambda: store.info().outbox == 0)
    assert logged_values(tmp_path / "log") == [0, 1, 2]


def test_a_new_store_begins_behind_the_log(tmp_path, store, start):
    """Its numbers are none that the log has."""
    drain = start()
    store.push(3)
    assert drain.stop(WAIT_S)
    fresh = Filled()
    start(into=fresh)
    fresh.push(2)
    until(lambda: fresh.info().outbox == 0)
    assert logged_values(tmp_path / "log") == [0, 1, 2, 0, 1]


class Asking:
    """A call of FlushLog, and what it is answered."""

    def __init__(self):
        self.answered = threading.Event()
        self.answer = None

    def reply(self, message, trailers=()):
        self.answer = message
        self.answered.set()

    def fail(self, error):
        self.answer = error
        self.answered.set()


def ask(drain):
    call = Asking()
    drain.flush_log(b"", call)
    assert call.answered.wait(WAIT_S)
    return call.answer


def test_who_asks_is_answered_when_all_is_logged(tmp_path, store, start):
    """However long the interval is, and where nothing waits."""
    drain = start(interval_s=1000)
    assert ask(drain) == b""
    for _ in range(3):
        store.push(2)
        assert ask(drain) == b""
        assert store.info().outbox == 0
    assert logged_values(tmp_path / "log") == list(range(6))


def test_who_asks_is_told_why_it_is_not_logged(tmp_path, store, start):
    """And asks again."""
    (tmp_path / "log").write_text("in the way")
    drain = start(interval_s=1000)
    store.push(3)
    with capture_logs():
        error = ask(drain)
    assert (error.code, error.retry_after_s) == (Code.UNAVAILABLE, None)
    assert "offline_store.path" in error.message
    (tmp_path / "log").unlink()
    assert ask(drain) == b""
    assert logged_values(tmp_path / "log") == [0, 1, 2]


def test_a_claim_that_was_stopped_half_way_is_completed(tmp_path, redis_server):
    """The store has the log's id, and the folder only what was prepared: that is the folder, and no other one is."""
    settings = OnlineStoreSettings(type="redis", url=redis_server.url, prefix=f"{tmp_path}:"[-100:])
    store = RedisStore(settings, writable=True)
    first = LogLease(tmp_path / "log", store)
    assert first.held()
    first.claim()
    log_id = (tmp_path / "log/.id").read_text()
    (tmp_path / "log/.id").rename(tmp_path / f"log/.id.{log_id.strip()}")
    first.release()
    other, next_one = LogLease(tmp_path / "other", store), LogLease(tmp_path / "log", store)
    assert not other.held()
    assert next_one.held()
    assert not first.held()
    next_one.claim()
    assert (tmp_path / "log/.id").read_text() == log_id
    assert not list((tmp_path / "log").glob(".id.*"))
    with pytest.raises(HotrowError, match="adopt-log"):
        other.take_over()
    first.take_over()
    assert not next_one.held()
    store.close()
