"""What commands print: aligned tables for people, JSON for scripts, notes on stderr."""

import base64
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hotrow.clock import text_from_datetime

MAX_CELL = 60
_WIDE = "…"


def note(text: str) -> None:
    """Something worth knowing that is no result: on stderr, so that results can be piped."""
    print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Something that may be wrong."""
    note(f"warning: {text}")


def print_json(document: object) -> None:
    """One JSON document on stdout."""
    print(json.dumps(json_value(document), indent=2, ensure_ascii=False, allow_nan=False))


def json_value(value: Any) -> Any:
    """`value` with what JSON lacks in the form of protobuf's JSON: times and NaN as text, bytes in base64."""
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    text = _TEXTS.get(type(value))
    return text(value) if text else value


_TEXTS: dict[type, Callable[[Any], str]] = {
    bytes: lambda value: base64.b64encode(value).decode(),
    datetime: text_from_datetime,
}
_CELLS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    float: lambda value: f"{value:.9g}",
    **_TEXTS,
}


def cell_text(value: Any) -> str:
    """A value in a cell: short, on one line, with nothing that moves a terminal's cursor."""
    if isinstance(value, list | tuple):
        return _shortened("[" + ", ".join(cell_text(item) for item in value) + "]")
    text = _CELLS.get(type(value), str)(value)
    return _shortened("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + _WIDE


def print_table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as their widest cell, numbers to the right. Prints the heads alone where there are no rows."""
    texts = [[cell_text(value) for value in row] for row in rows]
    widths = [max([len(head), *(len(row[i]) for row in texts)]) for i, head in enumerate(heads)]
    numeric = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(heads))]
    for row in ([head.upper() for head in heads], *texts):
        cells = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one a line; values that are empty are left out."""
    kept = [(name, value) for name, value in pairs if value not in ("", None, (), [], {})]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        print(f"{name.ljust(width)}  {value if isinstance(value, str) else cell_text(value)}")


def tags_text(tags: Mapping[str, str]) -> str:
    """Tags as name=value, in the order of the names."""
    return " ".join(f"{name}={value}" for name, value in sorted(tags.items()))


def short_id(snapshot_id: str) -> str:
    """As much of a snapshot's id as people type."""
    return snapshot_id[:12]


def statistics_text(values: Mapping[str, Any]) -> str:
    """What was fitted of an encoder, or given to it, in some words; of a list its length and the first entries."""
    parts = []
    for name, value in values.items():
        if name in ("rows", "counts"):
            continue
        if isinstance(value, list) and name not in ("percentiles", "n"):
            shown = ", ".join(map(str, value[:3])) + (", ..." if len(value) > 3 else "")
            parts.append(f"{len(value)} {name}: {shown}")
        else:
            each = value if isinstance(value, list) else [value]
            parts.append(f"{name} " + ", ".join(f"{one:.6g}" if isinstance(one, float) else str(one) for one in each))
    return "; ".join(parts)
