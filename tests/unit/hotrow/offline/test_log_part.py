"""The log as parts of a source: what a view sees of rows that were pushed with the same schema or with another."""

import numpy as np
import pytest
from hotrow.codec.logged import describe_view, encode_entries
from hotrow.offline.row_log.folder import CREATED_TIME, EVENT_TIME, view_folder
from hotrow.offline.row_log.part import has_log, open_log
from hotrow.offline.row_log.writer import LogWriter
from hotrow.offline.source import Column, Interval, SourceColumns
from hotrow.stores.port import Write
from hotrow.types import Int64, String
from reference.key import encode_key
from reference.row import encode_tombstone
from support.pushlog import DAY_US, VIEW, VIEW_ID, WIDER, Filled

KEY = Column("id", Int64, key=True)
X = Column("x", Int64)
EVER = Interval()


@pytest.fixture
def folder(tmp_path):
    """Three rows of a schema, three of a wider one, and a deletion, of event times 0 to 5, and 99."""
    store = Filled()
    store.push(3)
    store.push(3, view=WIDER, created_us=2 * DAY_US)
    grave = encode_tombstone(fingerprint=VIEW.fingerprint, event_us=99, created_us=3 * DAY_US)
    entries = encode_entries(VIEW_ID, describe_view(VIEW), [encode_key([("int64", 1)])], [grave])
    store.write([Write(VIEW_ID, [], [], outbox=entries)])
    writer = LogWriter(tmp_path / "log", store)
    writer.drain()
    writer.close()
    return view_folder(tmp_path / "log", "stats", VIEW_ID)


def read(folder, columns, interval=EVER):
    """Every batch, whose columns have the types that its part says."""
    wanted = SourceColumns("stats", columns, EVENT_TIME, CREATED_TIME)
    for part in open_log(folder, wanted):
        for batch in part.batches(interval, part.columns):
            assert {c.name: batch.rows.schema.field(c.name).type for c in batch.columns} == {
                field.name: field.type for field in part.schema
            }
            yield batch


def values(batches, name):
    return [value for batch in batches for value in batch.rows.column(name).to_pylist()]


def test_rows_come_in_the_order_of_the_pushes(folder):
    """With their times, and what is deleted marked."""
    batches = list(read(folder, (KEY, X)))
    assert values(batches, "id") == [0, 1, 2, 3, 4, 5, 1]
    assert values(batches, "x") == [0, 1, 2, 3, 4, 5, None]
    assert [int(time) for batch in batches for time in batch.event_time_us] == [0, 1, 2, 3, 4, 5, 99]
    assert [batch.deleted is not None for batch in batches] == [False, False, True]
    assert np.array_equal(batches[-1].deleted, [True])


def test_an_interval_leaves_rows_out(folder):
    """By event time, marks included."""
    batches = list(read(folder, (KEY, X), Interval(2, 99)))
    assert values(batches, "id") == [2, 3, 4, 5]
    assert all(batch.deleted is None for batch in batches)


def test_a_field_that_rows_lack_is_null_or_left_to_its_default(folder):
    """By name and type, as in the online store."""
    batches = list(read(folder, (KEY, X, Column("y", String))))
    assert values(batches, "y") == [None] * 3 + ["y3", "y4", "y5", None]
    optional = list(read(folder, (KEY, X, Column("y", String, optional=True))))
    assert [[column.name for column in batch.columns] for batch in optional] == [
        ["id", "x"],
        ["id", "x", "y"],
        ["id", "x"],
    ]
    other = list(read(folder, (KEY, Column("x", String))))
    assert values(other, "x") == [None] * 7


def test_a_view_that_was_never_pushed_has_no_log(folder, tmp_path):
    """Nor has one whose folder is empty."""
    assert has_log(folder)
    assert not has_log(tmp_path / "log" / "other")
    assert open_log(tmp_path / "log" / "other", SourceColumns("other", (KEY,), EVENT_TIME, CREATED_TIME)) == ()
