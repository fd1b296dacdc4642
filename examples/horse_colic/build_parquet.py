"""Make data/horse_vitals.parquet from source/horse-colic.data; run it alone, or let tour.py do so.

300 rows, 28 attributes: the hospital number is the join key, the other 27 are features. `?` is a null.

The data set has no times. Row n of the file (from 0) gets the event time 1989-08-06T00:00:00Z, the day on which the
data set was given to its repository, plus n hours: always the same, and in the order of the file. Sixteen hospital
numbers stand on two rows, because the horse was treated twice; the later row is then the later event.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER / "source" / "horse-colic.data"
TARGET = FOLDER / "data" / "horse_vitals.parquet"
FIRST_EVENT = datetime(1989, 8, 6, tzinfo=UTC)
BETWEEN_EVENTS = timedelta(hours=1)

NUMBER, CODE, YES_NO, TEXT = pa.float64(), pa.int32(), pa.bool_(), pa.string()

# The attributes in the order of the file, each with its type.
ATTRIBUTES = {
    "surgery": YES_NO,
    "age": TEXT,
    "hospital_number": pa.int64(),
    "rectal_temp": NUMBER,
    "pulse": NUMBER,
    "respiratory_rate": NUMBER,
    "temp_of_extremities": CODE,
    "peripheral_pulse": CODE,
    "mucous_membranes": TEXT,
    "capillary_refill": CODE,
    "pain": TEXT,
    "peristalsis": CODE,
    "abdominal_distension": CODE,
    "nasogastric_tube": CODE,
    "nasogastric_reflux": CODE,
    "nasogastric_reflux_ph": NUMBER,
    "rectal_exam_feces": CODE,
    "abdomen": CODE,
    "packed_cell_volume": NUMBER,
    "total_protein": NUMBER,
    "abdomen_appearance": CODE,
    "abdomen_total_protein": NUMBER,
    "outcome": TEXT,
    "surgical_lesion": YES_NO,
    "lesion_1": TEXT,
    "lesion_2": TEXT,
    "lesion_3": TEXT,
    "pathology_data": YES_NO,
}

# Words for the codes of nominal attributes. The data says 9 for a young horse, where its description says 2.
WORDS = {
    "age": {"1": "adult", "2": "young", "9": "young"},
    "mucous_membranes": {
        "1": "normal pink",
        "2": "bright pink",
        "3": "pale pink",
        "4": "pale cyanotic",
        "5": "bright red",
        "6": "dark cyanotic",
    },
    "pain": {
        "1": "none",
        "2": "depressed",
        "3": "intermittent mild",
        "4": "intermittent severe",
        "5": "continuous severe",
    },
    "outcome": {"1": "lived", "2": "died", "3": "euthanized"},
}


def parse_value(name: str, text: str) -> float | int | bool | str | None:
    """One value of the file in its type; raises KeyError or ValueError for one that its attribute does not have."""
    kind = ATTRIBUTES[name]
    if text == "?":
        return None
    if kind == YES_NO:
        return {"1": True, "2": False}[text]
    if kind == TEXT:
        return WORDS[name][text] if name in WORDS else text
    return float(text) if kind == NUMBER else int(text)


def read_table(source: Path = SOURCE) -> pa.Table:
    """The file's rows with their event times."""
    rows = [line.split() for line in source.read_text(encoding="ascii").splitlines()]
    for number, row in enumerate(rows, 1):
        if len(row) != len(ATTRIBUTES):
            raise ValueError(f"{source}:{number} has {len(row)} values, not {len(ATTRIBUTES)}")
    columns = dict(zip(ATTRIBUTES, zip(*rows, strict=True), strict=True))
    arrays = {
        name: pa.array([parse_value(name, text) for text in texts], ATTRIBUTES[name]) for name, texts in columns.items()
    }
    times = [FIRST_EVENT + BETWEEN_EVENTS * place for place in range(len(rows))]
    return pa.table({**arrays, "event_timestamp": pa.array(times, pa.timestamp("us", tz="UTC"))})


def build(target: Path = TARGET) -> pa.Table:
    """Write the table, and return it."""
    table = read_table()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    pq.write_table(table, unfinished)
    unfinished.replace(target)
    return table


if __name__ == "__main__":
    built = build()
    print(f"{TARGET}: {built.num_rows} rows")
