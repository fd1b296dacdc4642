"""Units that sources and entity rows state themselves: another one than the schema's is refused before work starts."""

from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import Code, Field, Float64, HotrowError, Int64
from hotrow.offline.entity_rows import EntityColumns
from hotrow.offline.frame import open_frame
from hotrow.offline.parquet import open_parquet
from hotrow.offline.source import Column, SourceColumns
from hotrow.offline.stated_unit import check_stated_unit, stated_unit

AT = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")


def _field(unit):
    return pa.field("price", pa.float64(), metadata=None if unit is None else {"unit": unit})


@pytest.mark.parametrize(
    ("stated", "declared"), [(None, "USD"), ("", "USD"), ("USD", "USD"), (None, ""), ("km/h", "km/h")]
)
def test_a_unit_that_agrees_or_is_not_stated_passes(stated, declared):
    """Byte for byte."""
    check_stated_unit("x.parquet", _field(stated), declared)


@pytest.mark.parametrize(
    ("stated", "declared", "told"),
    [
        ("SEK", "USD", "states the unit 'SEK', and the schema has 'USD': another currency; convert the values"),
        ("mile/hour", "km/h", "another unit of the same thing, 1.60934 times 'km/h'; convert the values"),
        ("kilometer/hour", "km/h", "the same unit written otherwise; write it so"),
        ("m", "", "states the unit 'm', and the schema has none for it"),
        ("€", "EUR", "no unit that hotrow reads"),
    ],
)
def test_another_unit_is_refused_with_what_to_do(stated, declared, told):
    """Nothing is converted: whoever wrote the data knows what is in it."""
    with pytest.raises(HotrowError, match=told) as caught:
        check_stated_unit("x.parquet", _field(stated), declared)
    assert caught.value.code is Code.INVALID
    assert caught.value.message.startswith("x.parquet: column 'price' ")


def test_a_source_is_refused_when_it_is_opened(tmp_path):
    """Which materialization, training sets and pushes of files do; the file is named."""
    schema = pa.schema([pa.field("id", pa.int64()), _field("SEK"), pa.field("at", TIME)])
    pq.write_table(pa.table({"id": [1], "price": [9.5], "at": [AT]}, schema=schema), tmp_path / "a.parquet")
    wanted = (Column("id", Int64, key=True), Column("price", Float64, "USD"))
    with pytest.raises(HotrowError, match=r"view prices: .*a\.parquet: column 'price' states the unit 'SEK'"):
        open_parquet(tmp_path / "a.parquet", SourceColumns("prices", wanted, "at"))
    kronor = (wanted[0], Column("price", Float64, "SEK"))
    assert open_parquet(tmp_path / "a.parquet", SourceColumns("prices", kronor, "at")).parts


def test_request_data_in_entity_rows_are_checked_too():
    """What transforms take of a caller, in Arrow and in pandas; a column that nobody asks for may state anything."""
    columns = EntityColumns("the entity frame", (), "at", (Field("price", Float64, unit="USD"),))
    schema = pa.schema([_field("SEK"), pa.field("at", TIME), pa.field("weight", pa.float64(), metadata={"unit": "kg"})])
    table = pa.table({"price": [1.0], "at": [AT], "weight": [2.0]}, schema=schema)
    frame = pd.DataFrame({"price": [1.0], "at": [AT], "weight": [2.0]})
    frame.attrs["hotrow.units"] = {"price": "SEK", "weight": "kg"}
    for entities in (table, frame):
        read = open_frame(entities).table(["price", "at"])
        assert stated_unit(read.schema.field("price")) == "SEK"
        with pytest.raises(HotrowError, match="the entity frame: column 'price' states the unit 'SEK'"):
            columns.check_types(read.schema)
    frame.attrs["hotrow.units"] = {"price": "USD"}
    columns.check_types(open_frame(frame).table(["price", "at"]).schema)


@pytest.mark.parametrize("attrs", [{}, {"hotrow.units": None}, {"hotrow.units": {1: "SEK", "price": 5}}])
def test_odd_attrs_state_nothing(attrs):
    """They are the caller's, and may hold anything."""
    frame = pd.DataFrame({"price": [1.0]})
    frame.attrs = attrs
    assert open_frame(frame).units == {}


def test_units_of_a_pandas_frame_stay_beside_those_of_its_features():
    """So that a training set is whole, and may be an entity frame again."""
    frame = pd.DataFrame({"price": [1.0]})
    frame.attrs["hotrow.units"] = {"price": "USD"}
    features = pa.table({"fare": [2.0]}, schema=pa.schema([pa.field("fare", pa.float64(), metadata={"unit": "SEK"})]))
    assert open_frame(frame).attach(features).attrs["hotrow.units"] == {"price": "USD", "fare": "SEK"}
