"""Messages for the faults that kernels tell as numbers. Every one names the field and, where there is one, the row."""

from collections.abc import Sequence

from hotrow.codec import kernel_key as k
from hotrow.codec import kernel_match as match
from hotrow.codec.kernel_scan import COUNT, KIND
from hotrow.codec.wire import Scanned
from hotrow.errors import HotrowError, invalid, nearest
from hotrow.schema.unit import ALIKE, MAX_UNIT_LENGTH, difference
from hotrow.types import BY_KIND, FLOAT32, FLOAT64, INT32, INT64, ValueType

ROW_REASONS = {
    k.NULL_KEY: "the join key is null; give every row its key",
    k.KEY_TOO_LONG: f"the entity key is longer than {k.MAX_KEY} bytes; use a shorter key",
    k.NOT_UTF8: "the string is not UTF-8; send bytes that are not text as a Bytes field",
    k.OUT_OF_RANGE: "the number does not fit the field's type: it is out of range, or not whole; send one that fits",
    k.FUTURE: "the event time lies too far in the future; check the unit (microseconds) and the producer's clock",
}
"""Why one row is refused, by fault."""


class Expected:
    """What a request's columns are matched with: names and types of the entries, and what the columns are called."""

    def __init__(self, entries: Sequence[tuple[str, ValueType, str]], n_keys: int, where: str) -> None:
        self.entries = entries
        self.n_keys = n_keys
        self.where = where

    def kind(self, entry: int) -> str:
        return "join key" if entry < self.n_keys else "feature"


def request_fault(  # noqa: PLR0911 - one message a fault
    code: int, one: int, two: int, expected: Expected, request: Scanned
) -> HotrowError:
    """The error of a fault of a whole request: `one` and `two` are what the kernel told beside its code."""
    where = expected.where
    names = [name for name, _, _ in expected.entries]
    if code == match.MISSING:
        name, type_, _ = expected.entries[one]
        return invalid(
            f"{where}: {expected.kind(one)} {name!r} is missing; send {_with_article(type_)} column of that name",
            field=name,
        )
    if code == match.RAGGED_TIMES:
        name = "created_time_us" if one else "event_time_us"
        return invalid(f"{name} does not have one value a row; send as many as there are rows, or none", field=name)
    name = request.column_name(one)
    if code == match.UNKNOWN:
        return invalid(f"{where}: column {name!r} is not known{nearest(name, names)}", field=name)
    if code == match.REPEATED:
        return invalid(f"{where}: column {name!r} is there twice; send it once", field=name)
    if code == match.WRONG_KIND:
        return _wrong_kind(name, expected.entries[two][1], int(request.columns[one, KIND]), where)
    if code == match.WRONG_UNIT:
        return _wrong_unit(name, expected.entries[two][2], request.column_unit(one), where)
    if code == match.BAD_STATUS:
        return invalid(f"{where}: the status of {name!r} in row {two} is neither PRESENT nor NULL_VALUE", field=name)
    if code == match.RAGGED:
        rows = int(request.columns[one, COUNT])
        return invalid(
            f"{where}: column {name!r} has {rows} rows, and its values, lengths or statuses, or the other columns, do "
            "not have as many; all must agree",
            field=name,
        )
    return invalid(f"{where}: {name!r} in row {two}: {ROW_REASONS[code]}", field=name)


def _with_article(type_: ValueType) -> str:
    return f"{'an' if type_.name[0] in 'AEIOU' else 'a'} {type_}"


def _wrong_kind(name: str, wanted: ValueType, kind: int, where: str) -> HotrowError:
    sent = f"{BY_KIND[kind]} values ({BY_KIND[kind].wire_name})" if kind in BY_KIND else "no values"
    whole = kind in (FLOAT64, FLOAT32) and wanted.kind in (INT64, INT32)
    remedy = ' (pandas makes floats of integers where one is missing: astype("Int64") keeps them)' if whole else ""
    return invalid(
        f"{where}: {name!r} is {wanted}, and the column has {sent}; send {wanted.wire_name}{remedy}", field=name
    )


def _wrong_unit(name: str, declared: str, stated: str, where: str) -> HotrowError:
    shown = repr(stated[:MAX_UNIT_LENGTH]) + ("..." if len(stated) > MAX_UNIT_LENGTH else "")
    if not declared:
        return invalid(f"{where}: {name!r} has no unit, and the column states {shown}; leave it out", field=name)
    told = difference(declared, stated)
    remedy = "state" if told == ALIKE else "convert the values and state"
    return invalid(
        f"{where}: {name!r} has the unit {declared!r}, and the column states {shown}, {told}; {remedy} {declared!r}",
        field=name,
    )
