"""Encoders of numbers: imputation, scaling, clipping, buckets. All give Float64 unless they say otherwise."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Unpack

from hotrow import clock
from hotrow.encoders import code
from hotrow.encoders.definition import Kind, Options, made
from hotrow.errors import invalid
from hotrow.schema.canonical import Document
from hotrow.schema.field import Field
from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.types import BOOL, BYTES, FLOAT32, FLOAT64, INT32, INT64, STRING, Float64, Int64, ValueType

_FLOATS, _WHOLE = (FLOAT64, FLOAT32), (INT64, INT32)
FILLS = ("mean", "median", "most_frequent", "constant")


def impute(
    name: str,
    of: object,
    *,
    strategy: Literal["mean", "median", "most_frequent", "constant"] = "mean",
    fill: float | str | bool | datetime | None = None,
    **options: Unpack[Options],
) -> Transform:
    """A value in the place of a null, a missing row, a row past its ttl, and of NaN; as SimpleImputer.

    `fill` is the value; without it the mean, the median or the most frequent value is fitted. The output has the
    field's type, but Float64 for the mean or the median of integers. The `fill` of a UnixTimestamp is a datetime with a
    time zone, or microseconds.
    """
    if isinstance(fill, datetime):
        fill = clock.us_from_datetime(fill)
    return made(IMPUTE, name, of, {"strategy": strategy if fill is None else "constant", "fill": fill}, options)


def standard_scale(
    name: str, of: object, *, mean: float | None = None, scale: float | None = None, **options: Unpack[Options]
) -> Transform:
    """(value - mean) / scale, the scale being the standard deviation of all rows; as StandardScaler."""
    return made(STANDARD_SCALE, name, of, {"mean": mean, "scale": scale}, options)


def min_max_scale(
    name: str,
    of: object,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    feature_range: tuple[float, float] = (0.0, 1.0),
    **options: Unpack[Options],
) -> Transform:
    """From minimum to maximum onto `feature_range`; as MinMaxScaler. Values beyond the two go beyond the range."""
    parameters = {"minimum": minimum, "maximum": maximum, "feature_range": feature_range}
    return made(MIN_MAX_SCALE, name, of, parameters, options)


def robust_scale(
    name: str,
    of: object,
    *,
    center: float | None = None,
    scale: float | None = None,
    quantile_range: tuple[float, float] = (25.0, 75.0),
    **options: Unpack[Options],
) -> Transform:
    """(value - center) / scale: the median, and the distance of two percentiles; as RobustScaler."""
    return made(ROBUST_SCALE, name, of, {"center": center, "scale": scale, "quantile_range": quantile_range}, options)


def clip(
    name: str,
    of: object,
    *,
    lower: float | None = None,
    upper: float | None = None,
    percentiles: tuple[float, float] | None = None,
    **options: Unpack[Options],
) -> Transform:
    """No less than `lower` and no more than `upper`, as numpy.clip, or between two percentiles, which are fitted.

    The output has the field's type, but Float64 for integers between bounds that are floats.
    """
    if (lower is None and upper is None) == (percentiles is None):
        raise invalid(f"encoder {name!r}: give lower, upper or both, or else percentiles")
    return made(CLIP, name, of, {"lower": lower, "upper": upper, "percentiles": percentiles}, options)


def bucketize(
    name: str,
    of: object,
    *,
    edges: Sequence[float] | None = None,
    buckets: int | None = None,
    strategy: Literal["quantile", "equal_width"] = "quantile",
    **options: Unpack[Options],
) -> Transform:
    """The number of the bucket, Int64: how many edges are at most the value; NaN gives null.

    `edges` parts the numbers into one bucket more. Without them the edges between `buckets` of equal width, or of
    equally many rows, are fitted, as KBinsDiscretizer does with `encode="ordinal"`.
    """
    if (edges is None) == (buckets is None):
        raise invalid(f"encoder {name!r}: give either edges, or the number of buckets to fit")
    if edges is not None:
        return made(BUCKETIZE, name, of, {"edges": _floats(f"encoder {name!r}: edges", edges)}, options)
    return made(BUCKETIZE, name, of, {"buckets": buckets, "strategy": strategy}, options)


def _floats(what: str, numbers: Sequence[float]) -> list[float]:
    try:
        return [float(number) for number in numbers]
    except (TypeError, ValueError, OverflowError):
        raise invalid(f"{what} are {numbers!r}; give a list of numbers") from None


def require_number(field: Field) -> None:
    """Raise INVALID for a field that is no number."""
    if field.type.kind not in (*_FLOATS, *_WHOLE):
        raise invalid(f"it takes numbers, and {field.label} is {field.type}")


def _needs(statistic: str, *names: str) -> Any:
    """A `Kind.statistic`: needed unless the parameters have all of these."""

    def needed(field: Field, parameters: Document) -> str:
        require_number(field)
        given = [name for name in names if name in parameters]
        if given and len(given) < len(names):
            raise invalid(f"give all of {', '.join(names)}, or none of them to have them fitted")
        return "" if given else statistic

    return needed


def _float64(name: str, field: Field, values: Document) -> list[Field]:
    del field, values
    return [Field(name, Float64)]


def _impute_statistic(field: Field, parameters: Document) -> str:
    strategy = parameters["strategy"]
    if strategy not in FILLS:
        raise invalid(f"strategy is {strategy!r}; give one of {', '.join(FILLS)}")
    if strategy in ("mean", "median"):
        require_number(field)
    if field.type.is_list or field.type.kind == BYTES:
        raise invalid(f"it takes single values that are no Bytes, and {field.label} is {field.type}")
    if strategy == "constant":
        if "fill" not in parameters:
            raise invalid('strategy "constant" takes a fill')
        _check_fill(field.type, parameters["fill"])
        return ""
    return {"mean": "moments", "median": "percentiles", "most_frequent": "frequencies"}[str(strategy)]


def _check_fill(type_: ValueType, fill: object) -> None:
    wanted: tuple[type, ...] = {STRING: (str,)}.get(type_.kind, (int, float) if type_.kind in _FLOATS else (int,))
    if not isinstance(fill, wanted) or (isinstance(fill, bool) and type_.kind != BOOL):
        raise invalid(f"fill {fill!r} is no {type_}")
    if type_.kind == INT32 and isinstance(fill, int) and not -(1 << 31) <= fill < 1 << 31:
        raise invalid(f"fill {fill!r} does not fit {type_}")


def _impute_code(field: Field, values: Document) -> FunctionCode:
    strategy, fill = values["strategy"], values.get("fill")
    if fill is None:
        fill = values["percentiles"][0] if strategy == "median" else values[strategy]
    if field.type.kind in _FLOATS:
        return code.code_of(code.impute, {"FILL": float(fill)})
    if strategy in ("mean", "median"):
        return code.code_of(code.impute_float, {"FILL": float(fill)})
    return code.code_of(code.impute_exact, {"FILL": bool(fill) if field.type.kind == BOOL else fill})


def _impute_outputs(name: str, field: Field, values: Document) -> list[Field]:
    widened = values["strategy"] in ("mean", "median") and field.type.kind in _WHOLE
    return [Field(name, Float64 if widened else field.type, unit=field.unit)]


def _standard_code(_field: Field, values: Document) -> FunctionCode:
    return code.code_of(code.standard_scale, {"MEAN": float(values["mean"]), "SCALE": _scale(values["scale"])})


def _min_max_code(_field: Field, values: Document) -> FunctionCode:
    low, high = map(float, values["feature_range"])
    minimum, maximum = float(values["minimum"]), float(values["maximum"])
    if not (low < high and minimum <= maximum):
        raise invalid("the minimum of a range is not below its maximum")
    scale = (high - low) / _scale(maximum - minimum)
    return code.code_of(code.min_max_scale, {"SCALE": scale, "OFFSET": low - minimum * scale})


def _robust_code(_field: Field, values: Document) -> FunctionCode:
    if "percentiles" in values:
        lower, center, upper = map(float, values["percentiles"])
        return code.code_of(code.robust_scale, {"CENTER": center, "SCALE": _scale(upper - lower)})
    return code.code_of(code.robust_scale, {"CENTER": float(values["center"]), "SCALE": _scale(values["scale"])})


def _scale(value: float) -> float:
    """A scale to divide by: 1 where all values are equal, as scikit-learn has it."""
    if not math.isfinite(value) or value < 0:
        raise invalid(f"the scale {value!r} is no positive number")
    return 1.0 if value < 10 * 2.0**-52 else float(value)


def _clip_statistic(field: Field, parameters: Document) -> str:
    require_number(field)
    return "percentiles" if "percentiles" in parameters else ""


def _bounds(field: Field, values: Document) -> tuple[Any, Any, bool]:
    """Lower, upper, and whether they are compared as they are: integers with integers."""
    found = values["percentiles"] if "percentiles" in values else (values.get("lower"), values.get("upper"))
    exact = field.type.kind in _WHOLE and all(one is None or type(one) is int for one in found)
    lower, upper = found
    if exact:
        return -(1 << 63) if lower is None else lower, (1 << 63) - 1 if upper is None else upper, True
    return -math.inf if lower is None else float(lower), math.inf if upper is None else float(upper), False


def _clip_code(field: Field, values: Document) -> FunctionCode:
    lower, upper, exact = _bounds(field, values)
    if not lower <= upper:
        raise invalid(f"lower {lower!r} is not below upper {upper!r}")
    return code.code_of(code.clip_exact if exact else code.clip, {"LOWER": lower, "UPPER": upper})


def _clip_outputs(name: str, field: Field, values: Document) -> list[Field]:
    exact = field.type.kind in _WHOLE and "percentiles" not in values and _bounds(field, values)[2]
    kept = field.type if exact or field.type.kind == FLOAT32 else Float64
    return [Field(name, kept, unit=field.unit)]


def _bucket_statistic(field: Field, parameters: Document) -> str:
    require_number(field)
    if "edges" in parameters:
        return ""
    if not isinstance(parameters["buckets"], int) or parameters["buckets"] < 2:
        raise invalid(f"buckets is {parameters['buckets']!r}; give 2 or more")
    strategies = {"quantile": "edges", "equal_width": "edges"}
    if parameters["strategy"] not in strategies:
        raise invalid(f"strategy is {parameters['strategy']!r}; give one of {', '.join(strategies)}")
    return strategies[parameters["strategy"]]


def _bucket_code(_field: Field, values: Document) -> FunctionCode:
    import numpy as np  # noqa: PLC0415 - `import hotrow` does not load it

    edges = np.array(values["edges"], np.float64)
    if np.any(edges[1:] <= edges[:-1]):
        raise invalid("the edges do not rise")
    return code.code_of(code.bucketize, {"EDGES": edges})


def _int64(name: str, field: Field, values: Document) -> list[Field]:
    del field, values
    return [Field(name, Int64)]


IMPUTE = Kind("impute", _impute_statistic, _impute_code, _impute_outputs, masked=True)
STANDARD_SCALE = Kind("standard_scale", _needs("moments", "mean", "scale"), _standard_code, _float64)
MIN_MAX_SCALE = Kind("min_max_scale", _needs("moments", "minimum", "maximum"), _min_max_code, _float64)
ROBUST_SCALE = Kind("robust_scale", _needs("percentiles", "center", "scale"), _robust_code, _float64)
CLIP = Kind("clip", _clip_statistic, _clip_code, _clip_outputs)
BUCKETIZE = Kind("bucketize", _bucket_statistic, _bucket_code, _int64)
KINDS = (IMPUTE, STANDARD_SCALE, MIN_MAX_SCALE, ROBUST_SCALE, CLIP, BUCKETIZE)
