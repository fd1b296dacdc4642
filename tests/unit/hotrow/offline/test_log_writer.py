"""The log of pushed rows: what its files hold, that each row gets there once, and what becomes of many small files."""

import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from hotrow import clock
from hotrow.errors import Code, HotrowError
from hotrow.offline.row_log import merge as log_merge
from hotrow.offline.row_log import writer as log_writer
from hotrow.offline.row_log.folder import (
    CREATED_TIME,
    DELETED,
    EVENT_TIME,
    complete_files,
    current_files,
    last_number,
)
from hotrow.offline.row_log.writer import LogWriter
from support.pushlog import (
    DAY_US,
    OTHER_ID,
    VIEW,
    VIEW_ID,
    WIDER,
    CrashError,
    Filled,
    crash_at,
    files_of,
    logged_rows,
    logged_values,
)

FOLDER = f"stats-{VIEW_ID.hex()}"
NAME = "{0:020d}-{1:020d}.parquet"


@pytest.fixture
def store():
    return Filled()


@pytest.fixture
def writer_of(tmp_path):
    """Makes the writer of the log of the test, in place of the one before."""
    made = []

    def make(store, **options):
        for one in made:
            one.close()
        made[:] = [LogWriter(tmp_path / "log", store, **options)]
        return made[0]

    yield make
    for one in made:
        one.close()


def never():
    return False


def test_rows_come_into_a_file_a_view(tmp_path, store, writer_of):
    """Named by the day and by the numbers of the entries, which then are out of the outbox."""
    store.push(2)
    other = store.push(1, view_id=OTHER_ID)
    store.push(1)
    assert writer_of(store).drain() == 4
    assert files_of(tmp_path / "log") == [
        f"{FOLDER}/date=1970-01-02/{NAME.format(1, 4)}",
        f"stats-{OTHER_ID.hex()}/date=1970-01-02/{NAME.format(3, 3)}",
    ]
    assert logged_values(tmp_path / "log") == [0, 1, 3]
    assert logged_values(tmp_path / "log", OTHER_ID) == other
    assert store.info().outbox == 0
    assert logged_rows(tmp_path / "log")[1] == {"id": 1, "x": 1, EVENT_TIME: 1, CREATED_TIME: DAY_US, DELETED: False}


def test_an_empty_outbox_writes_nothing(tmp_path, store, writer_of):
    """No folder, no file."""
    assert writer_of(store).drain() == 0
    assert files_of(tmp_path / "log") == []


def test_a_day_and_a_schema_begin_a_file(tmp_path, store, writer_of):
    """Also where the clock went back, and where the schema does."""
    store.push(1)
    store.push(1, created_us=2 * DAY_US)
    store.push(1, created_us=2 * DAY_US - 1)
    store.push(1, view=WIDER)
    store.push(1)
    writer_of(store).drain()
    assert files_of(tmp_path / "log") == [
        f"{FOLDER}/date=1970-01-02/{NAME.format(number, number)}" for number in (1, 3, 4, 5)
    ] + [f"{FOLDER}/date=1970-01-03/{NAME.format(2, 2)}"]
    assert sorted(logged_values(tmp_path / "log")) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("place", ["log_written", "log_renamed"])
@pytest.mark.parametrize("view_ids", [(VIEW_ID,), (VIEW_ID, OTHER_ID)])
def test_a_crash_writes_no_row_twice(tmp_path, store, writer_of, place, view_ids):
    """Before a file has its name it is as if it were not there, and after that it says what need not be written."""
    for view_id in view_ids:
        store.push(5, view_id=view_id)
    with pytest.raises(CrashError):
        writer_of(store, reached=crash_at(place)).drain()
    assert store.info().outbox == 5 * len(view_ids)
    store.push(3)
    writer_of(store).drain()
    assert logged_values(tmp_path / "log") == [0, 1, 2, 3, 4, *range(store.pushed - 3, store.pushed)]
    if len(view_ids) > 1:
        assert logged_values(tmp_path / "log", OTHER_ID) == [5, 6, 7, 8, 9]
    assert store.info().outbox == 0


def test_what_was_half_written_is_removed(tmp_path, store, writer_of):
    """By the next writer, wherever it is."""
    store.push(1)
    writer_of(store).drain()
    left = tmp_path / "log" / FOLDER / "date=1970-01-02" / f".{NAME.format(2, 9)}.tmp"
    left.write_bytes(b"half")
    writer_of(store)
    assert not left.exists()
    assert logged_values(tmp_path / "log") == [0]


def test_a_large_outbox_is_written_batch_by_batch(tmp_path, store, writer_of, monkeypatch):
    """Each is removed before the next is read, and it can be stopped between two."""
    monkeypatch.setattr(log_writer, "_BATCH_BYTES", 1)
    values = store.push(2500)
    left = iter([False, False, True])
    writer = writer_of(store)
    assert writer.drain(lambda: next(left)) == 2000
    assert store.info().outbox == 500
    assert writer.drain() == 500
    assert len(files_of(tmp_path / "log")) == 3
    assert logged_values(tmp_path / "log") == values


def test_small_files_are_merged(tmp_path, store, writer_of):
    """Sixteen into one, whose numbers span theirs, and sixteen of those again when they are small still."""
    writer = writer_of(store)
    log, day = tmp_path / "log", tmp_path / "log" / FOLDER / "date=1970-01-02"
    for number in range(1, 32):
        store.push(1)
        writer.drain()
        writer.merge(never)
        assert logged_values(log) == list(range(number))
        assert len(current_files(complete_files(day))) <= log_merge.FILES
    assert [(file.first, file.last) for file in current_files(complete_files(day))] == [(1, 31)]
    assert last_number(log) == 31
    assert pq.ParquetFile(day / NAME.format(1, 31)).schema_arrow.metadata is None


def test_merged_files_go_later(tmp_path, store, writer_of, monkeypatch):
    """A reader that began before the merge still finds them for an hour, and a new one does not look at them."""
    writer = writer_of(store)
    log = tmp_path / "log"
    for _ in range(16):
        store.push(1)
        writer.drain()
    writer.merge(never)
    assert len(files_of(log)) == 17
    writer.merge(never)
    assert len(files_of(log)) == 17
    later_s = clock.now_s() + log_merge.KEPT_S + 1
    monkeypatch.setattr(clock, "now_s", lambda: later_s)
    writer.merge(never)
    assert files_of(log) == [f"{FOLDER}/date=1970-01-02/{NAME.format(1, 16)}"]
    assert logged_values(log) == list(range(16))


@pytest.mark.parametrize("place", ["merge_written", "merge_renamed"])
def test_a_crash_in_a_merge_loses_and_doubles_nothing(tmp_path, store, writer_of, place):
    """Whatever is there afterwards, every row is read once, and the next writer merges."""
    writer = writer_of(store, reached=crash_at(place))
    for _ in range(16):
        store.push(1)
        writer.drain()
    with pytest.raises(CrashError):
        writer.merge(never)
    assert logged_values(tmp_path / "log") == list(range(16))
    store.push(1)
    writer = writer_of(store)
    writer.drain()
    writer.merge(never)
    assert logged_values(tmp_path / "log") == list(range(17))
    day = tmp_path / "log" / FOLDER / "date=1970-01-02"
    assert [(file.first, file.last) for file in current_files(complete_files(day))] == [(1, 16), (17, 17)]


def test_files_of_two_schemas_or_days_are_not_merged(tmp_path, store, writer_of):
    """Nor are rows lost that lie between the numbers of files that are."""
    writer = writer_of(store)
    for number in range(40):
        if number % 2:
            store.push(1, created_us=3 * DAY_US)
        else:
            store.push(1, view=WIDER if number >= 36 else VIEW)
        writer.drain()
        writer.merge(never)
    log = tmp_path / "log"
    assert sorted(logged_values(log)) == list(range(40))
    sizes = [
        [(file.first, file.last) for file in current_files(complete_files(log / FOLDER / day))]
        for day in ("date=1970-01-02", "date=1970-01-04")
    ]
    assert sizes[0] == [(1, 31), (33, 33), (35, 35), (37, 37), (39, 39)]
    assert sizes[1] == [(2, 32), (34, 34), (36, 36), (38, 38), (40, 40)]


def test_two_processes_do_not_write_one_log(tmp_path, store, writer_of):
    """The second is told what to set."""
    writer_of(store)
    script = (
        "import sys; from pathlib import Path; from hotrow.errors import HotrowError\n"
        "from hotrow.offline.row_log.writer import LogWriter\n"
        "from hotrow.stores.memory import MemoryStore\n"
        "try: LogWriter(Path(sys.argv[1]), MemoryStore())\n"
        "except HotrowError as error: print(error.code.name, error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log")], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("FAILED_PRECONDITION")
    assert "offline_store.path" in done.stdout


def test_a_writer_loads_no_pyarrow_before_a_row(tmp_path):
    """A worker whose pushes go online alone does without it."""
    script = (
        "import sys; from pathlib import Path\n"
        "from hotrow.offline.row_log.writer import LogWriter\n"
        "from hotrow.stores.memory import MemoryStore\n"
        "print(LogWriter(Path(sys.argv[1]), MemoryStore()).drain(), 'pyarrow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["0", "False"]


def test_a_log_that_cannot_be_written_keeps_rows_in_the_outbox(tmp_path, store, writer_of):
    """The error says what to do, nothing half written is left, and later it works."""
    values = store.push(3)
    writer = writer_of(store)
    blocker = tmp_path / "log" / FOLDER
    blocker.write_text("in the way")
    with pytest.raises(HotrowError, match=r"offline_store\.path") as refusal:
        writer.drain()
    assert refusal.value.code is Code.UNAVAILABLE
    assert store.info().outbox == 3
    blocker.unlink()
    assert writer.drain() == 3
    assert logged_values(tmp_path / "log") == values


def test_a_store_that_takes_the_place_of_another_goes_on_behind_its_numbers(tmp_path, store, writer_of):
    """Otherwise what it logs would count as there already."""
    store.push(5)
    writer_of(store).drain()
    fresh = Filled()
    fresh.reserve_outbox(last_number(tmp_path / "log"))
    fresh.push(2)
    assert writer_of(fresh).drain() == 2
    assert logged_values(tmp_path / "log") == [0, 1, 2, 3, 4, 0, 1]
