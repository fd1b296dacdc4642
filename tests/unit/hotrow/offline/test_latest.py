"""The latest row of each key, against a dict that is filled row by row."""

import numpy as np
import pyarrow as pa
import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int32, Int64, String
from hotrow.offline.latest import LatestRows, latest_of_keys, ranks
from hotrow.offline.source import MAX_ROWS, Column, SourceBatch
from hotrow.types import Array, Bool, Bytes, UnixTimestamp
from hypothesis import example, given
from hypothesis import strategies as st

EXTREME = st.sampled_from([-(2**63), -(2**63) + 1, -1, 0, 1, 2**63 - 2, 2**63 - 1])


@pytest.mark.parametrize("turned", [False, True])
@given(st.lists(st.tuples(EXTREME, st.integers(-2, 2), EXTREME, EXTREME | st.integers(0, 3))))
@example([(-1, 0, 0, 0), (2**63 - 2, 0, 0, 0)])
def test_latest_of_keys_is_what_a_dict_holds(turned, rows):
    """By key, the row of the latest times, of equal ones the last; in the order of the keys, whatever their size."""
    columns = np.array(rows, np.int64).reshape(-1, 4).T.copy()
    first, second, event, created = columns
    if turned:
        first, second = second, first
    best = {}
    for number, (a, b, at, made) in enumerate(
        zip(*map(np.ndarray.tolist, (first, second, event, created)), strict=True)
    ):
        if (a, b) not in best or (at, made) >= best[a, b][0]:
            best[a, b] = ((at, made), number)
    found = latest_of_keys([first, second], lambda: [event, created]).tolist()
    assert found == [best[key][1] for key in sorted(best)]


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ([3, -1, 3, 2**62], pa.int64()),
        ([True, False, True], pa.bool_()),
        ([5, -5, 0], pa.timestamp("us", tz="UTC")),
        (["b", "", "a", "é", "b", "a\0"], pa.large_string()),
        ([b"\xff", b"", b"\x00", b"\xff"], pa.large_binary()),
    ],
)
def test_ranks_order_as_values_do(values, held):
    """Strings by their bytes, as the store orders them."""
    found = ranks(pa.array(values, held)).tolist()
    for a, x in zip(values, found, strict=True):
        for b, y in zip(values, found, strict=True):
            left, right = (v.encode() if isinstance(v, str) else v for v in (a, b))
            assert (left < right, left == right) == (x < y, x == y)


VIEW = FeatureView(
    "stats",
    entities=[Entity("driver", join_keys={"id": Int64, "city": String})],
    schema=[
        Field("n", Int32),
        Field("tags", Array(Float64)),
        Field("event", Bool),
        Field("more", Bytes, default=b"d"),
        Field("t", UnixTimestamp, default=None),
    ],
)


def _batch(random, count, *, more):
    columns = [Column("id", Int64, key=True), Column("city", String, key=True), Column("n", Int32)]
    columns += [Column("tags", Array(Float64)), Column("event", Bool)]
    data = {
        "id": pa.array(random.integers(0, 9, count)),
        "city": pa.array([str(v) for v in random.integers(0, 3, count)]),
        "n": pa.array([None if v == 3 else int(v) for v in random.integers(0, 9, count)], pa.int8()),
        "tags": pa.array([None if v == 2 else [float(v)] * v for v in random.integers(0, 4, count)]),
        "event": pa.array([bool(v) for v in random.integers(0, 2, count)]),
    }
    if more:
        columns.append(Column("more", Bytes, optional=True))
        data["more"] = pa.array([bytes([v]) for v in random.integers(0, 9, count)])
    created = random.integers(0, 4, count) if more else None
    return SourceBatch(
        pa.RecordBatch.from_pydict(data),
        tuple(columns),
        random.integers(0, 30, count),
        created,
        np.zeros(count, np.bool_),
        count,
    )


def _rows(batch):
    created = batch.created_time_us if batch.created_time_us is not None else np.zeros(batch.rows.num_rows, int)
    return zip(batch.rows.to_pylist(), batch.event_time_us.tolist(), created.tolist(), strict=True)


@pytest.mark.parametrize("limit", [1, 2_000, 1 << 30])
def test_what_comes_out_is_the_latest_of_what_went_in(limit):
    """Whatever may be held: where that is little, rows come out earlier, and a later one of their key later on."""
    random = np.random.default_rng(5)
    latest = LatestRows(VIEW, limit)
    best, written, out = {}, {}, 0

    def write():
        nonlocal out
        for batch in latest.take():
            keys = [(row["city"], row["id"]) for row, _, _ in _rows(batch)]  # by the names of the join keys
            assert keys == sorted(set(keys))
            for row, at, made in _rows(batch):
                out += 1
                key = row["id"], row["city"]
                if key not in written or (at, made) > written[key][1:]:
                    written[key] = (row, at, made)

    for number in range(20):
        batch = _batch(random, 37, more=number % 2 == 0)
        for row, at, made in _rows(batch):
            key = row["id"], row["city"]
            if key not in best or (at, made) >= best[key][1:]:
                best[key] = ({"more": b"d", "t": None} | row, at, made)
        latest.add(batch)
        if latest.full:
            write()
    write()
    if limit == 1 << 30:
        assert written == best
        assert out == len(best) == 27
    else:
        assert {key: value[1:] for key, value in written.items()} == {k: v[1:] for k, v in best.items()}
        assert out > 27


def test_batches_are_bounded():
    """A request of the worker has so many rows at most."""
    random = np.random.default_rng(5)
    latest = LatestRows(VIEW, 1 << 40)
    batch = _batch(random, 3 * MAX_ROWS, more=True)
    ids = pa.array(random.permutation(3 * MAX_ROWS))
    rows = batch.rows.set_column(0, "id", ids)
    latest.add(SourceBatch(rows, batch.columns, batch.event_time_us, batch.created_time_us, batch.timeless, 0))
    sizes = [one.rows.num_rows for one in latest.take()]
    assert sizes == [MAX_ROWS] * 3
    assert not list(latest.take())


def test_a_view_without_entities_has_one_row():
    """The latest of all."""
    view = FeatureView("rates", schema=[Field("usd", Float64)])
    latest = LatestRows(view, 1 << 30)
    for first in (0, 3):
        rows = pa.RecordBatch.from_pydict({"usd": pa.array([float(first + n) for n in range(3)])})
        times = np.array([first + 1, first + 2, 3], np.int64)
        latest.add(SourceBatch(rows, (Column("usd", Float64),), times, None, np.zeros(3, np.bool_), 3))
    (batch,) = latest.take()
    assert batch.rows.to_pylist() == [{"usd": 4.0}]
    assert batch.event_time_us.tolist() == [5]
