"""The plan of a reply: a table that says where features stand in rows, and a program that writes the message.

A plan is made once for a selection and serves every request of it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hotrow.codec import kernel_reply as k
from hotrow.codec.cells import CellProgram
from hotrow.codec.entity import byte_table, int_table
from hotrow.codec.kernel_decode import BIT_DEFAULT, BIT_NULL, FIRST_VIEW, LAYOUT_SLOTS, SLOT_WIDTH, VIEW_WIDTH
from hotrow.codec.kernel_row import HEADER
from hotrow.codec.layout import Constants, RowLayout, Slot, is_variable, layout_from_schema, stored_value
from hotrow.codec.protowire import LENGTH, length_delimited, tag
from hotrow.codec.wire import Octets, Table
from hotrow.schema.default import DefaultValue
from hotrow.schema.field import Field
from hotrow.schema.view import FeatureView
from hotrow.types import BOOL, BYTES, FLOAT32, FLOAT64, INT32, INT64, STRING, TIMESTAMP

MATRIX_KINDS = (FLOAT64, FLOAT32, INT64, INT32, BOOL, TIMESTAMP)


@dataclass(frozen=True, slots=True)
class ViewColumns:
    """The features wanted of one view: `fields` are in the order of `columns`, their numbers.

    The columns of the reply are numbered by their places in it; those with higher numbers are for transforms.

    `layouts` are those of the schemas that stored rows may have, the view's own first.
    """

    name: str
    ttl_us: int | None
    layouts: tuple[RowLayout, ...]
    fields: tuple[Field, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReplyShape:
    """What a reply holds besides values: the columns' names, in order, and what the caller asked for.

    `columns_field` is the field of the message that the columns stand in: that of a reply, unless it says otherwise.
    """

    names: tuple[str, ...]
    snapshot: str
    event_timestamps: bool
    matrix: bool
    columns_field: int = 1


@dataclass(frozen=True, slots=True)
class Computed:
    """The columns that transforms fill, by number, and what fills them. `sent`: they take rows that the caller sent."""

    fields: Mapping[int, Field]
    program: CellProgram | None = None
    sent: bool = False


NOTHING_COMPUTED = Computed({})


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """Tables for the kernel. `defaults` are rows that stand in for fields which stored rows lack.

    `made` are the columns of the reply that hold strings and lists of transforms.

    `n_columns` counts all columns, those for transforms too, `n_replied` those of the reply. The last view is of rows
    that the caller sent, if `sent`. A field of a row is in `copies` columns at most.
    """

    n_columns: int
    n_replied: int
    n_views: int
    sent: bool
    table: Table
    constants: Octets
    defaults: bytes
    slack: int
    transforms: CellProgram | None
    made: Table
    copies: int


def view_columns(view: FeatureView, wanted: Sequence[tuple[int, Field]]) -> ViewColumns:
    """The columns of a view of which these are wanted, by number, from rows of its own schema."""
    return ViewColumns(
        name=view.name,
        ttl_us=view.ttl_us,
        layouts=(layout_from_schema(view.schema_bytes, view.fingerprint),),
        fields=tuple(field for _, field in wanted),
        columns=tuple(column for column, _ in wanted),
    )


def plan_response(
    views: Sequence[ViewColumns], shape: ReplyShape, computed: Computed = NOTHING_COMPUTED
) -> ResponsePlan:
    """The plan of a selection; with `computed.sent` the last view is of rows that the caller sent."""
    constants = Constants()
    defaults = bytearray()
    heads: list[int] = []
    body: list[int] = []
    first = FIRST_VIEW + VIEW_WIDTH * len(views)
    for view in views:
        layouts = first + len(body)
        body += _layouts(view, layouts)
        ttl_us = -1 if view.ttl_us is None else view.ttl_us
        columns = first + len(body)
        body += view.columns
        heads += [ttl_us, layouts, len(view.layouts), columns, len(view.columns), len(defaults)]
        if any(field.has_default for field in view.fields):
            defaults += _default_row(view)
    fields = {column: field for view in views for column, field in zip(view.columns, view.fields, strict=True)}
    fields |= computed.fields
    replied = [fields[column] for column in range(len(shape.names))]
    kinds_at = first + len(body)
    body += [field.type.kind for field in replied]
    stored = [view.name for view in (views[:-1] if computed.sent else views)]
    steps = _Program(constants).reply(replied, stored, shape, kinds_at)
    program = [first + len(body), len(steps) // k.STEP_WIDTH]
    table = [len(views), len(fields), *program, *heads, *body, *steps]
    frozen = byte_table(constants)
    slack = len(frozen) + 16 * len(steps) + 64
    return ResponsePlan(
        n_columns=len(fields),
        n_replied=len(replied),
        n_views=len(views),
        sent=computed.sent,
        table=int_table(table),
        constants=frozen,
        defaults=bytes(defaults),
        slack=slack,
        transforms=computed.program,
        copies=max((Counter(view.fields).most_common(1)[0][1] for view in views if view.fields), default=1),
        made=int_table([c for c, field in computed.fields.items() if c < len(replied) and is_variable(field.type)]),
    )


def _layouts(view: ViewColumns, at: int) -> list[int]:
    """The layouts of a view, which stand in the table from `at` on, and then the ends that each of them refers to."""
    heads: list[int] = []
    ends: list[int] = []
    first = at + len(view.layouts) * (LAYOUT_SLOTS + SLOT_WIDTH * len(view.fields))
    for layout in view.layouts:
        slots = [layout.slots.get(field.name) for field in view.fields]
        checked = layout.ends if any(slot is not None and is_variable(slot.type) for slot in slots) else ()
        heads += [layout.fingerprint, layout.bitmap_bytes, layout.fixed_bytes, first + len(ends), len(checked)]
        for slot, field in zip(slots, view.fields, strict=True):
            heads += _slot(slot, field)
        ends += checked
    return heads + ends


def _slot(slot: Slot | None, field: Field) -> list[int]:
    if slot is None or slot.type != field.type:
        return [BIT_DEFAULT if field.has_default and field.default is not None else BIT_NULL, 0, 0, 0]
    entry = [slot.bit, slot.fixed, slot.before, slot.type.kind]
    assert len(entry) == SLOT_WIDTH  # noqa: S101 - the kernel's stride
    return entry


def _default_row(view: ViewColumns) -> bytes:
    """A row of the view's own layout that holds the defaults; a field that has none is not read from it."""
    layout = view.layouts[0]
    by_name = {field.name: field for field in view.fields}
    bitmap = bytearray(layout.bitmap_bytes)
    fixed = bytearray(layout.fixed_bytes)
    variable = bytearray()
    for slot in layout.slots.values():
        field = by_name.get(slot.name)
        value: DefaultValue = field.default if field is not None and field.has_default else None  # type: ignore[assignment]
        data = b"" if value is None else stored_value(slot.type, value)
        if is_variable(slot.type):
            variable += data
            fixed[slot.fixed : slot.fixed + 4] = len(variable).to_bytes(4, "little")
        else:
            fixed[slot.fixed : slot.fixed + len(data)] = data
    length = HEADER + len(bitmap) + len(fixed) + len(variable) + 4
    return length.to_bytes(4, "little") + bytes(HEADER - 4) + bitmap + fixed + variable + bytes(4)


class _Program:
    """Steps for the kernel, collected in the order of the bytes and given out in the reverse."""

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self._steps: list[list[int]] = []

    def reply(self, fields: Sequence[Field], views: Sequence[str], shape: ReplyShape, kinds_at: int) -> list[int]:
        """A `hotrow.v1.GetOnlineFeaturesReply`, with the event times of these views."""
        for column, (name, field) in enumerate(zip(shape.names, fields, strict=True)):
            self._begin(shape.columns_field)
            self._constant(length_delimited(1, name.encode()))
            if not shape.matrix:
                self._values(column, field.type.kind)
            self._constant(length_delimited(18, field.unit.encode()) if field.unit else b"")
            self._block(19, [k.STATUSES, column, 0, 0])
            self._end()
        if shape.matrix:
            self._begin(2)
            self._block(1, [k.MATRIX, kinds_at, len(fields), 0])
            self._steps.append([k.ROWS, 0, 0, 0])
            self._constant(b"".join(length_delimited(3, name.encode()) for name in shape.names))
            self._end()
        if shape.event_timestamps:
            for number, name in enumerate(views):
                self._begin(3)
                self._constant(length_delimited(1, name.encode()))
                self._block(2, [k.TIMES, number, 0, 0])
                self._end()
        if shape.snapshot:
            self._constant(length_delimited(4, shape.snapshot.encode()))
        return [number for step in reversed(self._steps) for number in step]

    def _values(self, column: int, kind: int) -> None:
        self._begin(kind + 1)
        element = kind - 8 if kind > 8 else kind
        if element in (STRING, BYTES):
            self._steps.append([k.TEXTS, column, kind, 0])
        else:
            self._block(1, [k.VALUES, column, kind, 0])
        if kind > 8:
            self._block(2, [k.LENGTHS, column, kind, 0])
        self._end()

    def _begin(self, number: int, *, omit_empty: bool = False) -> None:
        before = tag(number, LENGTH)
        self._steps.append([k.CLOSE, int(omit_empty), self._constants.put(before), len(before)])

    def _end(self) -> None:
        self._steps.append([k.OPEN, 0, 0, 0])

    def _block(self, number: int, step: list[int]) -> None:
        self._begin(number, omit_empty=True)
        self._steps.append(step)
        self._end()

    def _constant(self, data: bytes) -> None:
        if data:
            self._steps.append([k.CONSTANT, self._constants.put(data), len(data), 0])
