"""The ingest worker killed while it logs pushed rows, and who prunes the log: every acknowledged row is in it once, and
in order.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from hotrow.offline.row_log.folder import CREATED_TIME, EVENT_TIME
from hotrow.offline.row_log.part import open_log
from hotrow.offline.source import Column as Wanted
from hotrow.offline.source import Interval, SourceColumns
from hotrow.types import Int64
from hotrow.v1.column_pb2 import BytesValues, Column, Float32Lists, Float64s, Int64s, Strings
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply
from hotrow.v1.push_pb2 import BOTH, OFFLINE, REJECTED, PushFeaturesReply, PushFeaturesRequest
from support.pushlog import logged_rows

from tests.e2e.processes import until

from . import trip
from .definitions import SNAPSHOT
from .load import INGEST_PUSH, PUSH, READ, dial
from .serving import Repository, Serve, exit_of

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., Serve]
COME_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
PHASES = (
    ("after_commit", 60),
    ("log_written", 4),
    ("log_renamed", 4),
    ("merge_written", 1),
    ("merge_renamed", 1),
    ("", 0),
)
"""Where the ingest worker dies, and which time that it comes there; at last anywhere."""


class Producer(threading.Thread):
    """Pushes rows that no other has, to BOTH and OFFLINE in turn, and counts what was acknowledged.

    With `retries` a push that fails is sent again under its id until it is acknowledged; without, its rows may or may
    not be there.
    """

    def __init__(self, address: str, method: str, number: int, *, retries: bool) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[int] = []
        self.both: list[int] = []
        self.open: set[int] = set()
        self.failures = 0
        self.error: BaseException | None = None
        self._address, self._method, self._number, self._retries = address, method, number, retries
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join(120)
        assert not self.is_alive()
        assert self.error is None, self.error

    def run(self) -> None:
        try:
            with dial(self._address) as channel:
                call = channel.unary_unary(self._method, None, None)
                push = 0
                while not self._stopping.is_set():
                    push += 1
                    first = self._number * 10**9 + push * 100
                    self._push(call, list(range(first, first + 1 + push % 20)), BOTH if push % 2 else OFFLINE)
                    time.sleep(0.003)
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            self.error = error

    def _push(self, call: grpc.UnaryUnaryMultiCallable, stamps: list[int], to: int) -> None:
        request = request_of(stamps, to, f"{stamps[0]}" if self._retries else "")
        self.open.update(stamps)
        while True:
            try:
                reply = PushFeaturesReply.FromString(call(request, timeout=20))
            except grpc.RpcError as error:
                if error.code() not in COME_AGAIN:
                    raise
                self.failures += 1
                if not self._retries:
                    return
                time.sleep(0.05)
                continue
            assert REJECTED not in reply.results
            self.open.difference_update(stamps)
            self.acknowledged += stamps
            if to == BOTH:
                self.both += stamps
            return


def request_of(stamps: list[int], to: int, request_id: str) -> bytes:
    n = len(stamps)
    rows = [
        Column(name="driver_id", int64=Int64s(values=stamps)),
        Column(name="stamp", int64=Int64s(values=stamps)),
        Column(name="amount", float64=Float64s(values=[0.5] * n)),
        Column(name="label", string=Strings(values=[f"label {stamp}" for stamp in stamps])),
        Column(name="embedding", float32_list=Float32Lists(lengths=[0] * n)),
        Column(name="note", bytes=BytesValues(values=[b""] * n)),
    ]
    message = PushFeaturesRequest(push_source="trips_push", rows=rows, to=to, request_id=request_id)
    return message.SerializeToString()


@pytest.fixture
def produce() -> Iterator[Callable[[Repository], list[Producer]]]:
    """Starts four producers on a repository that is served, two of them at the ingest worker itself."""
    started: list[Producer] = []

    def start(repository: Repository) -> list[Producer]:
        settings = repository.settings
        doors = ((settings.server.address, PUSH), (settings.ingest.address, INGEST_PUSH))
        for number in range(4):
            started.append(Producer(*doors[number % 2], number + 1, retries=number < 2))
            started[-1].start()
        return started

    yield start
    for producer in started:
        producer._stopping.set()


@pytest.mark.parametrize("durability", ["fsync", "os"])
@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(2, id="short"),
        pytest.param(20, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_the_ingest_worker_killed_while_it_logs(
    tmp_path: Path, serve: Start, produce: Callable[[Repository], list[Producer]], kills: int, durability: str
) -> None:
    """Before and after every step of a row on its way to the log, and of the merge of small files."""
    extra = f'durability = "{durability}"\n[offline_store]\nflush_interval_s = 0.02'
    repository = Repository(tmp_path / "rides", ingest=extra)
    producers: list[Producer] = []
    for place, count in PHASES:
        running = serve(repository, HOTROW_FAILPOINT=f"{place}:{count}" if place else "").ready()
        producers = producers or produce(repository)
        while running.restarts("ingest") < kills:
            assert all(producer.error is None for producer in producers)
            if place:
                time.sleep(0.05)
            else:
                time.sleep(0.2)
                running.until_restarted("ingest", 0, running.kill_worker("ingest"))
        assert running.log().count("killed by SIGKILL") >= kills
        running.stop()  # which fails where the drain comes to the failpoint once more
    last = serve(repository).ready()
    for producer in producers:
        producer.stop()
    assert sum(producer.failures for producer in producers) > 0
    check_online(repository, producers)
    assert last.stop() == 0
    check_log(repository, producers)


def check_online(repository: Repository, producers: list[Producer]) -> None:
    """What was acknowledged to BOTH is read."""
    both = [stamp for producer in producers for stamp in producer.both]
    with dial(repository.settings.server.address) as channel:
        read = channel.unary_unary(READ, None, None)
        for start in range(0, len(both), 1000):
            stamps = both[start : start + 1000]
            reply = GetOnlineFeaturesReply.FromString(read(trip.read_bytes(stamps), timeout=30))
            (column,) = [one for one in reply.columns if one.name == "stamp"]
            assert list(column.int64.values) == stamps


def check_log(repository: Repository, producers: list[Producer]) -> None:
    """Each acknowledged row once, every other at most once, in the order of the commits, and nothing half written."""
    log = repository.settings.offline_store.path
    rows = logged_rows(log, SNAPSHOT.view_id("trips"))
    logged = [row["stamp"] for row in rows]
    acknowledged = {stamp for producer in producers for stamp in producer.acknowledged}
    unknown = {stamp for producer in producers for stamp in producer.open}
    doubled = [stamp for stamp, times in Counter(logged).items() if times > 1]
    assert doubled == []
    assert acknowledged - set(logged) == set()
    assert set(logged) - acknowledged - unknown == set()
    for producer in range(1, len(producers) + 1):
        own = [stamp for stamp in logged if stamp // 10**9 == producer]
        assert own == sorted(own)
        assert own
    created = [row[CREATED_TIME] for row in rows]
    assert created == sorted(set(created))
    assert {row["label"] for row in rows} == {f"label {stamp}" for stamp in logged}
    assert list(log.rglob("*.tmp")) == []
    store = repository.open_store()
    try:
        assert store.info().outbox == 0
        assert store.verify() == []
    finally:
        store.close()


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(1, id="short"),
        pytest.param(10, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_the_log_is_pruned_while_it_is_written(
    tmp_path: Path, serve: Start, produce: Callable[[Repository], list[Producer]], rounds: int
) -> None:
    """The worker is killed at any moment, and the prune at each of its steps: no row is lost that it was not about, and
    none comes twice.
    """
    repository = Repository(tmp_path / "rides", ingest="[offline_store]\nflush_interval_s = 0.02")
    log = repository.settings.offline_store.path
    running = serve(repository).ready()
    producers = produce(repository)
    for place in ("prune_marked:1", "prune_deleted:1", "prune_deleted:3", "") * rounds:
        until(lambda: len(list(log.rglob("*.parquet"))) > 20, 60)
        killed = running.kill_worker("ingest")
        code, said = exit_of(repository, *prune_to(time.time_ns() // 1000), HOTROW_FAILPOINT=place)
        assert code == (-9 if place else 0), said
        running.until_restarted("ingest", 0, killed)
    pruned = [len(producer.acknowledged) for producer in producers]
    until(lambda: all(len(one.acknowledged) > count + 500 for one, count in zip(producers, pruned, strict=True)), 60)
    running.until_restarted("ingest", 0, running.kill_worker("ingest"))
    for producer in producers:
        producer.stop()
    assert running.stop() == 0
    rows = read_log(repository)
    stamps = [stamp for _, stamp in rows]
    assert [stamp for stamp, times in Counter(stamps).items() if times > 1] == []
    for producer, count in zip(producers, pruned, strict=True):
        assert set(producer.acknowledged[count + 20 :]) <= set(stamps)  # but for the push that was under way
    middle_us = sorted(event_us for event_us, _ in rows)[len(rows) // 2]
    assert exit_of(repository, *prune_to(middle_us))[0] == 0
    assert read_log(repository) == [row for row in rows if row[0] >= middle_us]
    assert exit_of(repository, *prune_to(time.time_ns() // 1000))[0] == 0
    assert read_log(repository) == []
    assert list(log.rglob("*.parquet")) == []


def prune_to(before_us: int) -> tuple[str, ...]:
    return "store", "prune-log", "--before", str(before_us)


def read_log(repository: Repository) -> list[tuple[int, int]]:
    """Event times and stamps, as readers of the log have them."""
    folder = repository.settings.offline_store.path / f"trips-{SNAPSHOT.view_id('trips').hex()}"
    wanted = SourceColumns("trips", (Wanted("stamp", Int64),), EVENT_TIME, CREATED_TIME)
    batches = [batch for part in open_log(folder, wanted) for batch in part.batches(Interval(), part.columns)]
    return [
        row
        for batch in batches
        for row in zip(batch.event_time_us.tolist(), batch.rows.column("stamp").to_pylist(), strict=True)
    ]
