"""Rows of the view `trips` whose every value follows from key and stamp, so that a reader knows a wrong one.

Producer `p` numbers its pushes `v` = 1, 2, ...; push `v` has the stamp `PRODUCERS * v + p`, and its event time grows
with the stamp. Every fourth push goes to the group of keys that all producers write, the others to the producer's own.
A push writes all keys of its group and one more, its entry in the ledger, which no other push touches.
"""

import struct

from hotrow.codec.key import encode_key
from hotrow.v1.column_pb2 import PRESENT, BytesValues, Column, Float32Lists, Float64s, Int64s, Strings
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesReply, GetOnlineFeaturesRequest, ReadOptions
from hotrow.v1.push_pb2 import PushFeaturesRequest

from .definitions import SNAPSHOT, trips

PRODUCERS = 4
SHARED = PRODUCERS
GROUPS = PRODUCERS + 1
KEYS = 3
LEDGER = 1_000_000
FEATURES = ("stamp", "amount", "label", "embedding", "note")
VIEW_ID = SNAPSHOT.view_id(trips.name)
_BASE_US = 1_700_000_000_000_000
_LENGTH = 4


def stamp_of(producer: int, push: int) -> int:
    return PRODUCERS * push + producer


def producer_of(stamp: int) -> int:
    return stamp % PRODUCERS


def group_of(stamp: int) -> int:
    return SHARED if stamp // PRODUCERS % 4 == 3 else producer_of(stamp)


def keys_of(group: int) -> list[int]:
    return [group * 100 + number for number in range(KEYS)]


def event_time_us(stamp: int) -> int:
    return _BASE_US + stamp


def stored_name(key: int) -> bytes:
    """The entity key as the store has it."""
    return encode_key([(trips.join_keys[0], key)])


def request_id(stamp: int) -> str:
    return f"push-{stamp}"


def push_bytes(keys: list[int], stamp: int, *, event_us: int | None = None, identity: str = "") -> bytes:
    rows = len(keys)
    embedding = [value for key in keys for value in _embedding(key, stamp)]
    return PushFeaturesRequest(
        push_source="trips_push",
        request_id=identity,
        event_time_us=[event_time_us(stamp) if event_us is None else event_us] * rows,
        rows=[
            Column(name="driver_id", int64=Int64s(values=keys)),
            Column(name="stamp", int64=Int64s(values=[stamp] * rows)),
            Column(name="amount", float64=Float64s(values=[_amount(key, stamp) for key in keys])),
            Column(name="label", string=Strings(values=[_label(key, stamp) for key in keys])),
            Column(name="embedding", float32_list=Float32Lists(values=embedding, lengths=[_LENGTH] * rows)),
            Column(name="note", bytes=BytesValues(values=[_note(key, stamp) for key in keys])),
        ],
    ).SerializeToString()


def push_of(stamp: int) -> bytes:
    """The one push of that stamp, as its producer sends it every time."""
    return push_bytes([*keys_of(group_of(stamp)), LEDGER + stamp], stamp, identity=request_id(stamp))


def late_push(group: int, stamp: int) -> bytes:
    """A push that comes too late: an event time that the group is past, and values that no reader may ever see."""
    return push_bytes(keys_of(group), -stamp, event_us=event_time_us(stamp) - 1)


def read_bytes(keys: list[int]) -> bytes:
    return GetOnlineFeaturesRequest(
        features=FeatureNames(names=[f"trips:{name}" for name in FEATURES]),
        entities=[Column(name="driver_id", int64=Int64s(values=keys))],
        options=ReadOptions(event_timestamps=True),
    ).SerializeToString()


def stamps_read(reply: bytes, keys: list[int]) -> list[int]:
    """The stamp of each row of a reply, 0 where there is none; raises ValueError for a value that its key and stamp do
    not say, a half row among them.
    """
    message = GetOnlineFeaturesReply.FromString(reply)
    found = {column.name: column for column in message.columns}
    stamps = list(found["stamp"].int64.values)
    times = list(message.event_times[0].values)
    lists = found["embedding"].float32_list
    embedding, at = list(lists.values), 0
    for row, (key, stamp) in enumerate(zip(keys, stamps, strict=True)):
        length = lists.lengths[row]
        values = (
            times[row],
            found["amount"].float64.values[row],
            found["label"].string.values[row],
            embedding[at : at + length],
            found["note"].bytes.values[row],
        )
        at += length
        present = {column.statuses[row] if column.statuses else PRESENT for column in message.columns}
        if present == {PRESENT} and stamp:
            wanted = (
                event_time_us(stamp),
                _amount(key, stamp),
                _label(key, stamp),
                _embedding(key, stamp),
                _note(key, stamp),
            )
        else:
            wanted = (0, 0.0, "", [], b"")
        if values != wanted or len(present) != 1:
            raise ValueError(f"key {key}, stamp {stamp}: read {values}, statuses {present}, expected {wanted}")
    return stamps


def _amount(key: int, stamp: int) -> float:
    return stamp * 1000.0 + key


def _label(key: int, stamp: int) -> str:
    return f"{key}:{stamp}" * (1 + stamp % 3)


def _embedding(key: int, stamp: int) -> list[float]:
    return [float(stamp % 65_536), float(key % 65_536), float((stamp ^ key) % 65_536), 0.5]


def _note(key: int, stamp: int) -> bytes:
    return struct.pack(">qq", key, stamp) * (1 + stamp % 5)
