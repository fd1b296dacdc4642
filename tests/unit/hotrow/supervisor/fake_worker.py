"""A worker that serves nothing, and is told by its first arguments what to do wrong. Run as a program by tests."""

import argparse
import os
import sys
import time
from pathlib import Path

from hotrow.errors import Code, HotrowError
from hotrow.supervisor.control import Ready, Refs, Serving, Start
from hotrow.supervisor.worker import run_worker


class FakeWorker:
    def __init__(self, start: Start, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._notes = Path(arguments.repo) / "notes"
        self._serving = self._serve(start.refs)
        self._note(f"started {start.index} {start.socket}")

    def ready(self) -> Ready:
        return Ready(self._serving, address="127.0.0.1:1", lane="on")

    def publish(self, refs: Refs) -> Serving:
        self._serving = self._serve(refs)
        return self._serving

    def clear_readers(self) -> None:
        self._note("cleared")

    def drain(self, grace_s: float) -> None:
        if self._arguments.hang_in_drain:
            time.sleep(60)
        time.sleep(0.1)
        self._note(f"drained {self._arguments.name}")

    def _serve(self, refs: Refs) -> Serving:
        refused = self._arguments.refuse
        return Serving(
            tuple(i for i in refs.ids() if not i.startswith(refused)),
            {i: "refused by the test" for i in refs.ids() if i.startswith(refused)},
        )

    def _note(self, text: str) -> None:
        with self._notes.open("a") as file:
            file.write(text + "\n")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--fail-to-start", action="store_true")
    parser.add_argument("--die-unheard", action="store_true")
    parser.add_argument("--hang-in-drain", action="store_true")
    parser.add_argument("--refuse", default="none")
    parser.add_argument("--repo", required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--worker", type=int, required=True)
    arguments = parser.parse_args()
    if arguments.die_unheard:
        os._exit(7)

    def build(start: Start) -> FakeWorker:
        if arguments.fail_to_start:
            raise HotrowError(Code.FAILED_PRECONDITION, "the test says no")
        return FakeWorker(start, arguments)

    return run_worker(arguments.name, arguments.control_fd, build)


if __name__ == "__main__":
    sys.exit(main())
