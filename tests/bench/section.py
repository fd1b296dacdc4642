"""What every section of the benchmark is given."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import LoadGenerator
from tests.bench.measure import PAIRS

CALLERS = (1, 16, 64)
COMPARED_CALLERS = 16  # at which targets stand that do not say otherwise


@dataclass(frozen=True, slots=True)
class Bench:
    """The load generator, a folder on the disk to measure, and how much to do: `pairs` runs of `seconds` of each
    contender; `drivers` are those of the large store, `requests` those of the long run.
    """

    load: LoadGenerator
    folder: Path
    callers: tuple[int, ...] = CALLERS
    pairs: int = PAIRS
    seconds: float = 0.5
    drivers: int = 10_000_000
    requests: int = 1_000_000


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(text, file=sys.stderr, flush=True)
