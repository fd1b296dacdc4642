"""What must not be served is refused, with a reason and a remedy, and what runs is not disturbed."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.processes import free_ports

from .serving import Load, Repository, Serve, audit, exit_of

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., Serve]
Drive = Callable[..., Load]


def test_a_second_writer_is_refused_and_the_first_is_undisturbed(tmp_path: Path, serve: Start, load: Drive) -> None:
    """Under load: the same repository, the same store at other addresses, and the same store by another path."""
    repository = Repository(tmp_path / "rides")
    running = serve(repository).ready()
    pids = running.pids()
    driven = load(repository, readers=4)
    driven.until_done(200)
    (tmp_path / "link").symlink_to(repository.settings.online_store.path)
    linked = Repository(tmp_path / "linked", store=str(tmp_path / "link"))
    ports = iter(free_ports(3))
    elsewhere = {
        "HOTROW_SERVER_ADDRESS": f"127.0.0.1:{next(ports)}",
        "HOTROW_INGEST_ADDRESS": f"127.0.0.1:{next(ports)}",
    }
    pid = running.process.pid
    writer = running.worker("ingest").pid
    one_writer = f"has an ingest worker already, under process {pid}: a store has one writer; stop that process"
    has_writer = f"has a writer already, process {writer}; stop that process"
    tried = [
        (repository, "serve", {}, one_writer),
        (repository, "ingest", {}, one_writer),
        (repository, "server", {}, f"{repository.settings.server.address} is served by process {pid} already"),
        (repository, "serve", elsewhere, one_writer),
        (repository, "ingest", {"HOTROW_INGEST_ADDRESS": f"127.0.0.1:{next(ports)}"}, one_writer),
        (linked, "ingest", {}, has_writer),
    ]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda one: exit_of(one[0], one[1], **one[2]), tried))
    for (code, log), (_, command, _, reason) in zip(ended, tried, strict=True):
        assert code == 1, (command, log)
        assert reason in log, (command, log)
    driven.until_done(driven.done + 200)
    seen = driven.stop()
    assert seen.violations == []
    assert not seen.codes
    assert running.pids() == pids
    audit(repository, driven, seen)
    assert running.stop() == 0


def truncate_data(store: Path) -> None:
    (store / "data.mdb").write_bytes((store / "data.mdb").read_bytes()[:6000])


def cut_to_nothing(store: Path) -> None:
    (store / "data.mdb").write_bytes(b"")


def replace_data(store: Path) -> None:
    (store / "data.mdb").write_bytes(b"SQLite format 3\0" * 4096)


def remove_data(store: Path) -> None:
    (store / "data.mdb").unlink()


def garble_identity(store: Path) -> None:
    (store / "store.json").write_text("{]")


def newer_identity(store: Path) -> None:
    text = (store / "store.json").read_text()
    assert '"format":1' in text.replace(" ", "")
    (store / "store.json").write_text(text.replace("1", "99", 1))


def put_a_file(store: Path) -> None:
    store.rename(store.with_name("aside"))
    store.write_text("not a folder")


def put_a_foreign_folder(store: Path) -> None:
    store.rename(store.with_name("aside"))
    store.mkdir()
    (store / "precious.txt").write_text("of another program")


DAMAGES = {
    truncate_data: "data.mdb",
    cut_to_nothing: "data.mdb: it is truncated",
    replace_data: "data.mdb: it is not an LMDB data file",
    remove_data: "data.mdb is gone",
    garble_identity: "store.json",
    newer_identity: "has format 99, of a newer hotrow",
    put_a_file: "it is a file, not a folder",
    put_a_foreign_folder: "precious.txt",
}


@pytest.mark.parametrize(
    ("damages", "commands"),
    [
        pytest.param((truncate_data,), ("serve",), id="serve"),
        pytest.param((replace_data, garble_identity, put_a_foreign_folder), ("ingest",), id="ingest"),
        pytest.param(tuple(DAMAGES), ("serve", "ingest"), id="long", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_or_foreign_store_is_refused_with_the_reason(
    tmp_path: Path, serve: Start, damages: tuple[Callable[[Path], None], ...], commands: tuple[str, ...]
) -> None:
    """`hotrow serve` and `hotrow ingest` end with 1, name the place and the remedy, and touch nothing of it."""
    made = Repository(tmp_path / "made")
    running = serve(made).ready()
    assert running.stop() == 0

    def try_one(damage: Callable[[Path], None]) -> list[tuple[int, str]]:
        repository = Repository(tmp_path / damage.__name__)
        store = repository.settings.online_store.path
        store.mkdir(parents=True)
        for file in made.settings.online_store.path.iterdir():
            (store / file.name).write_bytes(file.read_bytes())
        damage(store)
        before = content(store)
        ended = [exit_of(repository, command) for command in commands]
        assert content(store) == before
        return ended

    with ThreadPoolExecutor(3) as pool:
        results = dict(zip(damages, pool.map(try_one, damages), strict=True))
    for damage, ended in results.items():
        for code, log in ended:
            about = f"{damage.__name__}: exit {code}\n{log}"
            assert code == 1, about
            last = log.strip().splitlines()[-1]
            assert DAMAGES[damage] in last, about
            assert str(tmp_path / damage.__name__) in last, about
            assert "hotrow store rebuild" in last or "online_store.path" in last, about
            assert "Traceback" not in log, about


def content(store: Path) -> dict[str, bytes]:
    """What a refused start must leave: everything but locks."""
    if store.is_file():
        return {store.name: store.read_bytes()}
    return {file.name: file.read_bytes() for file in store.iterdir() if "lock" not in file.name}


def test_an_address_in_use_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    host, _, port = repository.settings.ingest.address.rpartition(":")
    with socket.socket() as taken:
        taken.bind((host, int(port)))
        taken.listen()
        code, log = exit_of(repository, "serve")
    assert code == 1
    assert f"{repository.settings.ingest.address} cannot be bound" in log
