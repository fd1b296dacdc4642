"""What is at a store's path: nothing yet, a store, something else, or a store that something happened to."""

import contextlib
import json
import os
import shutil
import threading
import time
from pathlib import Path

import lmdb
import pytest
from hotrow.errors import Code, HotrowError
from hotrow.stores.lmdb import folder as lmdb_folder
from hotrow.stores.lmdb import identity as lmdb_identity
from hotrow.stores.lmdb.old import create_fresh
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.stores.port import ABSENT, Write

VIEW = b"horses__"


def fill(store, make_row, rows=1000):
    store.write([Write(VIEW, [b"%d" % i for i in range(rows)], [make_row(1, bytes(200))] * rows)])


def identity(folder):
    return json.loads((folder / "store.json").read_text())


def set_identity(folder, **fields):
    (folder / "store.json").write_text(json.dumps(identity(folder) | fields))


def refusal(act):
    with pytest.raises(HotrowError) as caught:
        act()
    return caught.value


def listing(path):
    return sorted((p.name, p.read_bytes()) for p in path.iterdir() if p.is_file())


# What is no store


def _file(path):
    path.write_text("a file")


def _folder(path):
    path.mkdir()
    (path / "notes.txt").write_text("notes")


def _other_lmdb(path):
    lmdb.open(str(path), max_dbs=3).close()


@pytest.mark.parametrize("make", [_file, _folder, _other_lmdb])
@pytest.mark.parametrize("writable", [True, False])
def test_something_else_is_refused_and_left_alone(folder, make, writable):
    """FAILED_PRECONDITION naming the path; nothing is changed or put beside it, by a rebuild neither."""
    make(folder)
    before = listing(folder) if folder.is_dir() else folder.read_text()
    for act in (lambda: LmdbStore(folder, writable=writable, size_gib=0.25), lambda: create_fresh(folder)):
        error = refusal(act)
        assert error.code is Code.FAILED_PRECONDITION
        assert f"{folder} is not a hotrow store" in error.message
    assert (listing(folder) if folder.is_dir() else folder.read_text()) == before


def test_a_folder_below_a_file_is_refused(tmp_path):
    """By name, for reading and writing."""
    (tmp_path / "file").write_text("")
    for writable in (True, False):
        error = refusal(lambda w=writable: LmdbStore(tmp_path / "file" / "online", writable=w))
        assert error.code is Code.FAILED_PRECONDITION


def test_a_reader_that_comes_first_is_told_to_wait(folder, make_store, make_row):
    """UNAVAILABLE before the writer has made the store, and nothing is made by the reader."""
    error = refusal(lambda: LmdbStore(folder))
    assert error.code is Code.UNAVAILABLE
    assert "not there yet" in error.message
    assert not folder.exists()
    folder.mkdir()
    assert refusal(lambda: LmdbStore(folder)).code is Code.UNAVAILABLE
    assert list(folder.iterdir()) == []


def test_a_reader_may_wait_for_the_writer(folder, run, start):
    """It opens as soon as the store is made."""
    reader = start("say(read_rows(LmdbStore(path, wait_s=30), [VIEW], [[b'a']])[0].hex())")
    time.sleep(0.3)
    assert reader.poll() is None
    run("LmdbStore(path, size_gib=0.25, writable=True).close()\nsay('made')")
    assert json.loads(reader.communicate(timeout=20)[0]) == ABSENT.hex()


def test_the_wait_of_a_reader_ends(folder):
    """When its time is over."""
    started = time.monotonic()
    assert refusal(lambda: LmdbStore(folder, wait_s=0.2)).code is Code.UNAVAILABLE
    assert 0.2 <= time.monotonic() - started < 5


# What happened to a store


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unreadable"),
        ("[]", "unreadable"),
        ("{}", "unreadable"),
        ('{"format": 99}', "newer hotrow"),
        ("\x80", "unreadable"),
    ],
)
def test_an_identity_nobody_can_read_is_refused(folder, make_store, text, said):
    """And a rebuild makes a store of another id, for what the old one was is not known."""
    store = make_store()
    store.close()
    (folder / "store.json").write_text(text, encoding="latin-1")
    for writable in (True, False):
        error = refusal(lambda w=writable: LmdbStore(folder, writable=w))
        assert (error.code, said in error.message, "rebuild" in error.message) == (Code.FAILED_PRECONDITION, True, True)
    aside = create_fresh(folder)
    assert sorted(path.name for path in aside.iterdir()) == ["data.mdb", "store.json"]
    again = make_store()
    assert (again.id != store.id, again.epoch) == (True, 1)


SIZES = [0, 1, 100, 4095, 4096, 8191, 8192, 3 * 4096, 100_000, -4096, -1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("writable", [True, False])
def test_a_truncated_file_is_refused(folder, make_store, make_row, run, size, writable):
    """Whatever is missing of it, without a crash of the process, which is another one here."""
    store = make_store()
    fill(store, make_row)
    store.close()
    data = folder / "data.mdb"
    os.truncate(data, size if size >= 0 else data.stat().st_size + size)
    said = run(f"say(attempt(lambda: LmdbStore(path, size_gib=0.25, writable={writable}).close()))")
    assert said.startswith("FAILED_PRECONDITION")
    assert str(data.name) in said
    assert "hotrow store rebuild" in said


def test_a_file_that_lacks_free_pages_only_is_sound(folder, make_store, make_row, run):
    """LMDB does not always write a free page at the end, so a file may be short and whole."""
    store = make_store(durability="os")
    fill(store, make_row, 300)
    for stored in list(store.scan())[5:]:
        store.remove([stored])
    store.close()
    data = folder / "data.mdb"
    whole = needed = data.stat().st_size
    while not lmdb_folder.lmdb_file.structure_problems(folder):
        needed = data.stat().st_size
        shutil.copy(data, folder.parent / "kept")
        os.truncate(data, needed - 4096)
    shutil.copy(folder.parent / "kept", data)
    assert data.stat().st_size == needed < whole
    for writable in (True, False):
        said = run(
            f"store = LmdbStore(path, size_gib=0.25, writable={writable})\nsay(store.info().rows)\nstore.close()"
        )
        assert said == 5


@pytest.mark.parametrize("content", [b"not LMDB at all" * 1000, bytes(20_000), os.urandom(20_000)])
def test_a_foreign_data_file_is_refused(folder, make_store, content, run):
    """Random bytes, zeros or text in place of the data."""
    make_store().close()
    (folder / "data.mdb").write_bytes(content)
    for writable in (True, False):
        said = run(f"say(attempt(lambda: LmdbStore(path, size_gib=0.25, writable={writable})))")
        assert said.startswith("FAILED_PRECONDITION")
        assert "not an LMDB data file" in said


def test_the_data_of_another_store_is_refused(folder, make_store, tmp_path):
    """Its tokens and marks would be taken for this one's. So is an LMDB file that is nobody's store."""
    make_store().close()
    LmdbStore(tmp_path / "other", size_gib=0.25, writable=True).close()
    lmdb.open(str(tmp_path / "plain")).close()
    for name in ("other", "plain"):
        shutil.copy(tmp_path / name / "data.mdb", folder / "data.mdb")
        for writable in (True, False):
            error = refusal(lambda w=writable: LmdbStore(folder, size_gib=0.25, writable=w))
            assert error.code is Code.FAILED_PRECONDITION
            assert "rebuild" in error.message


def test_data_that_is_gone_is_told(folder, make_store):
    """An empty store is not made in its place unasked."""
    make_store().close()
    (folder / "data.mdb").unlink()
    error = refusal(make_store)
    assert error.code is Code.FAILED_PRECONDITION
    assert "data.mdb is gone" in error.message


@pytest.mark.parametrize("writable", [True, False])
def test_a_lack_of_permission_is_told(folder, make_store, run, writable):
    """By the path and the user, not as a broken store."""
    make_store().close()
    folder.chmod(0o700)
    for parent in (folder.parent, *list(folder.parent.parents)[:2]):
        parent.chmod(0o755)
    for locked in ("folder", "files"):
        if locked == "files":
            folder.chmod(0o755)
            for file in folder.iterdir():
                file.chmod(0o600)
        said = run(
            "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
            "else: [p.chmod(0) for p in (path, *path.iterdir())]\n"
            f"say(attempt(lambda: LmdbStore(path, size_gib=0.25, writable={writable})))"
        )
        assert said.startswith("FAILED_PRECONDITION")
        assert "permission denied to user" in said


# Power cuts under durability "os"


def test_the_boot_is_noted_while_commits_may_not_be_on_the_disk(folder, make_store):
    """Durability "os" notes it when it opens, takes it back when it closes; "fsync" has nothing to note."""
    store = make_store(durability="os")
    assert identity(folder)["unsynced_boot"] == lmdb_identity.boot_id() != ""
    store.close()
    assert identity(folder)["unsynced_boot"] == ""
    make_store(durability="fsync")
    assert identity(folder)["unsynced_boot"] == ""


def test_a_kill_in_the_same_boot_loses_nothing(folder, make_store, run):
    """The system has the commits: no check, the same epoch, and durability "fsync" takes the note back."""
    said = run(
        "store = LmdbStore(path, size_gib=0.25, writable=True, durability='os')\n"
        "store.write([Write(VIEW, [b'a'], [make_row(1)])])\n"
        "say([store.epoch, store.sequence()])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert identity(folder)["unsynced_boot"] == lmdb_identity.boot_id()
    store = make_store()
    assert [store.epoch, store.sequence()] == said
    assert store.info().rows == 1
    assert identity(folder)["unsynced_boot"] == ""


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_after_a_power_cut_a_sound_store_goes_on(folder, make_store, make_row, durability):
    """In a new epoch, for its last commits may be gone, and tokens of them must not be taken for later ones."""
    store = make_store(durability="os")
    fill(store, make_row)
    store.close()
    set_identity(folder, unsynced_boot="another boot")
    waiting = refusal(lambda: LmdbStore(folder))
    assert (waiting.code, "checked" in waiting.message) == (Code.UNAVAILABLE, True)
    again = make_store(durability=durability)
    assert (again.id, again.epoch, again.info().rows) == (store.id, 2, 1000)
    assert identity(folder)["unsynced_boot"] == (lmdb_identity.boot_id() if durability == "os" else "")
    again.close()
    assert make_store().epoch == 2


def test_after_a_power_cut_a_damaged_store_is_refused(folder, make_store, make_row, run):
    """A page that did not reach the disk is found before LMDB, which would abort on it, sees the file."""
    store = make_store(durability="os")
    fill(store, make_row)
    store.close()
    set_identity(folder, unsynced_boot="another boot")
    with (folder / "data.mdb").open("r+b") as data:
        data.seek(40 * 4096)
        data.write(bytes(4096))
    said = run("say(attempt(lambda: LmdbStore(path, size_gib=0.25, writable=True)))")
    assert said.startswith("FAILED_PRECONDITION")
    assert "hotrow store rebuild" in said
    assert create_fresh(folder) == folder / "old-1"
    assert make_store().epoch == 2


# Rebuilding


def test_a_rebuild_makes_an_empty_store_of_the_next_epoch(folder, make_store, make_row):
    """Of the same id, with the old data beside it."""
    store = make_store()
    fill(store, make_row)
    store.close()
    assert create_fresh(folder) == folder / "old-1"
    again = make_store()
    assert (again.id, again.epoch, again.info().rows) == (store.id, 2, 0)
    again.close()
    kept = lmdb.open(str(folder / "old-1"), readonly=True, lock=False, max_dbs=10)
    with kept.begin() as txn:
        assert txn.stat(kept.open_db(b"rows", txn=txn, create=False))["entries"] == 1000
    kept.close()
    assert create_fresh(folder) == folder / "old-2"
    assert create_fresh(folder) == folder / "old-3"


def test_a_rebuild_of_nothing_makes_a_store(folder, make_store):
    """There is nothing to put aside."""
    assert create_fresh(folder) is None
    assert (make_store().epoch, sorted(p.name for p in folder.iterdir() if p.is_dir())) == (1, [])


def test_a_rebuild_waits_for_nobody_who_stays(folder, make_store, start):
    """It is refused while a writer or a reader has the store open, for they would go on with the old data."""
    store = make_store()
    error = refusal(lambda: create_fresh(folder, wait_s=0))
    assert (error.code, f"process {os.getpid()}" in error.message) == (Code.FAILED_PRECONDITION, True)
    reader = start("store = LmdbStore(path)\nsay('open')\nsys.stdin.readline()\n")
    reader.stdout.readline()
    store.close()
    error = refusal(lambda: create_fresh(folder, wait_s=0.1))
    assert (error.code, "open in other processes" in error.message) == (Code.FAILED_PRECONDITION, True)
    reader.stdin.write("\n")
    reader.stdin.flush()
    assert create_fresh(folder, wait_s=20) is not None


class _PowerCutError(Exception):
    """Ends a step where the test wants it."""


def _cut_after(monkeypatch, steps):
    """Let the folder be changed so many times, then stop before the next change; returns how many were left."""
    left = [steps]

    def counted(act):
        def step(*args, **more):
            if left[0] == 0:
                raise _PowerCutError
            left[0] -= 1
            return act(*args, **more)

        return step

    for owner, name in (
        (Path, "rename"), (Path, "mkdir"), (Path, "unlink"), (lmdb_folder, "write_identity"),
        (lmdb_folder.lmdb_env, "build"), (lmdb_folder.shutil, "rmtree"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    return left


@pytest.mark.parametrize("steps", range(16))
def test_a_store_half_made_is_made(folder, make_store, make_row, monkeypatch, steps):
    """Wherever the process that made it ended."""
    with monkeypatch.context() as patch:
        _cut_after(patch, steps)
        with contextlib.suppress(_PowerCutError):
            LmdbStore(folder, size_gib=0.25, writable=True).close()
    store = make_store()
    fill(store, make_row, 10)
    assert (store.info().rows, store.epoch) == (10, 1)
    assert not (folder / "new").exists()


def test_the_steps_of_making_are_all_tried(folder, monkeypatch):
    """The tests above and below end with a store that is made whole."""
    left = _cut_after(monkeypatch, 15)
    LmdbStore(folder, size_gib=0.25, writable=True).close()
    assert left[0] > 0
    left[0] = 15
    create_fresh(folder)
    assert left[0] > 0


@pytest.mark.parametrize("steps", range(16))
@pytest.mark.parametrize("unsynced_boot", ["", "another boot"])
def test_a_rebuild_cut_short_leaves_the_old_store_or_the_new(
    folder, make_store, make_row, monkeypatch, steps, unsynced_boot
):
    """And a later epoch if anything was changed, so that no token of the old rows is good for the new."""
    store = make_store()
    fill(store, make_row, 10)
    store.close()
    set_identity(folder, unsynced_boot=unsynced_boot)
    with monkeypatch.context() as patch:
        _cut_after(patch, steps)
        with contextlib.suppress(_PowerCutError):
            create_fresh(folder)
    again = make_store()
    rows = again.info().rows
    assert again.id == store.id
    assert rows in {0, 10}
    assert again.epoch >= 2 or (rows == 10 and not unsynced_boot)
    assert not (folder / "new").exists()
    assert again.verify() == []


def test_writers_that_start_at_once_make_one_store(folder, start):
    """One of them makes it, the others are refused or come after it; all agree on its id."""
    source = "store = LmdbStore(path, size_gib=0.25, writable=True, wait_s=30)\nsay(store.id)\nstore.close()\n"
    processes = [start(source) for _ in range(3)]
    said = {process.communicate(timeout=60)[0] for process in processes}
    assert len(said) == 1
    assert len(json.loads(said.pop())) == 32


def test_readers_that_start_at_once_all_open(folder, make_store, start):
    """The check of the first one does not turn the others away."""
    make_store().close()
    processes = [start("say(LmdbStore(path, wait_s=20).epoch)") for _ in range(4)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["1\n"] * 4


def test_lost_and_found_is_not_in_the_way(folder, make_store):
    """The store may be the root of a volume."""
    (folder / "lost+found").mkdir(parents=True)
    assert make_store().info().rows == 0


def test_a_waiting_writer_is_let_in(folder, make_store):
    """When its predecessor closes, in the same process too."""
    store = make_store()
    timer = threading.Timer(0.2, store.close)
    timer.start()
    make_store(wait_s=10)
    timer.join()
