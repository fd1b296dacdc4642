"""The one place that reads the time. Times are microseconds since 1970-01-01T00:00:00Z, in an int."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_YEARS_S = (315_532_800, 4_102_444_800)  # 1980 to 2100
OTHER_UNITS = {
    unit: (_YEARS_S[0] * per_s, _YEARS_S[1] * per_s)
    for unit, per_s in (("seconds", 1), ("milliseconds", 1_000), ("nanoseconds", 1_000_000_000))
}
"""Numbers that as microseconds are a time that hardly anyone means, and in one of these units one of 1980 to 2100."""
_CPUCLOCK_SCHED = 2  # with the complement of a process id, its CPU clock, as clock_getcpuclockid(3) makes it


def now_us() -> int:
    """The wall clock, in microseconds, UTC."""
    return time.time_ns() // 1000


def now_s() -> float:
    """The wall clock in seconds, as gRPC's deadlines count it."""
    return time.time()


def monotonic_s() -> float:
    """A clock for durations, in seconds."""
    return time.monotonic()


def monotonic_ns() -> int:
    """A clock for stage timings, in nanoseconds."""
    return time.perf_counter_ns()


def own_cpu_ns() -> int:
    """The CPU time that this process has used, in nanoseconds, of all its threads."""
    return time.process_time_ns()


def process_cpu_ns(pid: int) -> int:
    """The CPU time that a process has used, in nanoseconds, of all its threads; raises OSError for none there is."""
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def sleep_s(seconds: float) -> None:
    """Block this thread."""
    time.sleep(seconds)


def us_from_datetime(value: datetime) -> int:
    """Microseconds of a datetime; one without a zone is taken as UTC."""
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def datetime_from_us(value_us: int) -> datetime:
    """The UTC datetime of microseconds since the epoch; raises OverflowError outside the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=value_us)


def text_from_datetime(value: datetime) -> str:
    """ISO 8601, UTC, as short as it goes: "2024-05-01T12:00:00Z"."""
    return value.isoformat().replace("+00:00", "Z")


def text_from_us(value_us: int) -> str:
    """The same of microseconds since 1970; the number itself where no calendar has it."""
    try:
        return text_from_datetime(datetime_from_us(value_us))
    except OverflowError:
        return str(value_us)


class UnitError(ValueError):
    """A number that seems to be a time in another unit than microseconds; the text says what it would be in both."""


def checked_us(number: int) -> int:
    """A number that is to be microseconds since 1970; raises UnitError for one that seems to be of another unit, and
    OverflowError beyond 64 bits. A datetime, or an ISO 8601 text, is how such a time is given where it is meant.
    """
    if not -(1 << 63) <= number < 1 << 63:
        raise OverflowError("a time that does not fit in 64 bits of microseconds")
    for unit, (first, end) in OTHER_UNITS.items():
        if first <= number < end:
            meant = text_from_us(number * 1_000_000 * _YEARS_S[0] // first)
            raise UnitError(
                f"{text_from_us(number)} as microseconds, and {meant} as {unit}; give microseconds since 1970, or a "
                "datetime or ISO 8601 where that is meant"
            )
    return number


def us_from_text(text: str) -> int:
    """Microseconds of "now", of ISO 8601 (no zone: UTC), or of a number that is just that; raises ValueError.

    OverflowError for a number beyond 64 bits; one that seems to be of another unit raises UnitError.
    """
    if text == "now":
        return now_us()
    if text.lstrip("-").isdecimal() and len(text) > 8:  # 20240501 is a date
        return checked_us(int(text))
    return us_from_datetime(datetime.fromisoformat(text))
