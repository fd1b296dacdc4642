"""A stored row is checked whole: its frame, and its fields against the schema that it names."""

import pytest
from hotrow.codec.row import FAULTS
from hotrow.codec.schema_row import check_stored_row
from reference.reply import AskedView, StoredRow
from reference.xxh64 import xxh64
from support.codec import NOW_US, stored_rows
from support.schema import view as feature_view

SCHEMA = {"b": "bool", "t": "string", "u": "string", "x": "float64_list"}
VIEW = feature_view({}, SCHEMA)
SCHEMAS = {VIEW.fingerprint: VIEW.schema_bytes}
ROW, TOMBSTONE = stored_rows(
    AskedView(
        "a",
        SCHEMA,
        [
            StoredRow({"b": True, "t": "one", "u": None, "x": [1.0]}, NOW_US),
            StoredRow({}, NOW_US, tombstone=True),
        ],
    )
)
TEXT_END, LIST_END = 34, 42  # where they stand in the row


def sealed(row):
    """With a right checksum."""
    return bytes(row[:-4]) + (xxh64(bytes(row[:-4])) & 0xFFFFFFFF).to_bytes(4, "little")


def changed(at, data):
    """The row with other bytes there."""
    return sealed(ROW[:at] + data + ROW[at + len(data) :])


def test_a_whole_row_and_a_tombstone_are_sound():
    """Whatever the schemas that a tombstone's store knows."""
    assert check_stored_row(ROW, SCHEMAS) is None
    assert check_stored_row(TOMBSTONE, {}) is None


def test_a_row_of_a_schema_that_nobody_knows():
    """The store keeps the schema of each row that it has."""
    assert check_stored_row(ROW, {}) == FAULTS[-54]


@pytest.mark.parametrize(
    "row",
    [
        changed(TEXT_END, (4).to_bytes(4, "little")),
        changed(TEXT_END + 4, bytes(4)),
        changed(TEXT_END, (2**32 - 1).to_bytes(4, "little")),
        changed(LIST_END, (9).to_bytes(4, "little")),
        changed(LIST_END + 4, b"\xff\xff\xff"),
        sealed((len(ROW) + 4).to_bytes(4, "little") + ROW[4:] + bytes(4)),
    ],
    ids=["ends fall", "the end of a null falls", "beyond the row", "half a number", "not UTF-8", "bytes left over"],
)
def test_fields_that_disagree_with_the_schema(row):
    """Their checksum is right, so that only the fields themselves can tell."""
    assert check_stored_row(row, SCHEMAS) == FAULTS[-55]


def test_a_damaged_frame():
    """Told before the fields are looked at."""
    assert check_stored_row(ROW[:-1] + bytes([ROW[-1] ^ 1]), SCHEMAS) == FAULTS[-53]
    assert check_stored_row(ROW[:20], SCHEMAS) == FAULTS[-51]
