"""The state beside the store: who runs, seen by others, and gone with its supervisor however that ended."""

import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.settings import Settings, settings_from_file
from hotrow.supervisor.state import StateFile, StoreLock, SupervisorState, WorkerState, read_state, wait_served

OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "hotrow.toml").write_text('project = "rides"')
    return settings_from_file(tmp_path, {})


def state_of(file: StateFile, *workers: WorkerState, **changes: object) -> SupervisorState:
    values = {"role": "serve", "pid": os.getpid(), "project": "rides", "started_us": 1, "workers": workers} | changes
    return SupervisorState(id=file.id, **values)


def worker(index: int, *serves: str, **changes: object) -> WorkerState:
    return WorkerState(**({"role": "server", "index": index, "status": "ready", "serves": serves} | changes))


def test_nothing_runs_where_nothing_ran(settings: Settings) -> None:
    assert read_state(settings).supervisors == ()


def test_the_state_of_a_live_supervisor_is_read_and_ends_with_it(settings: Settings) -> None:
    file = StateFile(settings)
    state = state_of(file, worker(0, OLD))
    file.write(state)
    assert read_state(settings).supervisors == (state,)
    assert read_state(settings).workers == (worker(0, OLD),)
    file.close()
    assert read_state(settings).supervisors == ()
    assert list(settings.run_path.iterdir()) == []


def die_with_state(settings: Settings) -> None:
    file = StateFile(settings)
    file.write(state_of(file, worker(0, OLD)))
    os._exit(0)


def test_the_state_of_a_dead_supervisor_counts_for_nothing_and_is_removed(settings: Settings) -> None:
    process = multiprocessing.get_context("spawn").Process(target=die_with_state, args=(settings,))
    process.start()
    process.join()
    assert len(list(settings.run_path.glob("*.json"))) == 1
    assert read_state(settings).supervisors == ()
    assert list(settings.run_path.iterdir()) == []


def test_supervisors_of_one_store_stand_side_by_side_and_other_projects_do_not_count(settings: Settings) -> None:
    files = [StateFile(settings) for _ in range(3)]
    files[0].write(state_of(files[0], role="server", started_us=2))
    files[1].write(state_of(files[1], role="ingest", started_us=1))
    files[2].write(state_of(files[2], project="other"))
    assert [one.role for one in read_state(settings).supervisors] == ["ingest", "server"]
    for file in files:
        file.close()


def test_the_ingest_socket_is_that_of_a_worker_that_is_ready_and_will_stay(settings: Settings) -> None:
    file = StateFile(settings)
    ingest = worker(0, role="ingest", socket="/s")
    file.write(state_of(file, worker(0), worker(0, role="ingest", socket="/s", status="starting")))
    assert read_state(settings).ingest_socket() is None
    file.write(state_of(file, ingest, role="run"))
    assert read_state(settings).ingest_socket() is None
    file.write(state_of(file, worker(0), ingest))
    assert read_state(settings).ingest_socket() == Path("/s")
    file.close()


def test_a_store_has_one_supervisor_that_may_write(settings: Settings) -> None:
    settings.run_path.mkdir(parents=True)
    lock = StoreLock(settings)
    with pytest.raises(HotrowError, match=f"under process {os.getpid()}") as caught:
        StoreLock(settings)
    assert caught.value.code is Code.FAILED_PRECONDITION
    lock.release()
    StoreLock(settings).release()


def test_a_folder_that_cannot_be_written_is_named(settings: Settings) -> None:
    settings.run_path.parent.mkdir(parents=True)
    settings.run_path.write_text("a file")
    with pytest.raises(HotrowError, match=r"online\.run: cannot be written"):
        StateFile(settings)


def test_wait_served_returns_when_the_last_worker_serves_it(settings: Settings) -> None:
    file = StateFile(settings)
    file.write(state_of(file, worker(0, NEW, OLD), worker(1, OLD)))
    timer = threading.Timer(0.2, lambda: file.write(state_of(file, worker(0, NEW, OLD), worker(1, NEW, OLD))))
    timer.start()
    with pytest.raises(HotrowError, match=r"not served after 0\.01 s by: server 1 \(ready\)") as caught:
        wait_served(settings, NEW, 0.01)
    assert caught.value.code is Code.DEADLINE
    assert [w.serves[0] for w in wait_served(settings, NEW, 10).workers] == [NEW, NEW]
    timer.join()
    file.close()


def test_wait_served_as_head_waits_for_what_was_served_before_to_be_the_head(settings: Settings) -> None:
    """After a rollback every worker has the snapshot, and answers by another one for a while."""
    file = StateFile(settings)
    file.write(state_of(file, worker(0, NEW, OLD)))
    assert wait_served(settings, OLD, 0).workers[0].serves == (NEW, OLD)
    with pytest.raises(HotrowError, match="not served after"):
        wait_served(settings, OLD, 0, as_head=True)
    timer = threading.Timer(0.2, lambda: file.write(state_of(file, worker(0, OLD, NEW))))
    timer.start()
    assert wait_served(settings, OLD, 10, as_head=True).workers[0].serves == (OLD, NEW)
    timer.join()
    file.close()


def test_wait_served_waits_for_a_worker_that_is_being_started_again(settings: Settings) -> None:
    file = StateFile(settings)
    file.write(state_of(file, worker(0, NEW), worker(1, status="waiting")))
    with pytest.raises(HotrowError, match=r"server 1 \(waiting\)"):
        wait_served(settings, NEW, 0)
    file.close()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rejected": {NEW: "a view is wrong"}}, "refused by the supervisor: a view is wrong"),
        ({"workers": (worker(1, OLD, failed={NEW: "no kernel"}),)}, "refused by server worker 1: no kernel"),
    ],
)
def test_wait_served_says_why_a_snapshot_is_refused(settings: Settings, changes: dict[str, object], told: str) -> None:
    file = StateFile(settings)
    file.write(state_of(file, **changes))
    with pytest.raises(HotrowError, match=told) as caught:
        wait_served(settings, NEW, 10)
    assert caught.value.code is Code.FAILED_PRECONDITION
    file.close()


def test_wait_served_does_not_wait_for_nobody(settings: Settings) -> None:
    with pytest.raises(HotrowError, match="start `hotrow serve`"):
        wait_served(settings, NEW, 10)
