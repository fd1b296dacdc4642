"""Kernels run without bounds checks: they must stay within their buffers whatever they are given.

Every buffer that a kernel writes is allocated between two guards here, as large as the codec asks for and not a byte
more, and the guards are looked at after each call. Rows are read at the very end of a mapping: one byte behind them is
a page that may not be read.
"""

import contextlib
import ctypes
import mmap
import random

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hotrow.codec import entity, pushed, response
from hotrow.codec.column import decode_column
from hotrow.codec.logged import decode_entry, describe_view, encode_entries
from hotrow.codec.lookup import Rows, rows_from_list
from hotrow.errors import HotrowError
from hotrow.offline.row_log.table import log_table
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.column import TYPES, column
from reference.key import encode_key
from reference.reply import Asked, AskedView, StoredRow, reply
from reference.xxh64 import xxh64
from support import strategies
from support.codec import NOW_US, kernel_reply, plan_of, push_rows, read_keys, stored_rows
from support.encoding import encodings, field, varint
from support.schema import view as feature_view

GUARD, PATTERN = 4096, 0xA5


class Guarded:
    """NumPy as the codecs see it, whose new arrays stand between guards."""

    def __init__(self):
        self.whole = []

    def __getattr__(self, name):
        return getattr(np, name)

    def empty(self, shape, dtype):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        whole = np.full(size + 2 * GUARD, PATTERN, np.uint8)
        self.whole.append(whole)
        return whole[GUARD : GUARD + size].view(dtype).reshape(shape)

    def zeros(self, shape, dtype):
        array = self.empty(shape, dtype)
        array[...] = 0
        return array

    def check(self):
        for whole in self.whole:
            assert np.all(whole[:GUARD] == PATTERN)
            assert np.all(whole[-GUARD:] == PATTERN)
        self.whole.clear()


@pytest.fixture(scope="module")
def guarded():
    """Guards around what entity, pushed and response allocate; a thread keeps no buffers between replies."""
    shim, patch = Guarded(), pytest.MonkeyPatch()
    for module in (entity, pushed, response):
        patch.setattr(module, "np", shim)
    patch.setattr(response, "_KEPT_BYTES", -1)
    patch.setattr(response._buffers, "scratch", np.empty(0, np.int64))
    patch.setattr(response._buffers, "out", np.empty(0, np.uint8))
    yield shim
    patch.undo()


def pushes(view, data, guarded):
    try:
        return push_rows(view, data)
    except HotrowError:
        return None
    finally:
        guarded.check()


def test_the_guards_see_a_write_outside():
    """Else all of this would pass for nothing: a buffer that is too small by far is written past its end."""
    short = Guarded()
    short.empty = lambda shape, dtype: Guarded.empty(short, 100 if dtype is np.uint8 else shape, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entity, "np", short)
        read_keys({"k": "bytes"}, GetOnlineFeaturesRequest(entities=[column("k", "bytes", [b"\0" * 200])]))
        with pytest.raises(AssertionError):
            short.check()


WORST = {
    "zeros": ({"k": "bytes"}, {"x": "bool"}, "bytes", [b"\0" * 239] * 50),
    "long keys": ({"k": "bytes"}, {"x": "bool"}, "bytes", [b"\0" * 480, b"x" * 480, b"\0" * 481] * 20),
    "texts": ({"k": "string"}, {"x": "bool"}, "string", ["\0" * 100 + "é" * 50] * 50),
}


@pytest.mark.parametrize("case", WORST)
def test_keys_that_grow_most(guarded, case):
    """A zero byte of a key takes two; keys that turn out to be too long were written by then."""
    keys, schema, type_, values = WORST[case]
    columns = [column("k", type_, values), column("x", "bool", [True] * len(values))]
    pushes(feature_view(keys, schema), PushFeaturesRequest(rows=columns), guarded)
    for some in (values, values[:1], values[-1:]):
        with contextlib.suppress(HotrowError):
            read_keys(keys, GetOnlineFeaturesRequest(entities=[column("k", type_, some)]))
        assert guarded.whole
        guarded.check()


@pytest.mark.parametrize("wanted", [type_ for type_ in TYPES if type_.endswith("_list")])
@pytest.mark.parametrize("length", [0, 1, 3, 1000])
def test_lists_that_grow_most(guarded, wanted, length):
    """Of every type that may be given for another, all of it in one row, and spread over many."""
    element = {"string": "", "bytes": b"", "bool": True}.get(wanted.removesuffix("_list"), 1)
    for source in {wanted, "int32_list", "float32_list", "int64_list", "float64_list"}:
        one = element if source == wanted else 1
        for rows in ([[one] * length], [[one] * length, None, [], [one]], [[one]] * length):
            columns = [column("k", "bool", [True] * len(rows)), column("l", source, rows)]
            pushes(feature_view({"k": "bool"}, {"l": wanted}), PushFeaturesRequest(rows=columns), guarded)


def test_rows_that_are_refused_or_null_write_within_the_buffer(guarded):
    """Their bytes are written, and given up, before the next row."""
    view = feature_view({"k": "bytes"}, {"l": "int32_list", "s": "string", "t": "string_list"})
    columns = [
        column("k", "bytes", [b"\0" * 480, b"", b"\0" * 240, None] * 5),
        column("l", "int64_list", [[1] * 99 + [2**40], None, [2**40], [1]] * 5),
        column("s", "string", ["x" * 300, "y" * 300, "", "z"] * 5, statuses=[2, 1, 2, 1] * 5),
        column("t", "string_list", [["x"] * 50, None, ["", "yy"], []] * 5),
    ]
    for extra in ([], [NOW_US + 10**7] * 20):
        assert pushes(view, PushFeaturesRequest(rows=columns, event_time_us=extra), guarded) is not None


def test_many_defaults(guarded):
    """A push that leaves everything out writes far more than it sent."""
    schema = {f"f{i}": type_ for i, type_ in enumerate(TYPES)}
    one = {"string": "é" * 99, "bytes": b"\0" * 99, "bool": True}
    defaults = {
        name: [one.get(type_.removesuffix("_list"), 7)] * 50 if type_.endswith("_list") else one.get(type_, 7)
        for name, type_ in schema.items()
    }
    view = feature_view({"k": "bool"}, schema, defaults=defaults)
    assert pushes(view, PushFeaturesRequest(rows=[column("k", "bool", [True] * 100)]), guarded) is not None
    rows = [StoredRow({"gone": 1}, NOW_US, schema={"gone": "int64"})] * 20
    stored = AskedView("a", schema, rows, defaults=defaults)
    read = Asked([(name, stored, name) for name in schema], "s", NOW_US)
    assert kernel_reply(read) == reply(read)
    guarded.check()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.data())
def test_any_push_in_any_encoding(guarded, data):
    """With columns that agree with the view or not, and bytes changed here and there."""
    schema = data.draw(strategies.schemas)
    n = data.draw(st.integers(0, 4))
    message = PushFeaturesRequest(event_time_us=data.draw(st.sampled_from([[], list(range(n)), [1, 2]])))
    message.rows.add().CopyFrom(column("k_", "bytes", [b"\0" * (100 * row) for row in range(n)]))
    for name, type_ in schema.items():
        sent = data.draw(st.just(type_) | strategies.types)
        message.rows.append(column(name, sent, [data.draw(strategies.nullable(sent)) for _ in range(n)]))
    encoded = bytearray(data.draw(encodings(message)))
    for at in data.draw(st.lists(st.integers(0, max(0, len(encoded) - 1)), max_size=3)):
        encoded[at : at + 1] = data.draw(st.sampled_from([b"\xff", b"\x80", b"\0", b"", varint(2**63), varint(-1)]))
    pushes(feature_view({"k_": "bytes"}, schema), bytes(encoded), guarded)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_any_reply_fits(guarded, data):
    """Strings of lengths around which varints grow; nulls; matrices; the buffer is as large as the codec computes."""
    schema = data.draw(strategies.schemas)
    rows = [StoredRow(one, NOW_US) for one in data.draw(strategies.rows_of(schema, data.draw(st.integers(0, 4))))]
    view = AskedView("a", schema, rows, units=dict.fromkeys(schema, "°" * 32))
    read = Asked([(name, view, name) for name in schema], "s" * 64, NOW_US, event_timestamps=True)
    assert kernel_reply(read) == reply(read)
    guarded.check()


def test_columns_whose_counts_disagree(guarded):
    """More columns than the view, fewer values than rows, lengths that promise more than there is."""
    chance = random.Random(3)
    view = feature_view({"k": "int64"}, {"a": "int64_list", "s": "string_list", "x": "float32", "t": "string"})
    for _ in range(500):
        n = chance.randrange(4)
        parts = [field(1, bytes(8 * chance.choice([n, 0, 100]))), field(2, b"".join(_lengths(chance, n)))]
        texts = b"".join(field(1, b"x" * chance.randrange(3)) for _ in range(n))
        whole = [
            field(4, field(1, b"k") + field(4, field(1, bytes(8 * n)))),
            field(4, field(1, b"a") + field(12, b"".join(parts)) + field(19, b"\1" * chance.choice([0, n, 99]))),
            field(4, field(1, b"s") + field(16, texts + parts[1])),
            field(4, field(1, b"x") + field(3, field(1, bytes(4 * chance.choice([n, n, 0]))))),
            field(4, field(1, b"t") + field(7, texts)),
            field(5, bytes(8 * chance.choice([0, n, 1, 50]))),
        ]
        pushes(view, b"".join(chance.sample(whole, chance.randrange(1, 7))), guarded)


def _lengths(chance, n):
    return [varint(chance.choice([0, 1, n, 2**31, 2**32 - 1, 2**63, 2**64 - 1])) for _ in range(n)]


@pytest.fixture
def at_the_end_of_a_page():
    """Gives arrays behind whose last byte lies a page that may not be read."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = mmap.PAGESIZE
    region = mmap.mmap(-1, 17 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    assert libc.mprotect(start + 16 * page, page, mmap.PROT_READ & 0) == 0
    whole = np.frombuffer(region, np.uint8)

    def place(data: bytes):
        there = whole[16 * page - len(data) : 16 * page]
        there[:] = np.frombuffer(data, np.uint8)
        return there

    yield place
    assert libc.mprotect(start + 16 * page, page, mmap.PROT_READ | mmap.PROT_WRITE) == 0


def test_broken_rows_are_not_read_past_their_end(at_the_end_of_a_page):
    """Rows cut off anywhere, lengths that lie, frames that are sound around nonsense."""
    schema = {f"f{i}": type_ for i, type_ in enumerate(TYPES)}
    one = {"string": "é", "bytes": b"\0", "bool": True}
    values = {
        name: [one.get(type_.removesuffix("_list"), 7)] * 3 if type_.endswith("_list") else one.get(type_, 7)
        for name, type_ in schema.items()
    }
    view = AskedView("a", schema, [StoredRow(values, NOW_US)] * 2)
    plan = plan_of(Asked([(name, view, name) for name in schema], "s", NOW_US))
    first, last = stored_rows(view)

    def placed(*rows):
        there = rows_from_list(rows)
        return Rows(at_the_end_of_a_page(there.data), there.starts)

    for cut in range(1, len(last)):
        for stated in (len(last), cut, 2**32 - 1, 2**31, 36, len(last) + 1):
            broken = (stated.to_bytes(4, "little") + last[4:])[:cut]
            with pytest.raises(response.RowFaultError):
                response.write_response(plan, placed(first, broken), 2, NOW_US)
    assert response.write_response(plan, placed(first, last), 2, NOW_US)


ONE = {"string": "é", "bytes": b"\0", "bool": True}
ALL_TYPES = {f"f{number:02}": type_ for number, type_ in enumerate([*TYPES, *TYPES])}
ALL_VALUES = {
    name: [ONE.get(type_.removesuffix("_list"), 7)] * 3 if type_.endswith("_list") else ONE.get(type_, 7)
    for name, type_ in ALL_TYPES.items()
}


def sealed(row):
    """The row with its length and its checksum made right."""
    row = bytearray(row)
    row[:4] = len(row).to_bytes(4, "little")
    row[-4:] = (xxh64(bytes(row[:-4])) & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(row)


def forged(chance, row):
    """The row with a few words, bytes or stretches of its body changed, and its checksum made right."""
    row = bytearray(row)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(32, len(row) - 4)
        kind = chance.randrange(4)
        if kind == 0:
            row[at : at + 4] = chance.choice([0, 1, 4, 255, len(row), 2**31, 2**32 - 1]).to_bytes(4, "little")
        elif kind == 1:
            row[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            row[at:at] = bytes(chance.randrange(1, 40))
        else:
            del row[at : at + chance.randrange(1, 20)]
        while len(row) < 44:
            row += bytes(4)
    return sealed(row)


def test_a_row_whose_strings_overlap_is_refused(guarded):
    """Every second one is null, and says that it ends where the first began: each of the others is the whole text."""
    schema = {f"t{number:02}": "string" for number in range(40)}
    head = stored_rows(AskedView("a", schema, [StoredRow(dict.fromkeys(schema, "v"), NOW_US)]))[0][:32]
    nulls = bytes([0xAA] * 5)
    ends = b"".join((0 if number % 2 else 200_000).to_bytes(4, "little") for number in range(40))
    row = sealed(head + nulls + ends + b"A" * 200_000 + bytes(4))
    view = AskedView("a", schema, [StoredRow(dict.fromkeys(schema, "v"), NOW_US)])
    plan = plan_of(Asked([(name, view, name) for name in schema], "s", NOW_US))
    with pytest.raises(response.RowFaultError):
        response.write_response(plan, rows_from_list([row]), 1, NOW_US)
    guarded.check()


def test_a_field_may_be_in_several_columns(guarded):
    """The reply then is larger than its rows, and its buffer is too."""
    view = AskedView("a", {"t": "string"}, [StoredRow({"t": "x" * 100_000}, NOW_US)] * 3)
    plan = plan_of(Asked([(f"c{number}", view, "t") for number in range(20)], "s", NOW_US))
    reply_bytes = response.write_response(plan, rows_from_list(stored_rows(view)), 3, NOW_US)
    assert len(reply_bytes) > 20 * 3 * 100_000
    guarded.check()


def test_forged_rows_are_refused_or_decoded(guarded, at_the_end_of_a_page):
    """With right checksums. A reply that is made has every value of its type; no buffer is left."""
    chance = random.Random(11)
    view = AskedView("a", ALL_TYPES, [StoredRow(ALL_VALUES, NOW_US)] * 2)
    plan = plan_of(Asked([(name, view, name) for name in ALL_TYPES], "s", NOW_US))
    few = plan_of(Asked([(name, view, name) for name in list(ALL_TYPES)[::3]], "s", NOW_US))
    first, whole = stored_rows(view)
    outcomes = {"refused": 0, "decoded": 0}
    for _ in range(4000):
        row = forged(chance, whole)
        there = rows_from_list([first, row])
        there = Rows(at_the_end_of_a_page(there.data), there.starts)
        for one in (plan, few):
            try:
                data = response.write_response(one, there, 2, NOW_US)
            except response.RowFaultError:
                outcomes["refused"] += 1
                continue
            finally:
                guarded.check()
            try:
                message = GetOnlineFeaturesReply.FromString(data)
            except DecodeError as error:
                if "UTF-8" not in str(error):  # the one thing that a read leaves to its caller to see
                    raise
                continue
            assert all(len(decode_column(column)) == 2 for column in message.columns)
            outcomes["decoded"] += 1
    assert min(outcomes.values()) > 100, outcomes


def test_forged_rows_are_refused_or_logged():
    """What lies in an outbox is decoded as what a read finds: a damaged entry is an error, and a whole one a table."""
    chance = random.Random(12)
    schema = feature_view({"k_": "string", "n_": "int64"}, ALL_TYPES)
    view = AskedView("a", ALL_TYPES, [StoredRow(ALL_VALUES, NOW_US)])
    key = encode_key([("string", "a\0b"), ("int64", -5)])
    (whole,) = stored_rows(view)
    outcomes = {"refused": 0, "logged": 0}
    for _ in range(3000):
        row = forged(chance, whole) if chance.random() < 0.5 else whole
        (entry,) = encode_entries(b"view-one", describe_view(schema), [key], [row])
        if row is whole:
            entry = bytearray(entry)
            for _ in range(chance.randrange(1, 4)):
                entry[chance.randrange(len(entry))] = chance.randrange(256)
        try:
            table = log_table([decode_entry(bytes(entry))], schema.schema_bytes)
            table.validate(full=True)
            outcomes["logged"] += 1
        except HotrowError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 100, outcomes
