"""The definitions that `hotrow init --from` writes: a view of a Parquet file, as far as its schema says what it is."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hotrow.errors import HotrowError, invalid, nearest
from hotrow.schema.check import check_name
from hotrow.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp, ValueType

if TYPE_CHECKING:
    import pyarrow as pa

_EVENT_NAMES = ("event_timestamp", "event_time", "timestamp", "ts", "time", "datetime", "date")
_CREATED_NAMES = ("created", "created_timestamp", "created_at", "created_time", "ingested_at")
_CANDIDATES = (Bool, Int64, Float64, String, Bytes, UnixTimestamp)
_KEY_TYPES = (Int64, Int32, String, Bytes)
_NARROW = {"int32": Int32, "int16": Int32, "int8": Int32, "uint16": Int32, "uint8": Int32}
_NARROW |= {"float": Float32, "halffloat": Float32}


@dataclass(frozen=True, slots=True)
class Hints:
    """What the caller says of a file: the name of its entity, its join keys, and the column of its event times."""

    entity: str = ""
    keys: Sequence[str] = ()
    event_time: str = ""


@dataclass(frozen=True, slots=True)
class _Times:
    """The columns of times, and what is to be said of the choice."""

    event: str
    created: str
    note: str


def definitions_from(name: str, path: str, schema: pa.Schema, hints: Hints) -> str:
    """A Python file with a view `name` of the columns of a source at `path`, with a comment where something is a guess.

    Raises INVALID where the join keys or the event time cannot be told, and for hints that name no such column.
    """
    types, left_out = _types(schema)
    times = _times(types, hints.event_time)
    keys, key_note = _keys(types, hints.keys, {times.event, times.created})
    entity = hints.entity or view_name("" if keys[0] == "id" else keys[0].removesuffix("_id"), "entity")
    check_name("entity", entity)
    name = f"{name}_features" if name == entity else name
    fields = {one: kind for one, kind in types.items() if one not in (*keys, times.event, times.created)}
    if not fields:
        raise invalid(f"{path} has no column beside its join keys and times that can be a feature")
    used = sorted({_base(kind) for kind in (*fields.values(), *(types[key] for key in keys))})
    imported = ["Entity", "FeatureService", "FeatureView", "Field", "ParquetSource", *used]
    imported += ["Array"] if any(kind.is_list for kind in fields.values()) else []
    created = f', created_time="{times.created}"' if times.created else ""
    lines = [
        '"""Features of a Parquet file, as its schema has them. Look through what is said to be a guess."""',
        "",
        f"from hotrow import {', '.join(sorted(imported))}",
        "",
        *_comment(key_note),
        f'{_variable(entity)} = Entity("{entity}", join_keys={{{_pairs(types, keys)}}})',
        "",
        f"{_variable(name)} = FeatureView(",
        f'    "{name}",',
        f"    entities=[{_variable(entity)}],",
        "    ttl=None,  # or a timedelta: a row that is older is withheld",
        "    schema=[",
        *(f'        Field("{one}", {kind.name}),' for one, kind in fields.items()),
        *(f"        # {column!r} is left out: {why}" for column, why in left_out.items()),
        "    ],",
        *_comment(times.note, "    "),
        f'    source=ParquetSource({json.dumps(path)}, event_time="{times.event}"{created}),',
        ")",
        "",
        f'{name}_service = FeatureService("{name}_service", features=[{_variable(name)}])',
    ]
    return "\n".join(lines) + "\n"


def view_name(text: str, otherwise: str = "features") -> str:
    """A name of a definition that is near to a text, such as that of a file."""
    words = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower())
    return words.strip("_0123456789")[:50].rstrip("_") or otherwise


def _types(schema: pa.Schema) -> tuple[dict[str, ValueType], dict[str, str]]:
    """The type of each column that can be one of a view, and why others cannot."""
    types: dict[str, ValueType] = {}
    left_out: dict[str, str] = {}
    for column in schema:
        kind = _type_of(column.type)
        if kind is None:
            left_out[column.name] = f"hotrow has no type for {column.type}"
            continue
        try:
            check_name("column", column.name)
        except HotrowError:
            left_out[column.name] = "its name is none that a field can have; rename the column"
            continue
        types[column.name] = kind
    return types, left_out


def _type_of(held: pa.DataType) -> ValueType | None:
    import pyarrow as pa  # noqa: PLC0415

    from hotrow.offline.conversion import mismatch  # noqa: PLC0415

    if pa.types.is_null(held):
        return None
    if pa.types.is_list(held) or pa.types.is_large_list(held) or pa.types.is_fixed_size_list(held):
        element = _type_of(held.value_type)
        kinds = [] if element is None or element.is_list else [Array(element)]
    else:
        kinds = [_NARROW[str(held)]] if str(held) in _NARROW else list(_CANDIDATES)
    return next((kind for kind in kinds if not mismatch(held, kind)), None)


def _times(types: Mapping[str, ValueType], hint: str) -> _Times:
    stamps = [name for name, kind in types.items() if kind == UnixTimestamp]
    if hint and hint not in stamps:
        raise invalid(f"--event-time: {hint!r} is no column of timestamps or dates{nearest(hint, stamps)}")
    if not stamps:
        raise invalid(
            "the file has no column of timestamps or dates that could say when a row became true; cast one where it is "
            "written"
        )
    others = [name for name in stamps if name not in _CREATED_NAMES] or stamps
    event = hint or next((name for name in _EVENT_NAMES if name in others), others[0])
    created = next((name for name in _CREATED_NAMES if name in stamps and name != event), "")
    rest = [name for name in stamps if name not in (event, created)]
    note = "" if hint or not rest else f"The event time is a guess: {_listed(rest)} could be it too (--event-time)."
    return _Times(event, created, note)


def _keys(types: Mapping[str, ValueType], hints: Sequence[str], taken: set[str]) -> tuple[list[str], str]:
    able = [name for name, kind in types.items() if kind in _KEY_TYPES and name not in taken]
    for hint in hints:
        if hint not in able:
            raise invalid(f"--key: {hint!r} is no column that can be a join key{nearest(hint, able)}")
    if hints:
        return list(hints), ""
    guessed = [name for name in able if name.endswith("_id")] or [name for name in able if name == "id"]
    if not guessed:
        raise invalid(
            f"no column is called ..._id, so the join key cannot be told; name it with --key, one of {_listed(able)}"
        )
    note = f"The join key is a guess: {_listed(guessed[1:])} could be one too (--key, once for each)."
    return guessed[:1], note if len(guessed) > 1 else ""


def _pairs(types: Mapping[str, ValueType], keys: Sequence[str]) -> str:
    return ", ".join(f'"{key}": {types[key].name}' for key in keys)


def _base(kind: ValueType) -> str:
    return kind.name.removeprefix("Array(").removesuffix(")")


def _variable(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name


def _comment(text: str, indent: str = "") -> list[str]:
    return [f"{indent}# {text}"] if text else []


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
