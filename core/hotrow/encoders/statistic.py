"""What is fitted, from a column that passes by in batches.

| statistic    | holds                                                           |
|--------------|-----------------------------------------------------------------|
| moments      | a few numbers                                                   |
| percentiles  | the column, 8 bytes a row: they are exact                       |
| edges        | a few numbers for equal width, the column for quantiles         |
| frequencies  | a count for each different value                                |
| terms        | two counts for each different n-gram                            |

Nulls are passed over, and so is NaN. Infinite numbers are refused where they would make nonsense.
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotrow.encoders.text import settings_of
from hotrow.errors import invalid
from hotrow.schema.canonical import Document
from hotrow.transforms.term import char_ngrams, word_ngrams
from hotrow.types import STRING, ValueType

Floats = npt.NDArray[np.float64]

_NEEDED_MOMENTS = {"impute": ("mean",), "standard_scale": ("mean", "scale")}


class Statistic(Protocol):
    """Takes the values of a field batch by batch: `add`, and then `result`, which raises INVALID without values."""

    def add(self, values: pa.Array) -> None: ...
    def result(self) -> Document: ...


def new_statistic(name: str, kind: str, type_: ValueType, parameters: Document) -> Statistic:
    """The statistic of that name for an encoder of a kind with parameters; `type_` is that of the field."""
    if name == "moments":
        return Moments(_NEEDED_MOMENTS.get(kind, ()))
    if name == "percentiles":
        return Percentiles(_percents(kind, parameters))
    if name == "edges":
        return Edges(parameters["buckets"], quantiles=parameters["strategy"] == "quantile")
    if name == "frequencies":
        return Frequencies(parameters, most_frequent=kind == "impute")
    assert type_.kind == STRING  # noqa: S101 - the encoder has checked it
    return Terms(parameters, words=kind == "word_ngrams")


def _percents(kind: str, parameters: Document) -> list[float]:
    if kind == "clip":
        return list(parameters["percentiles"])
    if kind == "impute":
        return [50.0]
    low, high = parameters["quantile_range"]
    return [low, 50.0, high]


def _numbers(values: pa.Array) -> Floats:
    """The values as floats, without nulls and NaN."""
    numbers: Floats = values.drop_null().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers[~np.isnan(numbers)]


def _require_finite(numbers: Floats) -> None:
    infinite = int(np.count_nonzero(np.isinf(numbers)))
    if infinite:
        raise invalid(f"{infinite} values are infinite; clip them first")


class Moments:
    """Mean and standard deviation, of all rows as one, and the least and the greatest value.

    Mean and deviation of very large numbers do not fit a float: they are left out then, or refused if `needed`.
    """

    def __init__(self, needed: tuple[str, ...] = ()) -> None:
        self._needed = needed
        self._rows = 0
        self._mean = self._squares = 0.0
        self._minimum, self._maximum = math.inf, -math.inf

    def add(self, values: pa.Array) -> None:
        numbers = _numbers(values)
        if not len(numbers):
            return
        _require_finite(numbers)
        with np.errstate(over="ignore", invalid="ignore"):
            self._add(numbers)
        self._minimum = min(self._minimum, float(numbers.min()))
        self._maximum = max(self._maximum, float(numbers.max()))

    def _add(self, numbers: Floats) -> None:
        # Chan, Golub, LeVeque: the sums of a batch and of all before it, each around its own mean.
        rows, mean = len(numbers), np.mean(numbers)
        off = numbers - mean
        squares = np.sum(off * off) - np.sum(off) ** 2 / rows
        total = self._rows + rows
        apart = mean - self._mean
        self._mean = float(self._mean + apart * rows / total)
        self._squares = float(self._squares + squares + apart * apart * self._rows * rows / total)
        self._rows = total

    def result(self) -> Document:
        _require(self._rows)
        found = {"mean": self._mean, "scale": self._scale(), "minimum": self._minimum, "maximum": self._maximum}
        lost = [name for name in self._needed if not math.isfinite(found[name])]
        if lost:
            raise invalid(f"the values are so large that their {' and '.join(lost)} exceed a Float64; clip them first")
        return {name: value for name, value in found.items() if math.isfinite(value)} | {"rows": self._rows}

    def _scale(self) -> float:
        variance = self._squares / self._rows
        if not math.isfinite(variance):
            return variance
        near = float(
            np.finfo(np.float64).eps
        )  # as scikit-learn tells a constant column from one that rounding has moved
        constant = variance <= self._rows * near * variance + (self._rows * abs(self._mean) * near) ** 2
        return 1.0 if constant else math.sqrt(variance)


class Percentiles:
    """Exact percentiles, linear between two values."""

    def __init__(self, percents: list[float]) -> None:
        if not all(0.0 <= one <= 100.0 for one in percents):
            raise invalid(f"percentiles {percents} are not between 0 and 100")
        self._percents = percents
        self._parts: list[Floats] = []

    def add(self, values: pa.Array) -> None:
        self._parts.append(_numbers(values))

    def result(self) -> Document:
        column = np.concatenate(self._parts) if self._parts else np.zeros(0)
        _require(len(column))
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.percentile(column, self._percents)
        if not np.all(np.isfinite(found)):
            raise invalid("the percentiles are not finite: values are infinite, or too far apart; clip them first")
        return {"percentiles": found.tolist(), "rows": len(column)}


class Edges:
    """The edges between buckets of equal width, or of equally many rows; as KBinsDiscretizer has them."""

    def __init__(self, buckets: int, *, quantiles: bool) -> None:
        self._buckets = buckets
        self._moments = Moments()
        self._parts: list[Floats] | None = [] if quantiles else None

    def add(self, values: pa.Array) -> None:
        self._moments.add(values)
        if self._parts is not None:
            self._parts.append(_numbers(values))

    def result(self) -> Document:
        moments = self._moments.result()
        if self._parts is None:
            if moments["minimum"] == moments["maximum"]:
                return {"edges": [], "rows": moments["rows"]}
            low, high = moments["minimum"] / 2, moments["maximum"] / 2  # whose difference a float always holds
            bounds = 2 * np.linspace(low, high, self._buckets + 1)
        else:
            percents = np.linspace(0, 100, self._buckets + 1)
            bounds = np.percentile(np.concatenate(self._parts), percents, method="averaged_inverted_cdf")
            bounds = bounds[np.ediff1d(bounds, to_begin=np.inf) > 1e-8]  # buckets without width are one
        return {"edges": bounds[1:-1].tolist(), "rows": moments["rows"]}


class Frequencies:
    """The categories of a column or of its lists, or with `most_frequent` the one value that most rows have."""

    def __init__(self, parameters: Document, *, most_frequent: bool) -> None:
        self._parameters = parameters
        self._most_frequent = most_frequent
        self._counts: Counter[Any] = Counter()
        self._rows = 0

    def add(self, values: pa.Array) -> None:
        values = values.drop_null()
        self._rows += len(values)
        separator = self._parameters.get("separator")
        if separator is not None:
            values = pc.split_pattern(values, separator)
        if pa.types.is_large_list(values.type) or pa.types.is_list(values.type):
            self._add_lists(values)
            return
        if pa.types.is_floating(values.type):
            values = values.filter(pc.invert(pc.is_nan(values)))
            _require_finite(values.to_numpy(zero_copy_only=False))
            values = pc.add(values, pa.scalar(0.0, values.type))  # -0.0 is 0.0, which Arrow would count apart
        elif pa.types.is_timestamp(values.type):
            values = values.cast(pa.int64())  # microseconds: JSON has no times
        self._count(values)

    def _add_lists(self, values: pa.Array) -> None:
        """Each label once a row."""
        rows, labels = pc.list_parent_indices(values), pc.list_flatten(values)
        table = pa.table({"row": rows, "label": labels}).group_by(["row", "label"]).aggregate([])
        labels = table.column("label").combine_chunks()
        if pa.types.is_large_string(labels.type) or pa.types.is_string(labels.type):
            labels = labels.filter(pc.not_equal(labels, ""))
        self._count(labels)

    def _count(self, values: pa.Array) -> None:
        counted = values.value_counts()
        counts = counted.field("counts").to_pylist()
        for value, count in zip(counted.field("values").to_pylist(), counts, strict=True):
            self._counts[value] += count  # not by a dict: it would lose one of two values that are equal in Python

    def result(self) -> Document:
        _require(len(self._counts))
        if self._most_frequent:
            most = max(self._counts.values())  # of equally frequent ones the least, as SimpleImputer has it
            return {"most_frequent": min(v for v, c in self._counts.items() if c == most), "rows": self._rows}
        kept = _frequent(sorted(self._counts), self._counts, self._counts, (self._parameters, self._rows))
        return {"categories": kept, "counts": [self._counts[one] for one in kept], "rows": self._rows}


class Terms:
    """The n-grams of a column of texts."""

    def __init__(self, parameters: Document, *, words: bool) -> None:
        self._parameters = parameters
        self._settings = settings_of(parameters, 0)
        self._ngrams = word_ngrams if words else char_ngrams
        self._in_rows: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._rows = 0

    def add(self, values: pa.Array) -> None:
        for text in values.drop_null().to_pylist():
            self._rows += 1
            counts = Counter(self._ngrams(text, self._settings))
            self._counts.update(counts)
            self._in_rows.update(counts.keys())

    def result(self) -> Document:
        _require(len(self._counts))
        terms = sorted(self._counts)
        return {
            "vocabulary": _frequent(terms, self._in_rows, self._counts, (self._parameters, self._rows)),
            "rows": self._rows,
        }


def _frequent(terms: list[Any], in_rows: Counter[Any], counts: Counter[Any], of: tuple[Document, int]) -> list[Any]:
    """The terms that `Frequent` keeps, in their order; of equally frequent ones the first."""
    parameters, rows = of
    least, most = parameters.get("min_rows", 1), parameters.get("max_share", 1.0) * rows
    kept = [term for term in terms if least <= in_rows[term] <= most]
    if not kept:
        raise invalid("no term is in as many rows as asked for; ask for less")
    at_most = parameters.get("at_most")
    if at_most is not None and len(kept) > at_most:
        chosen: Iterable[Any] = sorted(kept, key=lambda term: -counts[term])[:at_most]
        kept = sorted(chosen)
    return kept


def _require(values: int) -> None:
    if not values:
        raise invalid("there is no value to fit on: all are null or NaN")
