"""The answer of a read, as NumPy arrays, a dict, rows, a matrix, or a frame of pandas, Polars or Arrow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from hotrow.codec.column import DecodedColumn
from hotrow.codec.reply import DecodedReply, decode_reply
from hotrow.errors import not_found
from hotrow.types import TIMESTAMP

from hotrow_client import frame_arrow, frame_pandas, frame_polars


class Reply:
    """Columns in the order asked, with a row for each of the entities.

    `reply["pulse"]` is a masked array: a slot without a value is masked, and `reply.statuses("pulse")` says why.
    Numbers are copied once, from the bytes that came, so an array may be changed; a change is seen by whatever else is
    made of the same reply.
    """

    def __init__(self, decoded: DecodedReply) -> None:
        self._decoded = decoded
        self._columns = {column.name: column for column in decoded.columns}
        self.snapshot = decoded.snapshot
        self._event_times_us = decoded.event_times_us

    @classmethod
    def from_bytes(cls, data: bytes) -> "Reply":
        """The reply in a serialized `hotrow.v1.GetOnlineFeaturesReply`; raises HotrowError for other bytes."""
        return cls(decode_reply(data))

    def rows(self, start: int, stop: int) -> "Reply":
        """Some of the rows, without a copy of numbers."""
        return Reply(self._decoded.rows(start, stop))

    def __len__(self) -> int:
        """Rows."""
        return max(map(len, self._columns.values()), default=0)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> "np.ma.MaskedArray[Any, Any]":
        """The values of a column, masked where there is none; times are datetime64[us], lists an array of arrays.

        Raises HotrowError (NOT_FOUND) for a name that was not asked for.
        """
        column = self._column(name)
        values = self._values(column)
        fill = np.nan if values.dtype.kind == "f" else None
        return np.ma.MaskedArray(values, mask=~column.present, fill_value=fill)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self._columns)

    @property
    def columns(self) -> Mapping[str, DecodedColumn]:
        """The columns as they came, by name."""
        return self._columns

    @property
    def matrix(self) -> npt.NDArray[np.float32]:
        """float32 of shape (rows, columns), NaN where there is no value. Asked for with `matrix=True` it came so,
        else it is made of the numeric columns; raises TypeError where there are others.
        """
        if self._decoded.matrix is not None:
            return self._decoded.matrix.values
        out = np.full((len(self), len(self._columns)), np.nan, dtype=np.float32)
        for place, column in enumerate(self._columns.values()):
            if column.type is None or column.type.is_list or self._values(column).dtype.kind not in "fib":
                raise TypeError(f"column {column.name!r} is {column.type}, which a float32 matrix cannot hold")
            out[column.present, place] = self._values(column)[column.present]
        return out

    def statuses(self, name: str) -> npt.NDArray[np.uint8]:
        """A number of `Status` a row."""
        return self._column(name).statuses

    def event_times(self, view: str) -> "np.ma.MaskedArray[Any, Any]":
        """The event time of each row of a view (datetime64[us], UTC), masked where there is no row.

        Raises HotrowError (NOT_FOUND) unless the read asked for event timestamps of that view's features.
        """
        times_us = self._event_times_us.get(view)
        if times_us is None:
            raise not_found("view", view, self._event_times_us, field="event_timestamps")
        return np.ma.MaskedArray(times_us.view("datetime64[us]"), mask=times_us == 0)

    def to_dict(self) -> dict[str, list[Any]]:
        """Python values by column, None where there is none; times are UTC datetimes."""
        return {name: column.to_list() for name, column in self._columns.items()}

    def to_rows(self) -> list[dict[str, Any]]:
        """A dict a row."""
        columns = self.to_dict()
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def to_pandas(self) -> Any:
        """A pandas DataFrame. Where there is no value floats have NaN, integers and bools (pandas' own dtypes) pd.NA,
        times (datetime64[us, UTC]) NaT; `hotrow_client.frame_pandas` has the whole table. Units are in `attrs`.
        """
        return frame_pandas.frame(self._decoded.columns, self.snapshot)

    def to_polars(self) -> Any:
        """A Polars DataFrame, null where there is no value."""
        return frame_polars.frame(self._decoded.columns)

    def to_arrow(self) -> Any:
        """A pyarrow Table, null where there is no value; a field's metadata has the `unit`."""
        return frame_arrow.table(self._decoded.columns, self.snapshot)

    def __repr__(self) -> str:
        return f"Reply({len(self)} rows of {', '.join(self._columns)})"

    def _column(self, name: str) -> DecodedColumn:
        if name not in self._columns:
            raise not_found("column", name, self._columns)
        return self._columns[name]

    def _values(self, column: DecodedColumn) -> npt.NDArray[Any]:
        is_time = column.type is not None and column.type.element_kind == TIMESTAMP
        if isinstance(column.values, list):
            out = np.empty(len(column.values), dtype=object)
            for place, row in enumerate(column.values):
                out[place] = row.view("datetime64[us]") if is_time else row
            return out
        return column.values.view("datetime64[us]") if is_time else column.values
