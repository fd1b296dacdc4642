"""`hotrow.v1.Column` messages from lists of Python values, and back."""

from hotrow.v1.column_pb2 import NULL_VALUE, PRESENT, Column

SCALARS = ("float64", "float32", "int64", "int32", "bool", "string", "bytes", "timestamp_us")
TYPES = (*SCALARS, *(f"{scalar}_list" for scalar in SCALARS))
EMPTY = {"string": "", "bytes": b"", "bool": False}


def column(name: str, type_: str, values: list, *, unit: str = "", statuses: list[int] | None = None) -> Column:
    """A column of `values`; None is a null, and without `statuses` only a column that has one states them."""
    message = Column(name=name, unit=unit)
    put_values(message, type_, values)
    if statuses is None and None in values:
        statuses = [NULL_VALUE if value is None else PRESENT for value in values]
    message.statuses.extend(statuses or ())
    return message


def put_values(message: Column, type_: str, values: list) -> None:
    """Set the values of a column; None leaves the slot empty."""
    block = getattr(message, type_)
    block.SetInParent()
    if type_.endswith("_list"):
        for value in values:
            block.values.extend(value or ())
            block.lengths.append(len(value or ()))
    else:
        block.values.extend(EMPTY.get(type_, 0) if value is None else value for value in values)


def values_of(message: Column) -> list:
    """The values of a column, lists as lists, None where the status says null; raises ValueError for ragged ones."""
    type_ = message.WhichOneof("values")
    if type_ is None:
        raise ValueError("the column has no values")
    block = getattr(message, type_)
    values: list = list(block.values)
    if type_.endswith("_list"):
        if sum(block.lengths) != len(values):
            raise ValueError("the lengths do not sum up to the values")
        rest = iter(values)
        values = [[next(rest) for _ in range(length)] for length in block.lengths]
    if message.statuses and len(message.statuses) != len(values):
        raise ValueError("not a status a value")
    return [
        None if status == NULL_VALUE else value
        for status, value in zip(message.statuses or [PRESENT] * len(values), values, strict=True)
    ]
