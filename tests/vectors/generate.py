"""Writes the golden vectors beside this file: `python tests/vectors/generate.py`.

They are made by the twins in `tests/reference` and by protobuf itself, never by the kernels, so that every reader and
writer of the formats, in any language, can be held to them. Bytes are in hexadecimal. In values, 64-bit integers are
decimal strings, bytes are base64, and floats that JSON lacks are "NaN", "Infinity", "-Infinity", as in protobuf's JSON.
"""

import base64
import json
import math
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER.parent)]

from google.protobuf import json_format  # noqa: E402
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply, GetOnlineFeaturesRequest  # noqa: E402
from hotrow.v1.push_pb2 import PushFeaturesReply, PushFeaturesRequest  # noqa: E402
from reference.column import TYPES, column  # noqa: E402
from reference.key import encode_key  # noqa: E402
from reference.row import TYPE_NAMES, encode_row, encode_tombstone, fingerprint  # noqa: E402
from reference.xxh64 import xxh64  # noqa: E402

EVENT_US, CREATED_US = 1_700_000_000_123_456, 1_700_000_001_000_000
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
SCALAR_VALUES = {
    "float64": [0.0, -0.0, 1.5, -2.25e300, 5e-324, math.inf, -math.inf],
    "float32": [0.0, -0.0, 1.5, -2.25, 2.0**-149, math.inf],
    "int64": [0, 1, -1, INT64_MIN, INT64_MAX],
    "int32": [0, 1, -1, -(2**31), 2**31 - 1],
    "bool": [False, True],
    "string": ["", "a", "hé", "日本", "😀", "a\0b", "x" * 200],
    "bytes": [b"", b"a", b"\0", b"\0\xff\x80", bytes(range(256))],
    "timestamp_us": [0, 1, -1, EVENT_US, INT64_MIN, INT64_MAX],
}


def to_json(type_: str, value):
    """A value as protobuf's JSON has it."""
    if value is None:
        return None
    element = type_.removesuffix("_list")
    if element != type_:
        return [to_json(element, one) for one in value]
    if type_ in ("int64", "timestamp_us"):
        return str(value)
    if type_ == "bytes":
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def keys() -> list[dict]:
    """Of every type, and composite ones; join keys are in the order of their names."""
    cases = [[("k", type_, value)] for type_ in SCALAR_VALUES for value in SCALAR_VALUES[type_] if "float" not in type_]
    cases += [
        [],
        [("article_id", "int64", 7), ("user_id", "string", "u-1")],
        [("a", "string", ""), ("b", "string", "\0"), ("c", "bytes", b"\0\0")],
        [("a", "bool", True), ("b", "timestamp_us", -5), ("c", "int32", 3), ("d", "bytes", b"\xff")],
        [("k", "bytes", b"x" * 478)],
        [("k", "bytes", b"\0" * 239)],
    ]
    return [
        {
            "join_keys": [{"name": n, "type": TYPE_NAMES[t], "value": to_json(t, value)} for n, t, value in case],
            "key": encode_key([(t, value) for _, t, value in case]).hex(),
        }
        for case in cases
    ]


def _row(title: str, schema: dict, values: dict, *, units: dict | None = None, defaults: dict | None = None) -> dict:
    units, defaults = units or {}, defaults or {}
    mark = fingerprint(schema, units)
    stored = {**defaults, **values}
    row = encode_row(schema, stored, fingerprint=mark, event_us=EVENT_US, created_us=CREATED_US)
    return {
        "title": title,
        "schema": [
            {"name": name, "type": TYPE_NAMES[schema[name]], "unit": units.get(name, "")}
            | ({"default": to_json(schema[name], defaults[name])} if name in defaults else {})
            for name in sorted(schema)
        ],
        "fingerprint": mark.hex(),
        "event_time_us": str(EVENT_US),
        "created_time_us": str(CREATED_US),
        "pushed": {name: to_json(schema[name], values[name]) for name in sorted(values)},
        "stored": {name: to_json(schema[name], stored[name]) for name in sorted(schema)},
        "row": row.hex(),
    }


def rows() -> list[dict]:
    """Of every type: values, null, empty, lists; then several fields, defaults and a tombstone."""
    found = []
    for type_ in TYPES:
        element = type_.removesuffix("_list")
        several = [[], SCALAR_VALUES[element][:1], SCALAR_VALUES[element]]
        values = [None, *(SCALAR_VALUES[type_] if element == type_ else several)]
        found += [_row(f"one {TYPE_NAMES[type_]}", {"x": type_}, {"x": value}) for value in values]
    every = {f"f_{number:02}": type_ for number, type_ in enumerate(reversed(TYPES))}
    ones = {name: SCALAR_VALUES[type_.removesuffix("_list")][1] for name, type_ in every.items()}
    ones = {name: [one] if every[name].endswith("_list") else one for name, one in ones.items()}
    found.append(_row("every type", every, ones))
    found.append(_row("every type, null", every, dict.fromkeys(every)))
    found.append(_row("every other null", every, {name: None if int(name[-1]) % 2 else ones[name] for name in every}))
    found.append(_row("a unit", {"fare": "float64"}, {"fare": 12.5}, units={"fare": "SEK"}))
    found.append(
        _row(
            "defaults",
            {"a": "string", "b": "int64_list", "c": "int32", "d": "bool"},
            {"d": True},
            defaults={"a": "né", "b": [1, -1], "c": None},
        )
    )
    mark = fingerprint({"x": "int64"})
    tombstone = encode_tombstone(fingerprint=mark, event_us=EVENT_US, created_us=CREATED_US)
    head = _row("a tombstone", {"x": "int64"}, {"x": 0}) | {"pushed": None, "stored": None, "row": tombstone.hex()}
    return [*found, head]


def tokens() -> list[dict]:
    """Store id, epoch, sequence."""
    cases = [("00" * 16, 0, 0), ("0123456789abcdef" * 2, 1, 2), ("ff" * 16, 2**32 - 1, 2**63)]
    return [
        {
            "store_id": store_id,
            "epoch": epoch,
            "sequence": str(sequence),
            "token": (bytes.fromhex(store_id) + epoch.to_bytes(4, "big") + sequence.to_bytes(8, "big")).hex(),
        }
        for store_id, epoch, sequence in cases
    ]


def _columns(*, nulls: bool) -> list:
    columns = []
    for type_ in TYPES:
        element = SCALAR_VALUES[type_.removesuffix("_list")]
        values = [element[1], element[0], None if nulls else element[-1]]
        if type_.endswith("_list"):
            values = [element[:2], [], None if nulls else element[:1]]
        columns.append(column(f"f_{type_}", type_, values, unit="SEK" if type_ == "float64" else ""))
    return columns


def messages() -> list[dict]:
    """Requests and replies, as protobuf writes them."""
    read = GetOnlineFeaturesRequest(project="rides", feature_service="activity", signature="s", snapshot="prod")
    read.entities.append(column("driver_id", "int64", [1, 2]))
    read.options.event_timestamps = read.options.full_names = read.options.matrix = True
    read.min_token = bytes(28)
    named = GetOnlineFeaturesRequest(
        entities=[column("user", "string", ["hé", ""]), column("at", "timestamp_us", [1, -1])]
    )
    named.features.names.extend(["stats:trips", "stats:fare"])
    reply = GetOnlineFeaturesReply(columns=_columns(nulls=True), snapshot="ab" * 32)
    for one, status in zip(reply.columns, (3, 4) * len(reply.columns), strict=False):
        one.statuses[2] = status
    reply.event_times.add(view="stats", values=[EVENT_US, 0, -1])
    matrix = GetOnlineFeaturesReply(snapshot="ab" * 32)
    for name in ("a", "b"):
        matrix.columns.add(name=name).statuses.extend([1, 3])
    matrix.matrix.values = bytes.fromhex("0000803f000000400000c07f0000c07f")
    matrix.matrix.rows = 2
    matrix.matrix.names.extend(["a", "b"])
    push = PushFeaturesRequest(push_source="stats_push", rows=_columns(nulls=True), event_time_us=[1, -1, EVENT_US])
    push.request_id, push.atomic, push.dry_run = "retry-1", True, True
    delete = PushFeaturesRequest(project="rides", view="stats", op=1, snapshot="prod", rows=[column("k", "int64", [1])])
    pushed = PushFeaturesReply(written=1, skipped_stale=1, rejected=1, duplicates=1, results=[1, 2, 3, 4])
    pushed.rejections.add(row=2, field="fare", reason="does not fit")
    pushed.token, pushed.snapshot = bytes(range(28)), "ab" * 32
    every = [read, named, GetOnlineFeaturesRequest(), reply, matrix, push, delete, pushed]
    every.append(PushFeaturesRequest(view="stats", rows=_columns(nulls=False)))
    return [
        {
            "message": message.DESCRIPTOR.full_name,
            "json": json_format.MessageToDict(message, preserving_proto_field_name=True),
            "bytes": message.SerializeToString(deterministic=True).hex(),
        }
        for message in every
    ]


def checksums() -> list[dict]:
    """XXH64 with seed 0, whose low 32 bits end a row."""
    cases = [b"", b"a", b"abc", bytes(range(31)), bytes(range(32)), bytes(range(33)), bytes(range(256)) * 3]
    return [{"data": data.hex(), "xxh64": f"{xxh64(data):016x}"} for data in cases]


FILES = {"keys": keys, "rows": rows, "tokens": tokens, "messages": messages, "xxh64": checksums}


def text_of(name: str) -> str:
    """What stands in a file of vectors."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file in FILES:
        (FOLDER / f"{file}.json").write_text(text_of(file), encoding="utf-8")
