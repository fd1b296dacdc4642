"""Entity rows from a Parquet or CSV file, and the training set into a Parquet file, a part at a time."""

import contextlib
import csv
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from hotrow.errors import Code, HotrowError, invalid
from hotrow.offline.arrow_column import arrow_type
from hotrow.offline.entity_rows import EntityColumns, joined_type
from hotrow.offline.frame import open_frame
from hotrow.offline.number_column import Mask
from hotrow.offline.parquet_file import OUT_OF_RANGE, open_file, rows_out_of_range
from hotrow.offline.progress import Progress
from hotrow.offline.training import TrainingPlan, ViewReport, join_table
from hotrow.types import FLOAT32, FLOAT64, TIMESTAMP

_BATCH_ROWS = 1 << 16
_CSV = ".csv"
_MISFIT = re.compile(r"In CSV column #(\d+): CSV (conversion error to .*)")


@dataclass(frozen=True, slots=True)
class EntityFile:
    """A file with the columns that its entity rows must have, checked."""

    path: Path
    columns: EntityColumns
    schema: pa.Schema

    def check_rows(self) -> int:
        """How many rows there are; raises INVALID, naming column and row, where a key or an event time is none."""
        rows = 0
        floats = [sent.name for sent in self.columns.request if sent.type.kind in (FLOAT64, FLOAT32)]
        infinite = False
        for batch in self.batches(self.columns.names):
            self.columns.read(pa.Table.from_batches([batch]), rows)
            rows += batch.num_rows
            infinite = infinite or any(_infinite(batch, name).any() for name in floats)
        if infinite and self.path.suffix == _CSV:
            _check_range(self.path, self.columns, floats)
        return rows

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """All columns, at least `rows` rows at a time but for the last; one empty table where there are none."""
        waiting: list[pa.RecordBatch] = []
        count = 0
        for batch in self.batches():
            waiting.append(batch)
            count += batch.num_rows
            if count >= rows:
                yield pa.Table.from_batches(waiting, self.schema)
                waiting, count = [], 0
        if waiting or not count:
            yield pa.Table.from_batches(waiting, self.schema)

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows with some columns, or all; raises INVALID where the file turns out to be damaged."""
        try:
            if self.path.suffix == _CSV:
                yield from _open_csv(self.path, self.columns, names)
                return
            with open_file(self.path) as file:
                yield from file.iter_batches(_BATCH_ROWS, columns=names)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error


def open_entity_file(path: Path, columns: EntityColumns, feature_columns: Sequence[str]) -> EntityFile:
    """Check a file's columns. By its name it is CSV (`.csv`) or else Parquet.

    Raises NOT_FOUND where there is no file, INVALID where it cannot be read or a column is not as it must be.
    """
    if not path.is_file():
        raise HotrowError(Code.NOT_FOUND, f"there is no file {path}; correct the path of the entity rows")
    try:
        if path.suffix == _CSV:
            with _open_csv(path, columns) as reader:
                schema = reader.schema
        else:
            with open_file(path) as file:
                schema = file.schema_arrow
                _check_int96(path, file.metadata, schema.names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    columns.check_names(schema.names, feature_columns)
    columns.check_types(schema)
    return EntityFile(path, columns, schema)


def _check_int96(path: Path, metadata: pq.FileMetaData, names: Sequence[str]) -> None:
    first = 0
    for group in range(metadata.num_row_groups):
        for name, rows in rows_out_of_range(path, metadata, [group], names).items():
            row = first + int(np.flatnonzero(rows)[0])
            raise invalid(f"{path}: column {name!r} in row {row} has a time that {OUT_OF_RANGE}; correct it")
        first += metadata.row_group(group).num_rows


def _open_csv(
    path: Path, columns: EntityColumns, names: Sequence[str] | None = None, *, as_text: Sequence[str] = ()
) -> pv.CSVStreamingReader:
    """What is text stays text, unless a join key or request data are of another type: "00501" is no number, and "NA" no
    null. Times alone are inferred, for of them there are many forms.
    """
    wanted = {key.name: joined_type(key.type) for key in columns.keys} | {
        sent.name: sent.type for sent in columns.request
    }
    times = {columns.event_time, *(name for name, one in wanted.items() if one.kind == TIMESTAMP)}
    held = dict.fromkeys(_csv_names(path), pa.string()) | {name: arrow_type(one) for name, one in wanted.items()}
    held = {name: one for name, one in held.items() if name not in times and name not in as_text}
    held |= dict.fromkeys(as_text, pa.string())
    options = pv.ConvertOptions(column_types=held, include_columns=list(names or ()))
    return pv.open_csv(path, convert_options=options)


def _csv_names(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return next(csv.reader(file), [])


def _infinite(batch: pa.RecordBatch, name: str) -> Mask:
    return np.asarray(np.isinf(pc.fill_null(batch.column(name), 0).to_numpy(zero_copy_only=False)), np.bool_)


def _check_range(path: Path, columns: EntityColumns, names: Sequence[str]) -> None:
    """Refuse digits that Arrow has read as infinity: a number beyond the range of its column."""
    row = 0
    with _open_csv(path, columns, names) as numbers, _open_csv(path, columns, names, as_text=names) as texts:
        for batch, text in zip(numbers, texts, strict=True):
            for name in names:
                digits = pc.match_substring_regex(text.column(name), "[0-9]").to_numpy(zero_copy_only=False)
                wrong = np.flatnonzero(digits & _infinite(batch, name))
                if len(wrong):
                    told = f"column {name!r} in row {row + wrong[0]}: {text.column(name)[int(wrong[0])]}"
                    raise invalid(f"{path}: {told} is beyond the range of the request data; correct it")
            row += batch.num_rows


def _unreadable(path: Path, error: Exception) -> HotrowError:
    brief = str(error).split("\n", 1)[0].rstrip(".")
    misfit = _MISFIT.match(brief)
    if misfit:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            name = next(csv.reader(file))[int(misfit[1])]
        return invalid(
            f"{path}: column {name!r}: {misfit[2]}; correct it: a column is of one type from its first row on"
        )
    kind = "CSV" if path.suffix == _CSV else "Parquet (a CSV file is told by .csv)"
    return invalid(f"{path} is no readable {kind}: {brief}; write it again, or correct the path")


def check_output(output: Path, entities: Path, sources: Mapping[str, Path]) -> None:
    """Raise INVALID or NOT_FOUND unless a file can be written there that is not the entity file itself, nor a part of
    what a view, by whose name it is in `sources`, is read from.
    """
    if output.is_dir():
        raise invalid(f"{output} is a folder; name a file in it")
    if output.suffix == _CSV:
        raise invalid(f"{output} is the name of a CSV file, and a training set is Parquet; name it *.parquet")
    if not output.parent.is_dir():
        raise HotrowError(Code.NOT_FOUND, f"there is no folder {output.parent}; make it, or correct the path")
    if output.exists() and entities.exists() and output.samefile(entities):
        raise invalid(f"{output} is the file of the entity rows; name another file for the training set")
    for view, source in sources.items():
        if output.resolve().is_relative_to(source.resolve()):
            raise invalid(f"view {view!r} is read from {source}; name another file than {output} for the training set")


def write_training(
    plan: TrainingPlan, entities: EntityFile, output: Path, reports: Mapping[str, ViewReport], progress: Progress
) -> int:
    """Join all rows of the file and write them to `output`, Parquet, which is there when it is whole; returns how many.

    Raises HotrowError as `join_table` does, and OSError where it cannot be written; then `output` is as it was.
    """
    unfinished = output.with_name(f".{output.name}.{secrets.token_hex(4)}.unfinished")  # another may write there too
    rows = 0
    try:
        with unfinished.open("wb") as file, contextlib.ExitStack() as opened:  # before any work: it may not be allowed
            writer: pq.ParquetWriter | None = None
            for table in entities.tables(plan.chunk_rows):
                features = join_table(plan, entities.columns.read(table, rows), reports, progress)
                training = open_frame(table).attach(features)
                writer = writer or opened.enter_context(pq.ParquetWriter(file, training.schema))
                writer.write_table(training)
                rows += training.num_rows
        unfinished.replace(output)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return rows
