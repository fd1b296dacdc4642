"""What encoders compute: each function is copied into the definition of a transform, with its constants beside it.

So the code that a snapshot holds is the text that stands here. The names in capitals stand for constants that an
encoder is given or that are fitted; `value` is the value of the field, and no function is called for a null.
"""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hotrow.schema.function_code import FunctionCode
from hotrow.transforms.hash64 import hash64
from hotrow.transforms.term import char_counts, list_counts, one_hot, split_counts, text_place, word_counts

if TYPE_CHECKING:
    import numpy as np  # the copies import it

FILL: Any = 0.0
MEAN = CENTER = OFFSET = LOWER = UPPER = 0.0
SCALE = 1.0
EDGES: Any = ()
CATEGORIES: Any = ()
UNKNOWN_PLACE = -1
WIDTH = BUCKETS = 1
SEPARATOR = ","
SETTINGS = (1, 1, 0, 1)
OCTETS: Any = ()
ENDS: Any = ()
TABLE: Any = ()


def impute(value: Any, value_is_null: bool) -> Any:
    return FILL if value_is_null or value != value else value  # noqa: PLR0124 - NaN alone is not itself


def impute_float(value: Any, value_is_null: bool) -> Any:
    return FILL if value_is_null else float(value)


def impute_exact(value: Any, value_is_null: bool) -> Any:
    return FILL if value_is_null else value


def standard_scale(value: Any) -> Any:
    return (float(value) - MEAN) / SCALE


def min_max_scale(value: Any) -> Any:
    return float(value) * SCALE + OFFSET


def robust_scale(value: Any) -> Any:
    return (float(value) - CENTER) / SCALE


def clip(value: Any) -> Any:
    number = float(value)
    return LOWER if number < LOWER else UPPER if number > UPPER else number


def clip_exact(value: Any) -> Any:
    return LOWER if value < LOWER else UPPER if value > UPPER else value


def bucketize(value: Any) -> Any:
    number = float(value)
    if number != number:  # noqa: PLR0124 - as above
        return None
    low = 0
    high = len(EDGES)
    while low < high:
        middle = (low + high) // 2
        if EDGES[middle] <= number:
            low = middle + 1
        else:
            high = middle
    return low


def place_of(value: Any) -> Any:
    low = 0
    high = len(CATEGORIES)
    while low < high:
        middle = (low + high) // 2
        if CATEGORIES[middle] < value:
            low = middle + 1
        else:
            high = middle
    if low < len(CATEGORIES) and CATEGORIES[low] == value:
        return low
    return UNKNOWN_PLACE


def number_one_hot(value: Any) -> Any:
    return one_hot(place_of(int(value)), WIDTH)


def text_one_hot(value: Any) -> Any:
    return one_hot(text_place(value, SETTINGS, OCTETS, ENDS, TABLE), WIDTH)


def number_column(value: Any) -> Any:
    place = place_of(int(value))
    return place


def text_column(value: Any) -> Any:
    place = text_place(value, SETTINGS, OCTETS, ENDS, TABLE)
    return place


def number_multi_hot(value: Any) -> Any:
    made = np.zeros(WIDTH, np.float32)
    for one in value:
        place = place_of(one)
        if place >= 0:
            made[place] = 1.0
    return made


def split_multi_hot(value: Any) -> Any:
    return split_counts(value, SEPARATOR, SETTINGS, OCTETS, ENDS, TABLE)


def list_multi_hot(value: Any) -> Any:
    return list_counts(value, SETTINGS, OCTETS, ENDS, TABLE)


def hash_bucket(value: Any) -> Any:
    return hash64(value) % BUCKETS


def hashed_one_hot(value: Any) -> Any:
    return one_hot(hash64(value) % WIDTH, WIDTH)


def char_ngrams(value: Any) -> Any:
    return char_counts(value, SETTINGS, OCTETS, ENDS, TABLE)


def word_ngrams(value: Any) -> Any:
    return word_counts(value, SETTINGS, OCTETS, ENDS, TABLE)


def civil(days: Any) -> Any:
    shifted = days + 719468  # days since 0000-03-01, with which a year of this count begins
    era = shifted // 146097
    day_of_era = shifted - era * 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    leap = 1 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 0
    day_of_year = day_of_year - 305 if month <= 2 else day_of_year + 60 + leap
    return year, month, day, day_of_year


def date_parts(value: Any) -> Any:
    days = value // 86400000000
    micros = value % 86400000000
    year, month, day, day_of_year = civil(days)
    day_of_week = (days + 3) % 7
    week = (civil(days - day_of_week + 3)[3] - 1) // 7 + 1
    quarter = (month + 2) // 3
    hour = micros // 3600000000
    minute = micros // 60000000 % 60
    second = micros // 1000000 % 60
    is_weekend = 1 if day_of_week >= 5 else 0
    return year, quarter, month, week, day, day_of_year, day_of_week, hour, minute, second, is_weekend


_CALLED: Mapping[Callable[..., Any], tuple[Callable[..., Any], ...]] = {
    number_one_hot: (place_of,),
    number_column: (place_of,),
    number_multi_hot: (place_of,),
    date_parts: (civil,),
}
_IMPORTED = {
    function.__name__: f"{function.__module__}.{function.__name__}"
    for function in (one_hot, text_place, list_counts, split_counts, char_counts, word_counts)
} | {"hash64": "hotrow.hash64", "np": "numpy"}


def code_of(
    function: Callable[..., Any], constants: Mapping[str, object], returned: str = "", samples: tuple[str, ...] = ()
) -> FunctionCode:
    """The code of a function of this module with its constants; those that it does not name are left out.

    `returned` stands in the place of what its last line returns. `samples` are strings to try it on.
    """
    source = textwrap.dedent(inspect.getsource(function))
    if returned:
        source = source[: source.rindex("return ")] + f"return {returned}\n"
    names = set(function.__code__.co_names)
    called = {one.__name__: code_of(one, constants) for one in _CALLED.get(function, ())}
    held = {name: value for name, value in constants.items() if name in names}
    if samples:
        held["SAMPLES"] = samples
    imports = {name: target for name, target in _IMPORTED.items() if name in names}
    return FunctionCode(function.__name__, source, held, imports, called)
