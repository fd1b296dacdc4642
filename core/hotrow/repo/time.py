"""Times as the methods of `FeatureStore` take them."""

from datetime import datetime

import numpy as np

from hotrow.clock import UnitError, checked_us, us_from_datetime, us_from_text
from hotrow.codec.number_values import us_from_datetime64
from hotrow.errors import invalid


def time_us(name: str, time: object) -> int:
    """Microseconds of a datetime, a datetime64, an ISO 8601 text, "now", or an integer of them; raises INVALID."""
    missing = time != time  # noqa: PLR0124 - NaT, pandas' and NumPy's, alone is no equal of its own
    try:
        if isinstance(time, datetime) and not missing:
            return us_from_datetime(time)
        if isinstance(time, np.datetime64) and not missing:
            return int(us_from_datetime64(name, np.asarray(time)))
        if isinstance(time, int | np.integer) and not isinstance(time, bool):
            return checked_us(int(time))
        return us_from_text(str(time))
    except (UnitError, OverflowError) as error:
        raise invalid(f"{name}: {time} is {error}") from None
    except ValueError:
        raise invalid(
            f'{name} is {time!r}; give a datetime, an ISO 8601 text such as "2024-05-01", "now", or microseconds'
        ) from None
