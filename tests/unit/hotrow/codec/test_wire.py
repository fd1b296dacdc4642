"""Requests are read as protobuf reads them, in whatever valid encoding, and refused where protobuf refuses them."""

import random

import pytest
from google.protobuf.message import DecodeError
from hotrow.codec.wire import MAX_ROWS, parse_message, scan_request
from hotrow.errors import Code, HotrowError
from hotrow.v1.column_pb2 import Column
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesRequest
from hypothesis import given
from hypothesis import strategies as st
from reference.column import TYPES, column
from support import strategies
from support.codec import PUSH, READ, push_rows, read_keys
from support.encoding import encodings, field, unknown, varint
from support.schema import view as feature_view

ONE = {"string": "hé", "bytes": b"\0\xff", "bool": True}
VIEW = feature_view({"id": "int64"}, {type_: type_ for type_ in TYPES}, units={"float64": "SEK"})
COLUMNS = [column("id", "int64", [1, 2])] + [
    column(type_, type_, [[one, one], []] if type_.endswith("_list") else [one, None])
    for type_ in TYPES
    for one in [ONE.get(type_.removesuffix("_list"), 7)]
]
REQUEST = PushFeaturesRequest(view="stats", rows=COLUMNS, event_time_us=[5, 6], request_id="r", atomic=True)
SOUND = REQUEST.SerializeToString()


def outcome(data):
    """Keys, rows and refusals of a push; None where it is refused whole, which is INVALID."""
    try:
        encoded = push_rows(VIEW, data)
    except HotrowError as error:
        return None if error.code is Code.INVALID else error
    return encoded.keys(), encoded.rows(), encoded.refused()


def assert_as_protobuf_reads_it(data):
    """The same outcome as that of the message in protobuf's own encoding; none where protobuf refuses the bytes."""
    message = PushFeaturesRequest()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        if "UTF-8" not in str(error):  # strings are checked one by one, and refuse their row
            assert outcome(data) is None
        else:
            outcome(data)
        return
    message.DiscardUnknownFields()
    assert outcome(data) == outcome(message.SerializeToString(deterministic=True))


@given(st.data())
def test_any_valid_encoding_is_read_alike(data):
    """Split and unpacked fields, fields in other order, unknown ones, varints that are longer than they need to be."""
    schema = data.draw(st.dictionaries(strategies.names, strategies.types, min_size=1, max_size=5))
    n = data.draw(st.integers(1, 3))
    rows = data.draw(strategies.rows_of(schema, n))
    message = PushFeaturesRequest(rows=[column("id_", "int64", list(range(n)))], event_time_us=range(n), view="v")
    message.rows.extend(column(name, type_, [row[name] for row in rows]) for name, type_ in schema.items())
    view = feature_view({"id_": "int64"}, schema)
    encoded = data.draw(encodings(message))
    parsed = PushFeaturesRequest.FromString(encoded)
    parsed.DiscardUnknownFields()
    assert parsed.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)
    assert push_rows(view, encoded).rows() == push_rows(view, message).rows()


@pytest.mark.parametrize("piece", unknown())
def test_unknown_fields_are_passed_over(piece):
    """In the request, in a column and in its values."""
    values = field(1, (5).to_bytes(8, "little")) + piece
    whole = field(4, field(1, b"id") + piece + field(4, values)) + piece
    assert read_keys({"id": "int64"}, whole) == read_keys(
        {"id": "int64"}, GetOnlineFeaturesRequest(entities=[column("id", "int64", [5])])
    )


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (b"\x0a\x03\x01\x02\x00", [True, True, False]),
        (b"\x0a\x0c\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01", [True, False, True]),
        (b"\x08\x80\x01\x08\x00", [True, False]),
        (b"\x0a\x02\x80\x00", [False]),
    ],
)
def test_bools_of_any_varint(values, wanted):
    """Everything but 0 is true."""
    assert list(Column.FromString(field(6, values)).bool.values) == wanted
    data = field(4, field(1, b"k") + field(6, values))
    keys = [bytes([4, value]) for value in wanted]
    assert read_keys({"k": "bool"}, data) == keys


def test_the_last_of_two_kinds_of_values_counts():
    """A oneof that is set twice; and two parts of one kind are put together."""
    text, number = field(7, field(1, b"x")), field(4, field(1, (7).to_bytes(8, "little")))
    assert len(read_keys({"k": "int64"}, field(4, field(1, b"k") + text + number))) == 1
    assert len(read_keys({"k": "int64"}, field(4, field(1, b"k") + number + number))) == 2
    assert len(read_keys({"k": "int64"}, field(4, field(1, b"other") + number + field(1, b"k")))) == 1


def test_truncated_at_every_offset():
    """Never a crash, and never another reading than protobuf's."""
    for end in range(len(SOUND)):
        assert_as_protobuf_reads_it(SOUND[:end])


def test_mutated_bytes():
    """Bytes changed, put in, taken out and moved."""
    chance = random.Random(5)
    for _ in range(3000):
        data = bytearray(SOUND)
        for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
            at = chance.randrange(len(data))
            match chance.randrange(5):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    data[at] ^= 1 << chance.randrange(8)
                case 2:
                    del data[at : at + chance.randrange(1, 9)]
                case 3:
                    data[at:at] = chance.choice(
                        [b"\x80", b"\xff", b"\xff" * 9, b"\0", varint(-1), varint(2**63), b"\x0a"]
                    )
                case 4:
                    start = chance.randrange(len(data))
                    data[at:at] = data[start : start + chance.randrange(12)]
            data = data or bytearray(b"\0")
        assert_as_protobuf_reads_it(bytes(data))


@given(st.binary(max_size=60))
def test_random_bytes(data):
    """As a request, as a column, as values of each kind."""
    assert_as_protobuf_reads_it(data)
    assert_as_protobuf_reads_it(SOUND + data)
    assert_as_protobuf_reads_it(SOUND + field(4, data))
    for number in range(2, 18):
        assert_as_protobuf_reads_it(field(4, field(1, b"id") + field(number, data)))


HOSTILE = [1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) - 1, 1 << 35, 1 << 62, 1 << 63, (1 << 63) - 1, (1 << 64) - 1]


@pytest.mark.parametrize("number", HOSTILE)
def test_hostile_lengths_and_tags(number):
    """Lengths and tags that overflow 32 or 64 bits, at every level of a request."""
    for bad in (varint(number), varint(number << 3 | 2), varint(number << 3 | 1), varint(number << 3)):
        for payload in (b"", bytes(8), bytes(200)):
            for piece in (bad + payload, b"\x0a" + bad + payload, b"\x12" + bad + payload, b"\x2a" + bad + payload):
                assert_as_protobuf_reads_it(piece)
                assert_as_protobuf_reads_it(SOUND + piece)
                assert_as_protobuf_reads_it(field(4, piece))
                for kind in (2, 4, 7, 8, 10, 15):
                    assert_as_protobuf_reads_it(field(4, field(1, b"id") + field(kind, piece)))
                    assert_as_protobuf_reads_it(field(4, field(1, b"id") + field(kind, field(1, b"") + piece)))


@pytest.mark.parametrize("number", HOSTILE)
@pytest.mark.parametrize("wire", [0, 1, 2, 5])
@pytest.mark.parametrize("of", [5, 8])
def test_volatile_fields_of_another_wire_type_are_unknown(number, wire, of):
    """Their value was taken for an offset once."""
    rows = b"".join(field(4, one.SerializeToString()) for one in COLUMNS)
    payload = varint(number) if wire == 0 else bytes(8)[: {1: 8, 2: 0, 5: 4}[wire]] + (b"\0" if wire == 2 else b"")
    assert_as_protobuf_reads_it(rows + varint(of << 3 | wire) + payload)
    assert_as_protobuf_reads_it(rows + varint(of << 3 | wire) + varint(1 << 50)[:8])


def test_lengths_of_texts_that_are_longer_than_they_need_to_be_are_not_stored():
    """A row has one form, whatever the encoding that it came in."""
    view = feature_view({"id": "int64"}, {"l": "string_list", "s": "string"})
    columns = [column("id", "int64", [1]), column("l", "string_list", [["ab"]]), column("s", "string", ["cd"])]
    plain = b"".join(field(4, one.SerializeToString()) for one in columns[:1])
    longer = plain + field(4, field(1, b"l") + field(15, b"\x0a" + varint(2, extra=2) + b"ab" + field(2, b"\1")))
    longer += field(4, field(1, b"s") + field(7, varint(10, extra=1) + b"\2cd"))
    assert push_rows(view, longer).rows() == push_rows(view, PushFeaturesRequest(rows=columns)).rows()


def test_a_selection_is_the_bytes_of_all_fields_but_columns_and_volatile_ones():
    """So that a plan is found by them; in other encodings, too."""
    request = GetOnlineFeaturesRequest(project="p", feature_service="s", snapshot="head", min_token=b"t")
    selected = GetOnlineFeaturesRequest(project="p", feature_service="s", snapshot="head")
    request.entities.add(name="k").int64.values.append(1)
    scanned = scan_request(request.SerializeToString(), READ)
    assert scanned.selection == selected.SerializeToString(deterministic=True)
    assert scanned.bytes_field(8) == b"t"
    assert (scanned.has_group(4), scanned.has_group(5)) == (True, False)
    scattered = b"".join(
        field(4, b"\x0a\x01k") + part for part in (field(6, b"head"), field(3, b"s"), field(1, b"q"), field(1, b"p"))
    )
    assert scan_request(scattered, READ).selection == selected.SerializeToString(deterministic=True)


def test_a_request_may_have_4096_columns():
    """One more is refused, before anything is made of it."""
    columns = [column(f"c{i}", "bool", [True]) for i in range(4096)]
    assert len(scan_request(PushFeaturesRequest(rows=columns).SerializeToString(), PUSH).columns) == 4096
    assert len(scan_request(PushFeaturesRequest(rows=columns[:70]).SerializeToString(), PUSH).columns) == 70
    with pytest.raises(HotrowError, match="PushFeaturesRequest has more than 4096 columns") as caught:
        scan_request(PushFeaturesRequest(rows=columns + columns[:904]).SerializeToString(), PUSH)
    assert caught.value.code is Code.INVALID


def test_a_request_may_have_a_million_rows():
    """A row can be a byte of the request, and takes far more where it is worked on."""
    for rows, fits in ((MAX_ROWS, True), (MAX_ROWS + 1, False)):
        data = field(4, field(1, b"k") + field(6, field(1, b"\1" * rows)))
        if fits:
            assert scan_request(data, PUSH).rows == MAX_ROWS
        else:
            with pytest.raises(HotrowError, match=f"PushFeaturesRequest has {rows} rows, more than {MAX_ROWS}"):
                scan_request(data, PUSH)


def test_bytes_that_are_no_message_are_refused_by_name():
    """INVALID, with the name of the message."""
    with pytest.raises(HotrowError, match="not a valid PushFeaturesRequest: the bytes cannot be parsed"):
        scan_request(b"\xff\xff", PUSH)
    with pytest.raises(HotrowError, match="not a valid GetOnlineFeaturesRequest"):
        parse_message(GetOnlineFeaturesRequest, b"\x0a\x01\xff")


def test_what_a_thread_scanned_before_is_not_seen_again():
    """The tables of a thread serve one request after another."""
    assert scan_request(SOUND, PUSH).rows == 2
    scanned = scan_request(b"", PUSH)
    assert (scanned.rows, len(scanned.columns), scanned.selection, scanned.bytes_field(8)) == (0, 0, b"", b"")
