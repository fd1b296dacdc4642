"""From entries of the outbox to an Arrow table, without a Python object a value: kernels take rows and keys apart.

The columns: the join keys, the fields, each by its name, with its unit as metadata, and the three that
`hotrow.offline.row_log.folder` names.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hotrow.codec.cells import address_of
from hotrow.codec.kernel_decode import PRESENT
from hotrow.codec.kernel_log import split_keys
from hotrow.codec.layout import is_variable
from hotrow.codec.logged import LoggedRows, described_view
from hotrow.codec.row import FAULTS
from hotrow.codec.schema_row import SchemaPlan, plan_of_schema
from hotrow.codec.wire import Octets, Table
from hotrow.errors import Code, HotrowError
from hotrow.offline.arrow_column import TIMESTAMP, arrow_type
from hotrow.offline.cell_column import CellColumn
from hotrow.offline.row_log.folder import CREATED_TIME, DELETED, EVENT_TIME
from hotrow.offline.stated_unit import UNIT
from hotrow.schema.entity import JoinKey
from hotrow.schema.field import Field

_BLOCK_ROWS = 1 << 13
_FLAGS, _EVENT, _CREATED, _TOMBSTONE = 5, 16, 24, 1
_SIGN = np.uint64(1 << 63)


def log_table(entries: Sequence[LoggedRows], schema: bytes) -> pa.Table:
    """The rows of entries of one view and one schema, in order; a deleted row has null in every field.

    Raises HotrowError FAILED_PRECONDITION for rows that are damaged.
    """
    _, keys = described_view(entries[0].description)
    plan = plan_of_schema(schema, entries[0].fingerprint)
    rows = np.frombuffer(bytearray().join([entry.rows for entry in entries]), np.uint8)
    starts = _starts([entry.row_lengths for entry in entries])
    heads = starts[:-1]
    columns = _keys(keys, entries) + _fields(plan, rows, starts)
    event_us, created_us = _times(rows, heads + _EVENT), _times(rows, heads + _CREATED)
    columns += [pa.array(times).cast(TIMESTAMP) for times in (event_us, created_us)]
    columns.append(pa.array(rows[heads + _FLAGS] & _TOMBSTONE != 0))
    return pa.Table.from_arrays(columns, schema=_arrow_schema(keys, plan.fields))


def _arrow_schema(keys: Sequence[JoinKey], fields: Sequence[Field]) -> pa.Schema:
    columns = [pa.field(key.name, arrow_type(key.type)) for key in keys]
    for field in fields:
        metadata = {UNIT: field.unit.encode()} if field.unit else None
        columns.append(pa.field(field.name, arrow_type(field.type), metadata=metadata))
    times = [pa.field(EVENT_TIME, TIMESTAMP), pa.field(CREATED_TIME, TIMESTAMP)]
    return pa.schema([*columns, *times, pa.field(DELETED, pa.bool_())])


def _keys(join_keys: Sequence[JoinKey], entries: Sequence[LoggedRows]) -> list[pa.Array]:
    starts = _starts([entry.key_lengths for entry in entries])
    n = len(starts) - 1
    if not join_keys:
        return []
    keys = np.frombuffer(bytearray().join([entry.keys for entry in entries]) or bytearray(1), np.uint8)
    kinds = np.array([key.type.kind for key in join_keys], np.int64)
    kinds.setflags(write=False)
    words, lengths = np.empty(len(kinds) * n, np.int64), np.empty(len(kinds) * n, np.int64)
    texts = np.empty(len(keys) + 1, np.uint8)
    if split_keys(keys, starts, kinds, words, lengths, texts) < 0:
        raise _damaged("a key does not agree with the join keys of its view")
    statuses = np.full(n, PRESENT, np.uint8)
    made = []
    for number, key in enumerate(join_keys):
        place = slice(number * n, number * n + n)
        column = CellColumn(key.type, n)
        column.take(words[place], lengths[place], statuses, 0)
        made.append(column.finish())
    return made


def _fields(plan: SchemaPlan, rows: Octets, starts: Table) -> list[pa.Array]:
    total, width = len(starts) - 1, len(plan.fields)
    made = [CellColumn(field.type, total) for field in plan.fields]
    base = address_of(rows)
    for start in range(0, total, _BLOCK_ROWS):
        part = starts[start : start + _BLOCK_ROWS + 1]
        n = len(part) - 1
        fault, cells, statuses = plan.decode(rows, part)
        if fault < 0:
            raise _damaged(FAULTS[fault])
        for number, (field, column) in enumerate(zip(plan.fields, made, strict=True)):
            place = slice(number * n, number * n + n)
            words, lengths = cells[place], cells[width * n + number * n : width * n + number * n + n]
            column.take(words + base if is_variable(field.type) else words, lengths, statuses[place], start)
    return [column.finish() for column in made]


def _times(rows: Octets, places: Table) -> Table:
    """The times that stand at these places of the rows, as `hotrow.codec.row` writes them."""
    octets = rows[places[:, None] + np.arange(8)]
    times: Table = (octets.view(">u8").astype(np.uint64).ravel() ^ _SIGN).view(np.int64)
    return times


def _starts(lengths: Sequence[npt.NDArray[np.uint16] | npt.NDArray[np.uint32]]) -> Table:
    ends = np.cumsum(np.concatenate(lengths), dtype=np.int64)
    return np.concatenate([np.zeros(1, np.int64), ends])


def _damaged(reason: str) -> HotrowError:
    message = f"a row in the outbox of the store is damaged: {reason}; run `hotrow store verify`"
    return HotrowError(Code.FAILED_PRECONDITION, message)
