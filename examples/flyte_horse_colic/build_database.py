"""Make repository/data/clinic.db, the database that this example reads, from the Horse Colic data set.

The table `treatments` is raw: the 28 attributes as they stand in the file, codes and all, `?` as NULL. The data set has
no times, so row n (from 0) is admitted n hours after 1989-08-06T00:00:00Z, as in the demo repository beside this one.
"""

import contextlib
import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER.parent / "horse_colic" / "source" / "horse-colic.data"
FIRST, BETWEEN = datetime(1989, 8, 6, tzinfo=UTC), timedelta(hours=1)

COLUMNS = """
surgery age hospital_number rectal_temp pulse respiratory_rate temp_of_extremities peripheral_pulse mucous_membranes
capillary_refill pain peristalsis abdominal_distension nasogastric_tube nasogastric_reflux nasogastric_reflux_ph
rectal_exam_feces abdomen packed_cell_volume total_protein abdomen_appearance abdomen_total_protein outcome
surgical_lesion lesion_1 lesion_2 lesion_3 pathology_data
""".split()  # noqa: SIM905 - a list of them would be a page


def build_database(target: Path, source: Path = SOURCE) -> int:
    """Write the database, whole or not at all, and return how many rows it has; raises OSError, ValueError."""
    rows = [_values(line.split()) for line in source.read_text(encoding="ascii").splitlines()]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:  # another process may build it at the same time
        unfinished = Path(folder) / target.name
        with contextlib.closing(sqlite3.connect(unfinished)) as connection, connection:
            connection.execute(
                f"CREATE TABLE treatments (admitted_at TEXT, {', '.join(f'{c} NUMERIC' for c in COLUMNS)})"
            )
            connection.executemany(
                f"INSERT INTO treatments VALUES (?{', ?' * len(COLUMNS)})",
                [((FIRST + BETWEEN * place).isoformat(), *row) for place, row in enumerate(rows)],
            )
        unfinished.replace(target)
    return len(rows)


def _values(texts: list[str]) -> list[str | None]:
    if len(texts) != len(COLUMNS):
        raise ValueError(f"a row of the data file has {len(texts)} values, not {len(COLUMNS)}: {' '.join(texts)}")
    return [None if text == "?" else text for text in texts]
