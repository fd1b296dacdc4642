"""A feature repository with its registry, and a supervisor of fake workers in a thread."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import Snapshot
from hotrow.settings import Settings, settings_from_file
from hotrow.supervisor.child import Fleet
from hotrow.supervisor.state import SupervisorState, read_state
from hotrow.supervisor.supervisor import Supervisor
from support.ports import free_ports

FAKE_WORKER = str(Path(__file__).with_name("fake_worker.py"))


def program(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, FAKE_WORKER, *arguments)


def until(holds: Callable[[], object], timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"not in {timeout_s} s"
        time.sleep(0.01)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    server, ingest = free_ports(2)
    (tmp_path / "hotrow.toml").write_text(
        f'project = "rides"\n[server]\naddress = "127.0.0.1:{server}"\ndrain_s = 1\n'
        f'[ingest]\naddress = "127.0.0.1:{ingest}"\ndrain_s = 1\n'
    )
    return settings_from_file(tmp_path, {})


def snapshot_of(*fields: str) -> Snapshot:
    driver = Entity("driver", join_keys={"driver_id": Int64})
    view = FeatureView("stats", entities=[driver], schema=[Field(name, Float64) for name in fields])
    return Snapshot("rides", entities={"driver": driver}, views={"stats": view})


def apply(settings: Settings, *fields: str) -> str:
    registry = open_registry(settings.registry)
    return registry.apply(snapshot_of(*fields), expected_head=registry.head("rides"), author="test")


class Running:
    """A supervisor of fake workers, in a thread of the test."""

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        self.settings = settings
        self.announced: list[SupervisorState] = []
        self.error: BaseException | None = None
        self._supervisor = Supervisor(settings, fleet, open_registry(settings.registry), self.announced.append)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._supervisor.run()
        except BaseException as error:  # noqa: BLE001 - for the test to look at
            self.error = error

    def state(self) -> SupervisorState:
        (state,) = read_state(self.settings).supervisors
        return state

    def notes(self) -> list[str]:
        file = self.settings.repo / "notes"
        return file.read_text().splitlines() if file.exists() else []

    def wait_ready(self) -> SupervisorState:
        until(lambda: self.announced or self.error)
        assert self.error is None
        return self.announced[0]

    def wait_end(self) -> BaseException | None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.error

    def stop(self) -> BaseException | None:
        self._supervisor.stop()
        return self.wait_end()

    def ask_to_stop(self) -> None:
        self._supervisor.stop()


@pytest.fixture
def supervise(settings: Settings) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*, servers: int = 2, writes: bool = True, **programs: tuple[str, ...]) -> Running:
        programs = {"server": program("server"), "ingest": program("ingest")} | programs
        started.append(Running(settings, Fleet("serve", servers=servers, ingest=writes, programs=programs)))
        return started[-1]

    yield start
    for running in started:
        running.stop()
