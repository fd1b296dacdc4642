"""Rows whose bytes are damaged are never read as a value: they are told, by view and row."""

import pytest
from hotrow.codec.lookup import rows_from_list
from hotrow.codec.response import RowFaultError, write_response
from hotrow.codec.row import FAULTS, created_time_us, event_time_us, fingerprint, is_tombstone, verify_row
from hypothesis import given
from hypothesis import strategies as st
from reference import row as twin
from reference.column import TYPES
from reference.reply import Asked, AskedView, StoredRow, reply
from support import strategies
from support.codec import NOW_US, plan_of, stored_rows

ONE = {"string": "héllo", "bytes": b"\0\xffx", "bool": True}
SCHEMA = {f"f_{type_}": type_ for type_ in TYPES}
VALUES = {
    f"f_{type_}": [one, one] if type_.endswith("_list") else one
    for type_ in TYPES
    for one in [ONE.get(type_.removesuffix("_list"), 7)]
}
VIEW = AskedView("a", SCHEMA, [StoredRow(VALUES, NOW_US)] * 3, defaults={"f_int64": 3})
ASKED = Asked([(name, VIEW, name) for name in SCHEMA], "s", NOW_US)
ROW = stored_rows(VIEW)[0]
PLAN = plan_of(ASKED)


def outcome(rows):
    """The reply, or the row that is told to be broken."""
    try:
        return write_response(PLAN, rows_from_list(rows), len(rows), NOW_US)
    except RowFaultError as fault:
        return fault.view, fault.row


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_byte_that_flips_is_seen(mask):
    """Any byte, in the middle row."""
    for at in range(len(ROW)):
        broken = bytearray(ROW)
        broken[at] ^= mask
        assert outcome([ROW, bytes(broken), ROW]) == (0, 1)
        assert verify_row(bytes(broken)) is not None


def test_a_row_that_is_cut_off_is_seen():
    """At every length, as the only row, the first and the last; so is a row with bytes behind its end."""
    for length in range(1, len(ROW)):
        cut = ROW[:length]
        assert outcome([cut]) == outcome([cut, ROW]) == (0, 0)
        assert outcome([ROW, cut]) == (0, 1)
    assert outcome([ROW, ROW + b"\0", ROW]) == (0, 1)
    assert outcome([ROW + bytes(4)]) == (0, 0)


@pytest.mark.parametrize("stated", [0, 1, 3, 4, 35, 36, len(ROW) - 1, len(ROW) + 1, 2 * len(ROW), 2**31 - 1, 2**32 - 1])
def test_a_length_that_lies_is_told_at_its_row(stated):
    """Also one that leads into the rows behind it, or past them all."""
    lie = stated.to_bytes(4, "little") + ROW[4:]
    assert outcome([ROW, lie, ROW]) == (0, 1)
    assert outcome([lie]) == (0, 0)
    assert outcome([bytes(len(ROW)), ROW, lie]) == (0, 0)


def test_a_broken_row_does_not_lead_the_defaults_astray():
    """Rows of an older schema before it read their defaults from elsewhere."""
    old = {"f_bool": "bool"}
    rows = stored_rows(AskedView("a", SCHEMA, [StoredRow({"f_bool": True}, NOW_US, schema=old)] * 2))
    view = AskedView("a", SCHEMA, [StoredRow({"f_bool": True}, NOW_US, schema=old)], defaults={"f_string": "d" * 100})
    plan = plan_of(Asked([(name, view, name) for name in SCHEMA], "s", NOW_US))
    for stated in (2**32 - 1, 2**31, 5000):
        lie = stated.to_bytes(4, "little") + rows[1][4:]
        with pytest.raises(RowFaultError) as caught:
            write_response(plan, rows_from_list([rows[0], lie]), 2, NOW_US)
        assert (caught.value.view, caught.value.row) == (0, 1)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_row_are_no_row(data):
    """Whatever stands where a row should."""
    if data:
        assert outcome([ROW, data, ROW]) == (0, 1)
    assert verify_row(data) in set(FAULTS.values()) - {""}


@given(st.data())
def test_a_sound_frame_around_a_body_that_does_not_fit_never_crashes(data):
    """A checksum that agrees with bytes no encoder writes: a fault of that row, or some reply."""
    body = bytearray(ROW[32:-4])
    for at in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=6)):
        body[at] = data.draw(st.integers(0, 255))
    body = bytes(body)[: data.draw(st.none() | st.integers(0, len(body)))]
    framed = twin._framed(body, flags=0, fingerprint=fingerprint(ROW), times=(NOW_US, 0))
    assert outcome([ROW, framed, ROW]) == (0, 1) or isinstance(outcome([framed]), bytes)


@given(st.data())
def test_a_row_is_what_the_twin_reads(data):
    """The twins of encoder and decoder are inverse, so that either can judge the kernels."""
    schema = data.draw(strategies.schemas)
    [values] = data.draw(strategies.rows_of(schema, 1))
    times = {"event_us": data.draw(strategies.INT64), "created_us": data.draw(strategies.INT64)}
    row = twin.encode_row(schema, values, fingerprint=twin.fingerprint(schema), **times)
    assert repr(twin.decode_row(row, schema)) == repr({name: values[name] for name in sorted(values)})
    assert (event_time_us(row), created_time_us(row)) == tuple(times.values())
    assert (fingerprint(row), is_tombstone(row), verify_row(row)) == (twin.fingerprint(schema), False, None)


def test_versions_compare_as_times_do():
    """As bytes: event time first, then created time, negative ones too."""
    times = [-(2**63), -1, 0, 1, 2**63 - 1]
    rows = [
        twin.encode_tombstone(fingerprint=bytes(8), event_us=event_us, created_us=created_us)
        for event_us in times
        for created_us in times
    ]
    assert [row[16:32] for row in rows] == sorted(row[16:32] for row in rows)
    assert all(is_tombstone(row) and verify_row(row) is None for row in rows)


def test_the_sound_row_is_read():
    """What the damage above is done to is no damage itself."""
    assert outcome([ROW, ROW, ROW]) == reply(ASKED)
