"""Parquet sources."""

from pathlib import Path

import pytest
from hotrow import HotrowError, ParquetSource
from hotrow.schema.source import source_from_document


def test_round_trip_and_paths():
    """A path object and its text are the same source."""
    source = ParquetSource(Path("data") / "x.parquet", event_time="t", created_time="c")
    assert source == ParquetSource("data/x.parquet", event_time="t", created_time="c")
    assert source_from_document(source.document()) == source
    assert "created_time" not in ParquetSource("x", event_time="t").document()


@pytest.mark.parametrize(
    ("path", "event_time", "created_time"),
    [("", "t", ""), ("x", "", ""), ("x", "t", "t"), (7, "t", ""), ("x", None, ""), ("x", "t", None)],
)
def test_slips_are_refused(path, event_time, created_time):
    """Each names the source."""
    with pytest.raises(HotrowError, match=r"^ParquetSource "):
        ParquetSource(path, event_time=event_time, created_time=created_time)


def test_source_of_another_kind():
    """A registry written by a later version is recognised as such."""
    with pytest.raises(HotrowError, match="unknown type of source 'kafka'"):
        source_from_document({"type": "kafka", "topic": "x"})
