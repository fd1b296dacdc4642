"""The folder backend under processes, kills, and whatever else stands in its folder."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hotrow import Code, HotrowError
from hotrow.registry import file as file_module
from hotrow.registry.folder import FolderBackend
from hotrow.registry.open import open_registry

DEFINE = """
import sys
from hotrow import Code, Entity, FeatureView, Field, HotrowError, Int64
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import snapshot_from_definitions
from hotrow.schema.definitions import Found, collect_definitions

registry = open_registry(sys.argv[1])

def add(name):
    head = registry.head("rides")
    views = [] if head is None else list(registry.snapshot(head).views.values())
    found = [*views, FeatureView(name, schema=[Field("x", Int64)])]
    definitions = collect_definitions(Found(view, "here") for view in found)
    return registry.apply(snapshot_from_definitions("rides", definitions), expected_head=head, author=name)
"""
ADD_MANY = (
    DEFINE
    + """
sys.stdin.read(1)
conflicts = 0
for number in range(10):
    while True:
        try:
            add(f"view_{sys.argv[2]}_{number}")
            break
        except HotrowError as error:
            assert error.code is Code.CONFLICT, error
            conflicts += 1
print(conflicts)
"""
)
DIE_AT_EACH_STEP = (
    DEFINE
    + """
import json, os, signal
from pathlib import Path

def die_at(step):
    steps = [step]
    for owner, name in [(os, "fsync"), (os, "open"), (os, "utime")] + [(Path, n) for n in ("replace", "open", "mkdir")]:
        def counted(*args, real=getattr(owner, name), **kwargs):
            steps[0] -= 1
            if not steps[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)
        setattr(owner, name, counted)

def ended(step):
    global registry
    registry = open_registry(f"{sys.argv[1]}/{step}")
    if sys.argv[2]:
        add(sys.argv[2])
    child = os.fork()
    if not child:
        die_at(step)
        add("killed")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

Path(sys.argv[1]).mkdir()
codes = [ended(1)]
while codes[-1]:
    codes.append(ended(len(codes) + 1))
print(json.dumps(codes))
"""
)


def _add(folder: Path, name: str) -> None:
    subprocess.run([sys.executable, "-c", DEFINE + "add(sys.argv[2])", folder, name], check=True, timeout=30)


def _check(folder: Path) -> list[str]:
    """Assert that the registry is whole; returns the names of the head's views."""
    registry = open_registry(str(folder))
    head = registry.head("rides")
    log = registry.log("rides")
    assert [entry.parent for entry in log] == [*(entry.id for entry in log[1:]), None][: len(log)]
    if head is None:
        assert log == []
        return []
    assert log[0].id == head
    for entry in log:
        registry.snapshot(entry.id)
    return list(registry.snapshot(head).views)


def test_processes_lose_nothing(tmp_path):
    """Four processes add ten views each at once: all are in the head, and the log has each apply once, in order."""
    folder = tmp_path / "registry"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        commands = [[sys.executable, "-c", ADD_MANY, folder, str(number)] for number in range(4)]
        workers = [stack.enter_context(subprocess.Popen(command, **pipes)) for command in commands]
        for worker in workers:
            worker.stdin.write("go")
            worker.stdin.flush()
        outputs = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert sum(map(int, outputs)) > 0, "there was no conflict, so nothing was tried"
    assert sorted(_check(folder)) == sorted(f"view_{w}_{n}" for w in range(4) for n in range(10))
    assert len(open_registry(str(folder)).log("rides")) == 40


@pytest.mark.parametrize("before", ["", "first"])
def test_killed_at_each_step(tmp_path, before):
    """SIGKILL before each system call of an apply: the old or the new head is there, whole, and can be gone on from."""
    folder = tmp_path / "registries"
    command = [sys.executable, "-c", DIE_AT_EACH_STEP, folder, before]
    done = subprocess.run(command, check=True, timeout=60, stdout=subprocess.PIPE)
    *killed, last = json.loads(done.stdout)
    assert set(killed) == {-signal.SIGKILL}
    assert last == 0
    old, new = ([before] if before else []), sorted(filter(None, [before, "killed"]))
    heads = [sorted(_check(folder / str(step))) for step in range(1, len(killed) + 1)]
    commit = heads.index(new)
    assert heads == [old] * commit + [new] * (len(heads) - commit)
    assert commit >= 10
    for step in (1, commit // 2, commit, commit + 1, len(heads)):
        _add(folder / str(step), "next")
        assert sorted(_check(folder / str(step))) == sorted([*heads[step - 1], "next"])


def test_a_lock_that_is_never_released(tmp_path, monkeypatch):
    """A process that hangs while it holds the lock is an error that names the file, not a hang."""
    monkeypatch.setattr(file_module, "LOCK_WAIT_S", 0.05)
    backend = FolderBackend(tmp_path)
    backend.put_object("0" * 64, b"x")
    with file_module.locked(tmp_path / "lock"), pytest.raises(HotrowError, match=r"lock has been locked") as caught:
        backend.put_object("1" * 64, b"x")
    assert caught.value.code is Code.UNAVAILABLE
    backend.put_object("1" * 64, b"x")


def test_readers_take_no_lock(tmp_path):
    """Servers go on reading while somebody writes."""
    backend = FolderBackend(tmp_path)
    backend.swap_refs("p", expected=None, new=b"1", log_entry=b"a")
    with file_module.locked(tmp_path / "lock"):
        assert backend.get_refs("p") == b"1"
        assert backend.read_log("p") == [b"a"]
        assert backend.version("p")


def test_version_is_one_stat(tmp_path, monkeypatch):
    """Servers ask a few times a second: no file is opened."""
    backend = FolderBackend(tmp_path)
    backend.swap_refs("p", expected=None, new=b"1", log_entry=b"a")
    for name in ("open", "read_bytes", "iterdir"):
        monkeypatch.setattr(Path, name, lambda *_args, **_kwargs: pytest.fail("a file was opened"))
    monkeypatch.setattr(os, "open", lambda *_args, **_kwargs: pytest.fail("a file was opened"))
    assert backend.version("p") == backend.version("p")


def test_version_changes_though_the_clock_goes_back(tmp_path):
    """The modification time of the refs only grows."""
    backend = FolderBackend(tmp_path)
    backend.swap_refs("p", expected=None, new=b"1", log_entry=b"a")
    path = tmp_path / "refs" / "p"
    os.utime(path, ns=(4_000_000_000_000_000_000, 4_000_000_000_000_000_000))
    before = path.stat().st_mtime_ns
    backend.swap_refs("p", expected=b"1", new=b"2", log_entry=b"a")
    assert path.stat().st_mtime_ns > before


@pytest.mark.parametrize("action", ["read", "write"])
def test_a_foreign_folder_is_refused(tmp_path, action):
    """A folder with other things in it is neither read as a registry nor made one."""
    (tmp_path / "photo.jpg").write_bytes(b"x")
    backend = FolderBackend(tmp_path)
    with pytest.raises(HotrowError, match=r"is no registry: it holds 'photo.jpg'.*empty or a new folder") as caught:
        backend.get_refs("p") if action == "read" else backend.put_object("0" * 64, b"x")
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_an_empty_folder_and_missing_parents_will_do(tmp_path):
    """The first write makes what is missing."""
    FolderBackend(tmp_path).put_object("0" * 64, b"x")
    FolderBackend(tmp_path / "registry_2" / "deep").put_object("0" * 64, b"x")
    assert FolderBackend(tmp_path / "registry_2" / "deep").get_object("0" * 64) == b"x"


def test_a_file_in_place_of_the_folder(tmp_path):
    """It is named."""
    (tmp_path / "registry").write_text("x")
    backend = FolderBackend(tmp_path / "registry")
    for call in (
        lambda: backend.get_refs("p"),
        lambda: backend.put_object("0" * 64, b"x"),
        lambda: backend.version("p"),
    ):
        with pytest.raises(HotrowError, match=r"registry.*folder of its own") as caught:
            call()
        assert caught.value.code in (Code.FAILED_PRECONDITION, Code.UNAVAILABLE)


def test_a_later_format(tmp_path):
    """A registry of a later version is neither read nor written."""
    (tmp_path / "hotrow-registry").write_text("2\n")
    with pytest.raises(HotrowError, match="use the version of hotrow that wrote it"):
        FolderBackend(tmp_path).get_refs("p")


def _broken_refs(data: bytes) -> list[bytes]:
    cut = [data[:length] for length in range(0, len(data), 7)]
    return [*cut, data + b"x", data.replace(b"hotrow-refs 1", b"hotrow-refs 2"), b"\x00" * len(data), b"\n" * 9]


def test_broken_refs_files(tmp_path):
    """Cut, changed or foreign: an error that names the file, for reading and for writing."""
    backend = FolderBackend(tmp_path)
    backend.swap_refs("p", expected=None, new=b'{"a":1}', log_entry=b"a")
    path = tmp_path / "refs" / "p"
    for data in _broken_refs(path.read_bytes()):
        path.write_bytes(data)
        for call in (
            lambda: backend.get_refs("p"),
            lambda: backend.read_log("p"),
            lambda: backend.swap_refs("p", expected=None, new=b"", log_entry=b""),
        ):
            with pytest.raises(HotrowError, match=re.escape(str(path)) + ".*is damaged.*restore it") as caught:
                call()
            assert caught.value.code is Code.FAILED_PRECONDITION


def test_a_log_that_is_too_short(tmp_path):
    """Is not padded, guessed or cut, but named."""
    backend = FolderBackend(tmp_path)
    backend.swap_refs("p", expected=None, new=b"1", log_entry=b"abc")
    (tmp_path / "logs" / "p").write_bytes(b"ab")
    for call in (lambda: backend.read_log("p"), lambda: backend.swap_refs("p", expected=b"1", new=b"2", log_entry=b"")):
        with pytest.raises(HotrowError, match="logs/p is damaged: it has 2 bytes of the 4"):
            call()
    assert backend.get_refs("p") == b"1"


def test_what_a_killed_writer_left_does_not_count(tmp_path):
    """An entry beyond the refs' length is not read, and the next one takes its place."""
    backend = FolderBackend(tmp_path)
    backend.swap_refs("p", expected=None, new=b"1", log_entry=b"abc")
    with (tmp_path / "logs" / "p").open("ab") as log:
        log.write(b"never happened\nhalf a li")
    (tmp_path / "refs" / ".p.new").write_bytes(b"half a fi")
    assert backend.read_log("p") == [b"abc"]
    assert backend.swap_refs("p", expected=b"1", new=b"2", log_entry=b"d")
    assert backend.read_log("p") == [b"abc", b"d"]
    assert (tmp_path / "logs" / "p").read_bytes() == b"abc\nd\n"


def test_no_space_is_said(tmp_path, monkeypatch):
    """A full disk is EXHAUSTED, and leaves the refs as they were."""
    backend = FolderBackend(tmp_path)
    backend.swap_refs("p", expected=None, new=b"1", log_entry=b"a")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HotrowError, match="no space is left on the disk") as caught:
        backend.swap_refs("p", expected=b"1", new=b"2", log_entry=b"b")
    assert caught.value.code is Code.EXHAUSTED
    monkeypatch.undo()
    assert (backend.get_refs("p"), backend.read_log("p")) == (b"1", [b"a"])


def test_readers_see_whole_states_while_writers_move(tmp_path):
    """A reader beside a writer sees a refs document and at least the log that belongs to it, never a part."""
    backend = FolderBackend(tmp_path)
    backend.swap_refs("p", expected=None, new=b"0", log_entry=b"0")
    stop = threading.Event()
    errors: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                number = int(backend.get_refs("p"))
                log = backend.read_log("p")
                assert len(log) > number
                assert log == [b"%d" % n for n in range(len(log))]
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        assert backend.swap_refs("p", expected=b"%d" % number, new=b"%d" % (number + 1), log_entry=b"%d" % (number + 1))
    stop.set()
    reader.join()
    assert errors == []
