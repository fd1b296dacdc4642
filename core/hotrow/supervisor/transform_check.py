"""Compiles the transforms of a snapshot before workers serve it, in a process of its own.

It leaves their machine code where the workers find it, so that none of them compiles while it answers requests, and
says what is wrong with a snapshot whose transforms do not compute here what their certificates say.
"""

import subprocess
import sys

from hotrow import clock

_LONGEST_S = 300.0


class TransformCheck:
    """A check that goes on. `location` is that of the registry."""

    def __init__(self, location: str, snapshot_id: str) -> None:
        self._until_s = clock.monotonic_s() + _LONGEST_S
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, this package
            [sys.executable, "-m", "hotrow.transforms", location, snapshot_id],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the supervisor, which ends this
        )
        assert self._process.stdout is not None  # noqa: S101 - the pipe above
        self._pipe = self._process.stdout

    def result(self) -> str | None:
        """None while it goes on; empty when all is well; else what is wrong."""
        code = self._process.poll()
        if code is None:
            if clock.monotonic_s() < self._until_s:
                return None
            self.end()
            return f"its transforms took longer than {_LONGEST_S:g} s to compile"
        said = self._pipe.read().strip()
        self._pipe.close()
        if not code:
            return ""
        return said or f"the process that compiles its transforms ended with code {code}"

    def end(self) -> None:
        """End the process, if it still runs."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()
