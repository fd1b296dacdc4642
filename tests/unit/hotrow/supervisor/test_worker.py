"""A worker's life: it starts when told, drains when told or terminated, and does not outlive its supervisor."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hotrow.settings import Settings, encode_settings
from hotrow.supervisor.control import Drain, Failed, Publish, Ready, Refs, Serving, Start, control_pair, worker_end
from hotrow.supervisor.worker import EXIT_FAILED, EXIT_ORPHANED

from .conftest import program


class Started:
    def __init__(self, settings: Settings, *arguments: str) -> None:
        self.control, theirs = control_pair(send_timeout_s=5)
        fd = str(theirs.fileno())
        options = ["--repo", str(settings.repo), "--control-fd", fd, "--worker", "0"]
        self.process = subprocess.Popen([*program("server", *arguments), *options], pass_fds=(theirs.fileno(),))
        theirs.close()
        self.control.send_message(Start(msgspec.Raw(encode_settings(settings)), Refs(("a",))))

    def hear(self):
        while not (messages := self.control.receive()):
            assert messages is not None
        return messages[0]


@pytest.fixture
def start(settings: Settings) -> Iterator:
    started: list[Started] = []

    def begin(*arguments: str) -> Started:
        started.append(Started(settings, *arguments))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()
        one.control.close()


def notes(settings: Settings) -> list[str]:
    return (Path(settings.repo) / "notes").read_text().splitlines()


def test_it_serves_what_it_is_told_and_drains_when_told(settings: Settings, start) -> None:
    worker = start()
    assert worker.hear() == Ready(Serving(("a",)), address="127.0.0.1:1", lane="on")
    worker.control.send_message(Publish(Refs(("b", "a"))))
    assert worker.hear() == Serving(("b", "a"))
    worker.control.send_message(Drain(1))
    assert worker.process.wait(10) == 0
    assert notes(settings)[-1] == "drained server"


def test_sigterm_drains_too_and_sigint_is_not_its_business(settings: Settings, start) -> None:
    worker = start()
    assert isinstance(worker.hear(), Ready)
    worker.process.send_signal(signal.SIGINT)
    worker.control.send_message(Publish(Refs(("b",))))
    assert worker.hear() == Serving(("b",))
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(10) == 0
    assert notes(settings)[-1] == "drained server"


def test_without_its_supervisor_it_exits_at_once(settings: Settings, start) -> None:
    worker = start()
    assert isinstance(worker.hear(), Ready)
    worker.control.close()
    assert worker.process.wait(2) == EXIT_ORPHANED
    assert not any(note.startswith("drained") for note in notes(settings))


def test_without_its_supervisor_it_exits_while_it_drains_as_well(start) -> None:
    worker = start("--hang-in-drain")
    assert isinstance(worker.hear(), Ready)
    worker.control.send_message(Drain(60))
    worker.control.close()
    assert worker.process.wait(2) == EXIT_ORPHANED


def test_why_it_cannot_start_is_told(start) -> None:
    worker = start("--fail-to-start")
    assert worker.hear() == Failed("failed_precondition", "the test says no")
    assert worker.process.wait(10) == EXIT_FAILED


def test_the_control_socket_goes_no_further_than_the_worker() -> None:
    _, theirs = control = control_pair(send_timeout_s=1)
    fd = theirs.detach()
    os.set_inheritable(fd, True)
    end = worker_end(fd)
    assert not os.get_inheritable(fd)
    end.close()
    assert control[0].receive() is None
    control[0].close()
