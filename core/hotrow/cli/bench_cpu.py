"""What hotrow's processes on this machine use, for `hotrow bench`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotrow import clock
from hotrow.settings import Settings
from hotrow.supervisor.state import read_state

SUPERVISOR, SERVER, INGEST = "supervisor", "server workers", "ingest worker"


@dataclass(frozen=True, slots=True)
class Processes:
    """The supervisors and workers on one store, by process id, each with what it is."""

    roles: dict[int, str]

    @property
    def server_workers(self) -> int:
        return list(self.roles.values()).count(SERVER)

    def cpu_ns(self) -> dict[str, int] | None:
        """CPU time used until now, in nanoseconds, by role; None when a process has ended, and with it what it used."""
        used = dict.fromkeys((SERVER, INGEST, SUPERVISOR), 0)
        try:
            for pid, role in self.roles.items():
                used[role] += clock.process_cpu_ns(pid)
        except OSError:
            return None
        return used


def find_processes(settings: Settings, answering: Sequence[int]) -> Processes | None:
    """The processes on the store of `settings`; None where the workers that answer (process ids) are not among them,
    because they run on another machine, or behind the wall of a container.
    """
    roles: dict[int, str] = {}
    for supervisor in read_state(settings).supervisors:
        roles[supervisor.pid] = SUPERVISOR
        for worker in supervisor.workers:
            if worker.pid:
                roles[worker.pid] = SERVER if worker.role == "server" else INGEST
    seen = all(roles.get(pid) == SERVER for pid in answering) and all(map(_is_hotrow, roles))
    return Processes(roles) if roles and seen else None


def _is_hotrow(pid: int) -> bool:
    """Whether the process is one of ours here: in a container, other processes have its workers' numbers outside."""
    try:
        return b"hotrow" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
