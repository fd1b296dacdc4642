"""Entries of the outbox: what goes in comes out, in parts that are not too large."""

import json
import struct

import pytest
from hotrow.codec.logged import decode_entry, describe_view, described_view, encode_entries
from hotrow.errors import Code, HotrowError
from hypothesis import given
from hypothesis import strategies as st
from support.schema import view as feature_view

VIEW = feature_view({"id": "int64", "name": "string"}, {"x": "bool"})
ROW = struct.pack("<IBBH8s", 36, 1, 0, 0, b"schema_1") + struct.pack(">QQ", 5 + 2**63, 9 + 2**63) + b"csum"
PAIRS = st.lists(st.tuples(st.binary(max_size=480), st.binary(max_size=300)), max_size=20)


def pairs_of(entry):
    """The keys and rows of an entry, one by one."""
    keys, rows, pairs = entry.keys, entry.rows, []
    for key_length, row_length in zip(entry.key_lengths.tolist(), entry.row_lengths.tolist(), strict=True):
        pairs.append((keys[:key_length], rows[:row_length]))
        keys, rows = keys[key_length:], rows[row_length:]
    assert not keys
    assert not rows
    return pairs


@given(PAIRS)
def test_pairs_come_back_in_order(pairs):
    """All but those without a row, under the view and its description."""
    entries = encode_entries(b"view-one", b"about it", [key for key, _ in pairs], [row for _, row in pairs])
    decoded = [decode_entry(entry) for entry in entries]
    assert [pair for entry in decoded for pair in pairs_of(entry)] == [pair for pair in pairs if pair[1]]
    assert {(entry.view_id, entry.description) for entry in decoded} <= {(b"view-one", b"about it")}


def test_a_large_push_is_some_entries():
    """Each of some 256 KiB; a row larger than that is in one."""
    rows = [ROW + bytes(1000)] * 1000 + [ROW + bytes(1 << 20)] + [ROW]
    entries = encode_entries(b"view-one", b"{}", [b"%d" % number for number in range(len(rows))], rows)
    assert len(entries) == 5
    assert [pair for entry in entries for pair in pairs_of(decode_entry(entry))] == [
        (b"%d" % number, row) for number, row in enumerate(rows)
    ]
    assert all(len(entry) < 300_000 for entry in entries[:3])


def test_an_entry_tells_its_schema_and_its_time():
    """Those of its first row."""
    [entry] = encode_entries(b"view-one", b"{}", [b""], [ROW])
    assert (decode_entry(entry).fingerprint, decode_entry(entry).created_us) == (b"schema_1", 9)


def test_the_description_is_the_view_and_its_keys():
    """In the order of the names, which is that of an encoded key."""
    name, keys = described_view(describe_view(VIEW))
    assert (name, keys) == (VIEW.name, VIEW.join_keys)
    assert json.loads(describe_view(VIEW))["keys"] == [["id", "Int64"], ["name", "String"]]


@pytest.mark.parametrize("change", [lambda e: e[:-1], lambda e: e + b"x", lambda e: b"\2" + e[1:], lambda _: b"short"])
def test_another_format_is_refused(change):
    """An entry of a newer version, or what is none, is not taken for rows."""
    [entry] = encode_entries(b"view-one", b"{}", [b"k"], [ROW])
    with pytest.raises(HotrowError, match="format") as refusal:
        decode_entry(change(entry))
    assert refusal.value.code is Code.FAILED_PRECONDITION
