"""The golden vectors in tests/vectors: what is stored and sent does not change by accident, and every codec agrees."""

import base64
import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from hotrow.codec.column import decode_column, encode_column
from hotrow.codec.key import decode_key
from hotrow.codec.key import encode_key as plain_key
from hotrow.codec.row import created_time_us, event_time_us, fingerprint, is_tombstone, verify_row
from hotrow.codec.token import Token, decode_token, encode_token
from hotrow.types import BY_NAME
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesReply, PushFeaturesRequest
from reference.column import column
from reference.row import decode_row
from reference.xxh64 import xxh64
from support.codec import push_rows, read_keys
from support.schema import view as feature_view
from vectors.generate import FILES, text_of

FOLDER = Path(__file__).parents[3] / "vectors"
MESSAGES = (GetOnlineFeaturesRequest, GetOnlineFeaturesReply, PushFeaturesRequest, PushFeaturesReply)


def vectors(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def from_json(type_: str, value):
    """A value of its JSON form."""
    if value is None:
        return None
    element = type_.removesuffix("_list")
    if element != type_:
        return [from_json(element, one) for one in value]
    if type_ in ("int64", "timestamp_us"):
        return int(value)
    if type_ == "bytes":
        return base64.b64decode(value)
    return float(value) if type_.startswith("float") else value


def types_of(described):
    return {one["name"]: BY_NAME[one["type"]].wire_name for one in described}


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_what_the_generator_writes(name):
    """A change of a format shows as a change of a file."""
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text_of(name)


@pytest.mark.parametrize("vector", vectors("keys"))
def test_keys(vector):
    """By the kernel, by the plain encoder, and back."""
    types = types_of(vector["join_keys"])
    values = {one["name"]: from_json(types[one["name"]], one["value"]) for one in vector["join_keys"]}
    key = bytes.fromhex(vector["key"])
    columns = [column(name, types[name], [values[name]]) for name in types]
    assert read_keys(types, GetOnlineFeaturesRequest(entities=columns)) == [key]
    view = feature_view(types, {"x": "bool"})
    pushed = PushFeaturesRequest(rows=[*columns, column("x", "bool", [True])])
    assert push_rows(view, pushed).keys() == [key]
    assert plain_key([(join_key, values[join_key.name]) for join_key in view.join_keys]) == key
    assert decode_key(key, view.join_keys) == values


@pytest.mark.parametrize("vector", vectors("rows"), ids=lambda vector: vector["title"])
def test_rows(vector):
    """A push of the values stores these bytes; their header and values are read back."""
    types, row = types_of(vector["schema"]), bytes.fromhex(vector["row"])
    units = {one["name"]: one["unit"] for one in vector["schema"]}
    defaults = {
        one["name"]: from_json(types[one["name"]], one["default"]) for one in vector["schema"] if "default" in one
    }
    view = feature_view({"k": "int64"}, types, units=units, defaults=defaults)
    event_us, created_us = int(vector["event_time_us"]), int(vector["created_time_us"])
    delete = vector["pushed"] is None
    columns = [
        column(name, types[name], [from_json(types[name], value)]) for name, value in (vector["pushed"] or {}).items()
    ]
    request = PushFeaturesRequest(rows=[column("k", "int64", [1]), *columns])
    pushed = push_rows_at(view, request, event_us, created_us, delete=delete)
    assert pushed.hex() == row.hex()
    assert (event_time_us(row), created_time_us(row), is_tombstone(row)) == (event_us, created_us, delete)
    assert fingerprint(row).hex() == vector["fingerprint"] == view.fingerprint.hex()
    assert verify_row(row) is None
    if not delete:
        stored = {name: from_json(types[name], value) for name, value in vector["stored"].items()}
        assert repr(decode_row(row, types)) == repr(stored)


def push_rows_at(view, request, event_us, created_us, *, delete):
    """The one row of a push, with this event time, stamped as its commit does."""
    request.event_time_us.append(event_us)
    [row] = push_rows(view, request, delete=delete).stamped(created_us).rows()
    return row


@pytest.mark.parametrize("vector", vectors("tokens"))
def test_tokens(vector):
    """There and back."""
    token = Token(vector["store_id"], vector["epoch"], int(vector["sequence"]))
    assert encode_token(token).hex() == vector["token"]
    assert decode_token(bytes.fromhex(vector["token"]), store_id=token.store_id, epoch=token.epoch) == token


@pytest.mark.parametrize("vector", vectors("messages"), ids=lambda vector: vector["message"])
def test_messages(vector):
    """Bytes and JSON are the same message, and the columns in it are read and written by the Python codec."""
    [message] = [one for one in MESSAGES if one.DESCRIPTOR.full_name == vector["message"]]
    data = bytes.fromhex(vector["bytes"])
    parsed = json_format.ParseDict(vector["json"], message())
    assert parsed.SerializeToString(deterministic=True) == data
    assert repr(message.FromString(data)) == repr(parsed)
    for name in ("columns", "rows", "entities"):
        for one in getattr(parsed, name, ()) if message is not PushFeaturesReply else ():
            if one.WhichOneof("values") is not None:
                wire = one.SerializeToString(deterministic=True)
                found = decode_column(wire)
                statuses = found.statuses if one.statuses else None
                again = encode_column(found.name, found.values, type=found.type, unit=found.unit, statuses=statuses)
                assert again.hex() == wire.hex()


@pytest.mark.parametrize("vector", vectors("xxh64"))
def test_checksums(vector):
    """The twin; the kernel is held to the twin and to published values beside."""
    assert f"{xxh64(bytes.fromhex(vector['data'])):016x}" == vector["xxh64"]
