"""From a batch to request bytes: rows that cannot be written are counted, and requests are bounded."""

import numpy as np
import pyarrow as pa
import pytest
from hotrow.offline import rows as rows_module
from hotrow.offline.rows import NO_EVENT_TIME, NULL_KEY, Refusals, encode_batch
from hotrow.offline.source import Column, SourceBatch
from hotrow.types import Int32, Int64, String
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest

COLUMNS = (Column("driver_id", Int64, key=True), Column("trips", Int32), Column("note", String))


def _batch(ids, trips, notes=None, timeless=None):
    n = len(ids)
    table = pa.record_batch(
        {"driver_id": pa.array(ids, pa.int64()), "trips": pa.array(trips, pa.int64()), "note": notes or [""] * n}
    )
    times = np.arange(n, dtype=np.int64)
    return SourceBatch(table, COLUMNS, times, times + 100, np.array(timeless or [False] * n, np.bool_), n)


def _encode(batch):
    refusals = Refusals()
    encoded = list(encode_batch(batch, "at", refusals))
    return [MaterializeRowsRequest.FromString(e.rows) for e in encoded], [e.count for e in encoded], refusals


def test_every_row_is_there_with_its_times():
    """Columns, event times and created times stay together."""
    (request,), counts, refusals = _encode(_batch([7, 8], [1, None]))
    assert counts == [2]
    assert refusals.rows == 0
    assert [c.name for c in request.rows] == ["driver_id", "trips", "note"]
    assert list(request.rows[1].statuses) == [1, 2]
    assert (list(request.event_time_us), list(request.created_time_us)) == ([0, 1], [100, 101])


def test_rows_that_cannot_be_written_are_counted_once():
    """A null key, a value that does not fit and a missing event time, each by its first fault; the rest goes on."""
    batch = _batch([1, None, 3, 4, None], [1, 2, 2**40, 4, 2**40], timeless=[False, False, False, True, True])
    (request,), counts, refusals = _encode(batch)
    assert counts == [1]
    assert list(request.rows[0].int64.values) == [1]
    assert list(request.event_time_us) == [0]
    assert refusals.counts == {("at", NO_EVENT_TIME): 2, ("driver_id", NULL_KEY): 1, ("trips", "does not fit Int32"): 1}
    assert refusals.examples["trips", "does not fit Int32"] == str(2**40)


def test_a_batch_of_refused_rows_makes_no_request():
    """Nothing is sent for nothing."""
    requests, _, refusals = _encode(_batch([None, None], [1, 2]))
    assert requests == []
    assert refusals.rows == 2


def test_a_large_batch_becomes_several_requests(monkeypatch):
    """Requests are split until each is within the bound, or is one row."""
    monkeypatch.setattr(rows_module, "MAX_BYTES", 4096)
    notes = ["x" * 1000] * 9 + ["y" * 9000]
    requests, counts, refusals = _encode(_batch(list(range(10)), list(range(10)), notes))
    assert sum(counts) == 10
    assert refusals.rows == 0
    assert [i for r in requests for i in r.rows[0].int64.values] == list(range(10))
    assert [t for r in requests for t in r.created_time_us] == list(range(100, 110))
    assert all(r.ByteSize() <= 4096 for r, n in zip(requests, counts, strict=True) if n > 1)
    assert [n for r, n in zip(requests, counts, strict=True) if r.ByteSize() > 4096] == [1]


@pytest.mark.parametrize("rows", [0, 1])
def test_small_batches(rows):
    """None and one."""
    _, counts, _ = _encode(_batch([1] * rows, [2] * rows))
    assert counts == [1] * rows
