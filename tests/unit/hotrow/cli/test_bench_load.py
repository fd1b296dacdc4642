"""The load generator against real listeners, the sample of entities, and the figures that come of timed calls."""

import itertools
from pathlib import Path

import grpc
import pytest
from hotrow.cli.bench_keys import MOST_KEYS, entities_from_store
from hotrow.cli.bench_load import TIMED_EVERY, Burst, Timed, send_burst
from hotrow.cli.bench_report import STAGES, stages
from hotrow.errors import Code, HotrowError
from hotrow.rpc.channel import open_channel
from hotrow.rpc.gate import Gate
from hotrow.rpc.listener import Endpoint, serve
from hotrow.v1.column_pb2 import Column, Float32s, Int64s, Strings
from hotrow.v1.push_pb2 import PushFeaturesRequest
from support.ports import free_ports
from support.pushing import delete, stats
from support.world import World

METHOD = "/hotrow.test.Bench/Call"


@pytest.fixture
def listening():
    """Serves METHOD by a handler; channels to it."""
    ended = []

    def start(handler, channels=2):
        listener = serve(Endpoint("127.0.0.1:0"), {METHOD: handler}, gate=Gate())
        opened = [open_channel(f"127.0.0.1:{listener.port}") for _ in range(channels)]
        ended.append((listener, opened))
        return opened

    yield start
    for listener, channels in ended:
        for channel in channels:
            channel.close()
        listener.stop(1)


def burst(*requests, callers=4, seconds=0.3):
    return Burst(METHOD, requests, callers=callers, seconds=seconds, timeout_s=5.0)


def test_every_request_is_sent_in_turn_and_every_answer_counted(listening):
    """What the server saw is what the outcome has."""
    seen = []

    def handler(request, call):
        seen.append((request, call.timer is not None))
        call.reply(b"reply", (("server-timing", "queue;dur=1"),))

    outcome = send_burst(listening(handler), burst(b"a", b"b", b"c"))
    assert len(outcome.latencies_ns) == len(seen) > 0
    counts = [sum(request == name for request, _ in seen) for name in (b"a", b"b", b"c")]
    assert max(counts) - min(counts) <= 1
    assert outcome.failed() == {}
    assert len(outcome.timed) == sum(timed for _, timed in seen) == -(-len(seen) // TIMED_EVERY)
    assert set(outcome.replies) == {b"reply"}
    assert outcome.own_cpu_ns > 0
    assert outcome.seconds >= 0.3


def test_no_more_are_in_flight_than_there_are_callers(listening):
    """With one that is never answered in time the others go on, and its deadline ends it."""
    held = []
    outcome = send_burst(
        listening(lambda request, call: call.reply(b"") if held else held.append(call)),
        Burst(METHOD, [b"x"], callers=1, seconds=0.2, timeout_s=0.5),
    )
    assert len(outcome.latencies_ns) == 0
    assert list(outcome.failed().values()) == [1]
    assert next(iter(outcome.failed())).startswith("DEADLINE_EXCEEDED")


def test_failures_are_told_by_status_and_message(listening):
    """Beside the calls that were answered."""
    numbers = itertools.count()

    def handler(_request, call):
        if next(numbers) % 2:
            raise HotrowError(Code.NOT_FOUND, "no such view")
        call.reply(b"ok")

    outcome = send_burst(listening(handler), burst(b"a"))
    assert list(outcome.failed()) == ["NOT_FOUND: no such view"]
    assert abs(outcome.failed()["NOT_FOUND: no such view"] - len(outcome.latencies_ns)) <= 4 or outcome.gave_up


def test_a_server_that_is_not_there_ends_the_burst_early():
    """A thousand failures are enough: no loop that spins for the whole time."""
    (port,) = free_ports(1)
    with open_channel(f"127.0.0.1:{port}") as channel:
        outcome = send_burst([channel], burst(b"a", seconds=60))
    assert outcome.gave_up
    assert 1000 <= len(outcome.failures) < 1010
    assert next(iter(outcome.failed())).startswith(grpc.StatusCode.UNAVAILABLE.name)


def test_the_figures_of_stages():
    """The mean, percentiles and share of each; what the server does not account for is `send`."""
    timed = [
        Timed(10_000_000, (("server-timing", "queue;dur=1, store;dur=3"),)),
        Timed(20_000_000, (("server-timing", "queue;dur=3, store;dur=5"),)),
    ]
    found = {one.name: one for one in stages(timed)}
    assert list(found) == ["send", "queue", "store", "total"]
    assert [one.mean_us for one in found.values()] == [9000, 2000, 4000, 15000]
    assert found["send"].p50_us == 9000
    assert sum(one.share for one in found.values()) == pytest.approx(2)
    assert stages([]) == []


def test_the_page_explains_every_stage():
    """Its table has the stages that the bench knows, and no other."""
    page = (Path(__file__).resolve().parents[4] / "docs/performance.md").read_text(encoding="utf-8")
    table = page[page.index("| stage | of |") :]
    rows = table[: table.index("\n\n")].splitlines()[2:]
    assert sorted(row.split("`")[1] for row in rows) == sorted(STAGES)


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


def entities(world, *views):
    return entities_from_store(world.store, world.head, [world.head.view(name) for name in views])


def pairs(ids, users):
    rows = [
        Column(name="driver_id", int64=Int64s(values=ids)),
        Column(name="user", string=Strings(values=users)),
        Column(name="score", float32=Float32s(values=[0.5] * len(ids))),
        Column(name="trips", int64=Int64s(values=[1] * len(ids))),
    ]
    return PushFeaturesRequest(view="pair", rows=rows)


def test_entities_are_those_that_are_stored(world):
    """Deleted ones are not among them."""
    world.push(stats([1, 2, 3], [1, 1, 1]))
    world.push(delete([2]))
    found = entities(world, "stats")
    assert (sorted(found.columns["driver_id"]), found.rows) == ([1, 3], 2)
    assert "stats in the store" in found.origin


def test_a_view_with_all_join_keys_tells_whole_entities(world):
    """So that the rows of the others are likely to be there too."""
    world.push(stats([7, 8], [1, 1]))
    world.push(pairs([1, 2], ["ann", "bo"]))
    found = entities(world, "stats", "pair")
    whole = zip(found.columns["driver_id"], found.columns["user"], strict=True)
    assert sorted(whole) == [(1, "ann"), (2, "bo")]


def test_a_sample_is_bounded_and_from_all_over(world):
    """The first keys are neighbours on a few pages, and would be cheaper to read than others."""
    n = MOST_KEYS + 2000
    for start in range(0, n, 4000):
        world.push(stats(list(range(start, start + 4000)), [1] * 4000))
    found = entities(world, "stats")
    assert found.rows == MOST_KEYS == len(set(found.columns["driver_id"]))
    assert sum(key >= MOST_KEYS for key in found.columns["driver_id"]) > 1000


def test_a_view_without_rows_is_named(world):
    """With what to do about it."""
    world.push(stats([1], [1]))
    with pytest.raises(HotrowError, match="view pair has no row in the store") as caught:
        entities(world, "stats", "pair")
    assert caught.value.code is Code.NOT_FOUND
