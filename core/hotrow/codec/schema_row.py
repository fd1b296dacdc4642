"""Rows of one schema, whole: the plan that decodes every field of them, and the check of a stored row by it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hotrow.codec import kernel_reply as k
from hotrow.codec.kernel_decode import UNKNOWN_SCHEMA
from hotrow.codec.layout import layout_from_schema
from hotrow.codec.lookup import rows_from_list
from hotrow.codec.response import NOTHING_SENT
from hotrow.codec.response_plan import ReplyShape, ResponsePlan, ViewColumns, plan_response
from hotrow.codec.row import FAULTS, fingerprint, is_tombstone, verify_row
from hotrow.codec.wire import Octets, Table
from hotrow.schema.field import Field
from hotrow.types import BY_NAME


@dataclass(frozen=True, slots=True)
class SchemaPlan:
    """Column `i` of the plan is field `i`, in the order of the schema."""

    fields: tuple[Field, ...]
    response: ResponsePlan

    def decode(self, rows: Octets, starts: Table) -> tuple[int, Table, Octets]:
        """Decode `len(starts) - 1` rows, of which row i is `rows[starts[i] : starts[i + 1]]`.

        Returns 0 or a fault of `hotrow.codec.row`, the cells (value words, then lengths, a field after another), and
        the statuses, of the same order.
        """
        n, width = len(starts) - 1, len(self.fields)
        scratch, statuses = np.empty((2 * width + 1) * n + k.DEPTH, np.int64), np.empty(width * n, np.uint8)
        plan = self.response
        fault = k.decode(rows, starts, plan.defaults, plan.table, *NOTHING_SENT, n, 0, scratch, statuses)
        return int(fault), scratch, statuses


@lru_cache(maxsize=256)
def plan_of_schema(schema: bytes, schema_fingerprint: bytes) -> SchemaPlan:
    """The plan of `FeatureView.schema_bytes`."""
    fields = tuple(Field(name, BY_NAME[type_name], unit=unit) for name, type_name, unit in json.loads(schema))
    layout = layout_from_schema(schema, schema_fingerprint)
    columns = ViewColumns("", None, (layout,), fields, tuple(range(len(fields))))
    shape = ReplyShape(tuple(field.name for field in fields), "", event_timestamps=False, matrix=False)
    return SchemaPlan(fields, plan_response([columns], shape))


def check_stored_row(row: bytes, schemas: Mapping[bytes, bytes]) -> str | None:
    """What is wrong with a row, its fields included; None where nothing is. `schemas` are those of its store."""
    frame = verify_row(row)
    if frame is not None or is_tombstone(row):
        return frame
    schema = schemas.get(fingerprint(row))
    if schema is None:
        return FAULTS[UNKNOWN_SCHEMA]
    rows = rows_from_list([row])
    fault, _, _ = plan_of_schema(schema, fingerprint(row)).decode(rows.data, rows.starts)
    return FAULTS[fault] or None
