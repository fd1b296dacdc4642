"""Entity rows from CSV: what is text stays text, and numbers are what they say."""

import math

import numpy as np
import pytest
from hotrow import HotrowError
from hotrow.offline.entity_file import open_entity_file
from hotrow.offline.entity_rows import EntityColumns
from hotrow.schema.entity import JoinKey
from hotrow.schema.field import Field
from hotrow.types import Bool, Float32, Float64, Int64, String, UnixTimestamp

REQUEST = (
    Field("km", Float32),
    Field("m", Float64),
    Field("n", Int64),
    Field("late", Bool),
    Field("since", UnixTimestamp),
)
HEAD = "zip,at,km,m,n,late,since,label"
COLUMNS = EntityColumns("rows.csv", (JoinKey("zip", String),), "at", REQUEST)


def _open(path, *rows, head=HEAD, columns=COLUMNS):
    path.write_text("\n".join([head, *rows]) + "\n")
    file = open_entity_file(path, columns, [])
    assert file.check_rows() == len(rows)
    (table,) = file.tables(10**6)
    return table, columns.read(table)


def test_texts_are_what_is_written(tmp_path):
    """A join key and a column that nobody asks for: a zip code, labels that look like nulls, numbers and times."""
    texts = ["00501", "NA", "null", "1e5", "2024-01-01", "true", "", "nan"]
    rows = [f"{text},2024-05-01T00:00:00Z,1,1,1,true,2024-05-01T00:00:00Z,{text}" for text in texts]
    table, entities = _open(tmp_path / "rows.csv", *rows)
    assert entities.keys["zip"].to_pylist() == texts
    assert table.column("label").to_pylist() == texts


def test_what_has_a_type_is_read_as_that(tmp_path):
    """Each number rounded once; NA and nothing are nulls there."""
    twice = str(2**53 + 2**29 + 1)
    rows = [
        f"a,2024-05-01T00:00:00Z,{twice},0.1,{2**53 + 1},true,2024-05-01T00:00:00Z,",
        "a,2024-05-01T00:00:00Z,NA,inf,,false,,",
        "a,2024-05-01T00:00:00Z,-inf,1e-400,NA,,,",
    ]
    _, entities = _open(tmp_path / "rows.csv", *rows)
    request = {name: column.to_pylist() for name, column in entities.request.items()}
    assert request["km"] == [float(np.int64(twice).astype(np.float32)), None, -math.inf]
    assert request["m"] == [0.1, math.inf, 0.0]
    assert request["n"] == [2**53 + 1, None, None]
    assert request["late"] == [True, False, None]
    assert [None if one is None else one.year for one in request["since"]] == [2024, None, None]


@pytest.mark.parametrize(
    ("km", "m", "says"), [("1e39", "1", "'km' in row 1: 1e39"), ("1", "-1e400", "'m' in row 1: -1e400")]
)
def test_a_number_beyond_the_range_is_no_infinity(tmp_path, km, m, says):
    """The call is refused, with the row."""
    rows = [f"a,2024-05-01T00:00:00Z,{a},{b},1,true,2024-05-01,x" for a, b in (("inf", "inf"), (km, m))]
    with pytest.raises(HotrowError, match=f"{says} is beyond the range of the request data"):
        _open(tmp_path / "rows.csv", *rows)


def test_integers_are_no_times(tmp_path):
    """They would be of some unit."""
    with pytest.raises(HotrowError, match="column 'at' does not fit timestamps of the event time: it holds int64"):
        _open(tmp_path / "rows.csv", "a,1704067200", head="zip,at", columns=EntityColumns("x", (), "at"))
