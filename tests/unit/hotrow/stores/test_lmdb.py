"""The LMDB store among processes, and when it is full."""

import json
import os
import random
import shutil
import signal
import subprocess

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.stores.lmdb.file import structure_problems
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.stores.port import ABSENT, WRITTEN, Mark, StoredRow, Write, read_rows
from lmdb import verify as lmdb_verify

VIEW = b"horses__"
OPEN = "store = LmdbStore(path, size_gib=0.25, writable=True)\n"


def put(store, keys, rows, **more):
    return store.write([Write(VIEW, keys, rows, **more)])[0]


def test_a_store_outlives_its_process(make_store, make_row):
    """Rows, marks, watermarks, schemas, the sequence and the identity are there again."""
    store = make_store()
    first = put(store, [b"a"], [make_row(1)], mark=Mark(b"m", b"d", b"n"), watermark_us=7)
    store.put_schemas({b"schema_1": b"[]"})
    before = store.id, store.epoch, store.sequence()
    store.close()
    again = make_store()
    assert (again.id, again.epoch, again.sequence()) == before
    assert read_rows(again, [VIEW], [[b"a"]]) == [make_row(1)]
    replay = put(again, [b"a"], [make_row(1)], mark=Mark(b"m", b"d"))
    assert (replay.replayed, replay.sequence, replay.note) == (True, first.sequence, b"n")
    assert (again.watermark_us(VIEW), again.schemas()) == (7, {b"schema_1": b"[]"})


def test_a_reader_of_another_process_sees_a_write_at_once(make_store, make_row, start):
    """When `write` has returned, a read that starts anywhere sees it."""
    store = make_store()
    reader = start(
        "store = LmdbStore(path)\n"
        "for line in sys.stdin:\n"
        "    say([read_rows(store, [VIEW], [[b'k']])[0].hex(), store.sequence(), store.id, store.epoch])\n"
    )
    for time_us in range(1, 30):
        sequence = put(store, [b"k"], [make_row(time_us)]).sequence
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert json.loads(reader.stdout.readline()) == [make_row(time_us).hex(), sequence, store.id, store.epoch]


def test_a_second_writer_is_refused_by_the_name_of_the_first(make_store, run):
    """In another process or in this one; a reader is welcome."""
    make_store()
    said = run("say(attempt(lambda: LmdbStore(path, writable=True)))")
    assert said.startswith("FAILED_PRECONDITION")
    assert f"process {os.getpid()}" in said
    with pytest.raises(HotrowError, match=f"process {os.getpid()}") as refusal:
        make_store()
    assert refusal.value.code is Code.FAILED_PRECONDITION
    assert run("say(attempt(lambda: LmdbStore(path)))") == "done"


def test_a_writer_waits_for_its_predecessor(make_store, start):
    """Within the time it is given."""
    other = start(OPEN + "say('open')\nsys.stdin.readline()\nstore.close()\nsys.stdin.readline()\n")
    assert json.loads(other.stdout.readline()) == "open"
    other.stdin.write("\n")
    other.stdin.flush()
    assert make_store(wait_s=10).sequence() > 0


def test_a_writer_that_is_killed_leaves_what_it_committed(make_store, make_row, start):
    """Killed between write and commit: the rows of that transaction are not there, those before are."""
    other = start(
        "def reached(place):\n"
        "    if armed: os.kill(os.getpid(), signal.SIGKILL)\n"
        "armed = False\n"
        "store = LmdbStore(path, size_gib=0.25, writable=True, reached=reached)\n"
        "say(store.write([Write(VIEW, [b'a', b'b'], [make_row(1)] * 2, Mark(b'm', b'd'))])[0].sequence)\n"
        "armed = True\n"
        "store.write([Write(VIEW, [b'a', b'c'], [make_row(2)] * 2, Mark(b'n', b'd'))])\n"
    )
    output, _ = other.communicate(timeout=30)
    assert other.returncode == -signal.SIGKILL
    store = make_store()
    assert store.sequence() == json.loads(output)
    assert read_rows(store, [VIEW], [[b"a", b"b", b"c"]]) == [make_row(1), make_row(1), ABSENT]
    assert not put(store, [b"c"], [make_row(2)], mark=Mark(b"n", b"d")).replayed
    assert put(store, [b"a"], [make_row(1)], mark=Mark(b"m", b"d")).replayed
    assert store.verify() == []


def test_a_reader_that_is_killed_is_forgotten(make_store, make_row, start):
    """Its slot, which would keep old pages for ever, is freed on demand."""
    store = make_store()
    put(store, [b"a"], [make_row(1)])
    reader = start(
        "env = lmdb.open(str(path), readonly=True)\ntxn = env.begin()\nsay(txn.id())\nsys.stdin.readline()\n"
    )
    assert json.loads(reader.stdout.readline()) == store.sequence()
    assert store.clear_stale_readers() == 0
    reader.kill()
    reader.wait()
    assert store.clear_stale_readers() == 1
    assert store.clear_stale_readers() == 0


def test_a_full_map_refuses_writes_and_loses_nothing(make_store, make_row, run):
    """EXHAUSTED, with everything acknowledged there; removals find room, and then writes do."""
    store = make_store(size_gib=1 / 1024)  # 1 MiB
    rows, number = {}, 0

    def fill():
        nonlocal number
        while True:
            keys = [b"%05d" % (number + i) for i in range(20)]
            put(store, keys, [make_row(1, bytes(500))] * 20)
            rows.update(dict.fromkeys(keys, make_row(1, bytes(500))))
            number += 20

    with pytest.raises(HotrowError, match="size_gib") as refusal:
        fill()
    assert (refusal.value.code, refusal.value.retry_after_s) == (Code.EXHAUSTED, None)
    assert "hotrow store gc" in refusal.value.message
    assert len(rows) > 500
    for _ in range(3):
        with pytest.raises(HotrowError):
            put(store, [b"big"], [make_row(1, bytes(100_000))])
    assert [(stored.key, stored.row) for stored in store.scan()] == sorted(rows.items())
    assert run("say(len(list(LmdbStore(path, size_gib=1 / 1024).scan())))") == len(rows)
    half = len(rows) // 2
    assert store.remove(list(store.scan())[:half]) == half
    assert put(store, [b"big"], [make_row(1, bytes(100_000))]).outcomes == bytes([WRITTEN])
    with pytest.raises(HotrowError, match="size_gib"):  # the room for removals is not for writes
        fill()
    assert store.info().used_bytes <= 1 << 20
    for _ in range(20):  # nor does it wear out
        half = len(list(store.scan())) // 2
        assert store.remove(list(store.scan())[:half]) == half
        with pytest.raises(HotrowError, match="size_gib"):
            fill()
    assert store.verify() == []
    size_bytes = store.info().size_bytes
    store.close()
    assert make_store(size_gib=2 / 1024).info().size_bytes == 2 * size_bytes


def test_a_reader_of_a_smaller_map_follows(make_store, make_row, start):
    """The size may be raised for the writer first; readers of the old size go on."""
    store = make_store(size_gib=0.25)
    reader = start(
        "store = LmdbStore(path, size_gib=1 / 1024)\n"
        "for line in sys.stdin:\n"
        "    say([len(read_rows(store, [VIEW], [[b'%d' % i for i in range(100)]])[50]), store.info().rows])\n"
    )
    for size, rows in ((500, 100), (1_000_000, 100)):  # 100 MB is over its size and the reserve
        put(store, [b"%d" % i for i in range(100)], [make_row(size, bytes(size))] * 100)
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert json.loads(reader.stdout.readline()) == [36 + size, rows]


FULL_DISK = """
import subprocess
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)], check=True)
(path / "ballast").write_bytes(bytes(1_500_000))
store = LmdbStore(path / "online", size_gib=1, writable=True, durability=DURABILITY)
rows = {}
number = 0
def write():
    global number
    keys = [b"%05d" % (number + i) for i in range(37)]
    row = make_row(1, os.urandom(500))
    store.write([Write(VIEW, keys, [row] * 37, Mark(keys[0], b"d"))])
    rows.update(dict.fromkeys(keys, row))
    number += 37
    return True
def same():
    return {stored.key: stored.row for stored in store.scan()} == rows
while (said := attempt(write)) == "done":
    pass
say([said, len(rows), same()])
say([attempt(write) for _ in range(3)])
say(same())
store.close()
code = "import sys; from pathlib import Path; from hotrow.stores.lmdb.store import LmdbStore; "
code += "print(LmdbStore(Path(sys.argv[1])).info().rows)"
reader = subprocess.run([sys.executable, "-c", code, str(path / "online")], capture_output=True, text=True, check=True)
store = LmdbStore(path / "online", size_gib=1, writable=True, durability=DURABILITY)
say([int(reader.stdout) == len(rows), same(), attempt(write)])
(path / "ballast").unlink()
say([attempt(write) for _ in range(3)] + [same(), store.verify()])
store.close()
store = LmdbStore(path / "online", size_gib=1, writable=True)
say([same(), store.verify()])
store.close()
"""


@pytest.fixture(scope="session")
def mounting():
    """The command that gives a process file systems of its own; skips where this user may not have any."""
    command = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    if (
        not shutil.which("unshare")
        or subprocess.run([*command, "mount", "-t", "tmpfs", "x", "/mnt"], check=False).returncode
    ):
        pytest.skip("this user may not mount a file system")
    return command


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_a_full_disk_refuses_writes_and_loses_nothing(tmp_path, durability, run, mounting):
    """EXHAUSTED without a retry hint, the process lives, reads go on, and writes do when there is space again."""
    said = run(FULL_DISK.replace("DURABILITY", repr(durability)), path=tmp_path, prefix=mounting)
    (first, rows, same), refusals, still, while_full, after, reopened = said
    assert first.startswith("EXHAUSTED:")
    assert "disk" in first
    assert rows > 500
    assert same
    assert still
    assert all(refusal.startswith("EXHAUSTED:") for refusal in refusals)
    assert while_full[:2] == [True, True]  # both kinds of process open the store on a full disk
    assert while_full[2].startswith("EXHAUSTED:")
    assert after == ["done"] * 3 + [True, []]
    assert reopened == [True, []]


def test_the_table_of_readers_is_allocated(make_store, folder):
    """No page of it is left to be found on a full disk."""
    make_store()
    table = (folder / "lock.mdb").stat()
    assert table.st_blocks * 512 >= table.st_size > 200_000


def test_a_disk_error_is_not_a_full_disk(run):
    """A write that the system cuts short with room left on the disk is UNAVAILABLE, and leaves the store whole."""
    said = run(
        OPEN + "store.write([Write(VIEW, [b'a'], [make_row(1)])])\n"
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))\n"
        "rows = [make_row(2, bytes(500))] * 1000\n"
        "say(attempt(lambda: store.write([Write(VIEW, [b'%d' % i for i in range(1000)], rows)])))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "say(store.info().rows)\n"
        "say(attempt(lambda: store.write([Write(VIEW, [b'%d' % i for i in range(1000)], rows)])))\n"
        "say([store.info().rows, store.verify()])\n"
    )
    assert said[0].startswith("UNAVAILABLE")
    assert said[1:] == [1, "done", [1001, []]]


def test_a_closed_store_says_so(make_store, make_row):
    """UNAVAILABLE for reads and writes; closing twice does no harm."""
    store = make_store()
    store.close()
    store.close()
    for act in (
        lambda: read_rows(store, [VIEW], [[b"a"]]),
        store.sequence,
        lambda: put(store, [b"a"], [make_row(1)]),
        lambda: store.remove([StoredRow(VIEW, b"a", make_row(1))]),
    ):
        with pytest.raises(HotrowError) as refusal:
            act()
        assert refusal.value.code is Code.UNAVAILABLE


def test_a_reader_cannot_write(make_store, make_row, run):
    """It has no right to, and says so."""
    make_store()
    said = run("store = LmdbStore(path)\nsay(attempt(lambda: store.write([Write(VIEW, [b'a'], [make_row(1)])])))")
    assert said.startswith("FAILED_PRECONDITION")
    assert "reading" in said


def test_readers_verify_what_they_can_see(make_store, make_row, run):
    """All rows are walked; a row too short to be one is told."""
    store = make_store()
    put(store, [b"%d" % i for i in range(3000)], [make_row(1)] * 3000)
    check = "say(LmdbStore(path).verify())"
    assert run(check) == []
    with store._env.begin(store._rows, write=True) as txn:
        txn.put(VIEW + b"x", b"short")
    [problem] = run(check)
    assert "5 bytes" in problem
    assert (VIEW + b"x").hex() in problem


def test_a_reader_without_a_writer_verifies_every_page(make_store, make_row, folder, run):
    """No writer can start meanwhile, but one can afterwards; damage that LMDB would abort on is told."""
    store = make_store()
    put(store, [b"%d" % i for i in range(3000)], [make_row(1)] * 3000)
    store.close()
    check = (
        "store = LmdbStore(path)\n"
        "say(store.verify())\n"
        "store.close()\n"
        "LmdbStore(path, size_gib=0.25, writable=True).close()\n"
    )
    assert run(check) == []
    with (folder / "data.mdb").open("r+b") as data:
        data.seek(30 * 4096)
        data.write(bytes(4096))
    assert "page 30" in run(check)[0]


@pytest.mark.parametrize("sizes", [(5000, 0), (9000, 5000), (20_000, 3000, 1000, 0), (0, 9000, 1500), (5000, 6000)])
def test_a_row_that_shrinks_within_a_transaction_keeps_no_pages(make_store, make_row, folder, sizes):
    """Group commit puts several pushes of a row into one; the file is then exact to a strict reader of it."""
    store = make_store()
    put(store, [b"", b"\0"], [make_row(0, bytes(7000))] * 2)
    rows = [make_row(1 + time_us, bytes(size)) for time_us, size in enumerate(sizes)]
    store.write([Write(VIEW, [b"", b"\0"], [row, row]) for row in rows])
    assert read_rows(store, [VIEW], [[b"", b"\0"]]) == [rows[-1]] * 2
    assert lmdb_verify.verify(str(folder)) == []


def test_any_mix_of_large_rows_leaves_an_exact_file(make_store, make_row, folder):
    """Rows of up to 20 KB, written again in one transaction and across them, removed, with marks and watermarks."""
    dice = random.Random(7)
    store = make_store(durability="os")
    model = {}
    for time_us in range(1, 150):
        writes = []
        for part in range(dice.randint(1, 4)):
            batch = {b"%d" % dice.randrange(30): bytes(dice.choice([0, 900, 5000, 20_000])) for _ in range(5)}
            rows = {key: make_row(4 * time_us + part, body) for key, body in batch.items()}
            mark = Mark(b"m%d-%d" % (time_us, part), b"d", bytes(dice.choice([0, 6000])))
            writes.append(Write(VIEW, list(rows), list(rows.values()), mark, dice.choice([None, time_us])))
            model |= rows
        store.write(writes)
        gone = [key for key in model if dice.random() < 0.2]
        assert store.remove([StoredRow(VIEW, key, model.pop(key)) for key in gone]) == len(gone)
        if time_us % 10 == 0:
            assert lmdb_verify.verify(str(folder)) == []
    assert {stored.key: stored.row for stored in store.scan()} == model


def test_pages_that_are_lost_to_use_are_no_damage(make_store, make_row, folder):
    """LMDB keeps the pages of a row that another writer made smaller in one transaction; nothing is refused for it."""
    store = make_store()
    put(store, [b"%d" % i for i in range(3000)], [make_row(1)] * 3000)
    with store._env.begin(store._rows, write=True) as txn:
        txn.put(b"k" + VIEW, make_row(1, bytes(9000)))
        txn.put(b"k" + VIEW, make_row(2))
    found = lmdb_verify.verify(str(folder))
    assert len(found) == 3
    assert any("a leak" in line for line in found)
    assert store.verify() == []
    store.close()
    with (folder / "data.mdb").open("r+b") as data:
        data.seek(30 * 4096)
        data.write(bytes(4096))
    assert "page 30" in structure_problems(folder)[0]


def test_info_names_the_writer(make_store, run):
    """A reader can tell who writes."""
    make_store()
    assert run("say(LmdbStore(path).info().details['writer_pid'])") == str(os.getpid())


def test_one_process_opens_a_store_once(make_store, folder):
    """LMDB's locks belong to the process, so a second open is refused rather than unsafe."""
    make_store()
    with pytest.raises(HotrowError, match="already open in this process"):
        LmdbStore(folder)
