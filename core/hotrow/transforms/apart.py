"""Certificates of a snapshot, made in a process of their own: `python -m hotrow.transforms.apart`.

A function that is compiled holds the interpreter until it returns, so one that never does could not be interrupted. The
process is given the snapshot and the places of its functions on stdin, and writes a line of JSON before and after each
transform: its name, then its certificate or what is wrong with it.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import IO, Any

from hotrow.errors import Code, HotrowError, invalid
from hotrow.registry.snapshot import Snapshot, snapshot_from_json
from hotrow.schema.canonical import Document, canonical_json
from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform

LONGEST_S = 120.0
"""What a transform may take to be compiled and to run on some hundred rows; the largest encoders take ten seconds."""

Lines = queue.SimpleQueue[str]

ShowStep = Callable[[str], AbstractContextManager[object]]
"""Shows what is being done, given in words, until it is left."""


def with_certificates(
    snapshot: Snapshot, *, longest_s: float = LONGEST_S, show_step: ShowStep = nullcontext
) -> Snapshot:
    """The snapshot with each transform compiled, compared with plain Python, and certified; each is a step to show.

    Raises INVALID, naming file and line, for a function that cannot be compiled, for one that computes something else
    compiled than it does in Python, and for one that takes longer than `longest_s`.
    """
    if not snapshot.transforms:
        return snapshot
    document = json.loads(snapshot.to_json())
    places = {name: _places(one.code) for name, one in snapshot.transforms.items()}
    given = {"snapshot": snapshot.to_json().decode(), "places": places, "path": sys.path}
    with _process(json.dumps(given)) as child:
        for number, transform in enumerate(snapshot.transforms.values(), 1):
            with show_step(f"{_doing(transform)} (transform {number} of {len(snapshot.transforms)})"):
                certificate = _next_certificate(child, transform, longest_s)
            document["transforms"][transform.name]["certificate"] = certificate
    return snapshot_from_json(canonical_json(document))


def _doing(transform: Transform) -> str:
    if transform.mode == "python":
        return f"trying {transform.name}"
    return f"compiling {transform.name} and comparing it with plain Python"


def _next_certificate(child: "_Child", transform: Transform, longest_s: float) -> Document:
    child.lines.get()  # its name: kernels may be compiled before, which takes what it takes
    try:
        return _certificate(child.lines.get(timeout=longest_s), transform, child.process)
    except queue.Empty:
        raise invalid(
            f"{transform.place or transform.label}: {transform.name} takes longer than {longest_s:g} s to be "
            "compiled and to run on some hundred rows; has it a loop that does not end?"
        ) from None


def _certificate(line: str, transform: Transform, process: subprocess.Popen[str]) -> Document:
    said: Document = json.loads(line or "{}")
    if "certificate" in said:
        certificate: Document = said["certificate"]
        return certificate
    if said:
        raise HotrowError(Code[said["code"]], said["message"])
    ended = process.wait()
    if ended < 0:
        raise invalid(
            f"{transform.place or transform.label}: {transform.name} ends the process that runs it, by "
            f"{signal.Signals(-ended).name}, on a row of the edges of its inputs; write it otherwise, or give it "
            'mode="python"'
        )
    raise HotrowError(Code.INTERNAL, "the process that compiles transforms has ended; see above")


@dataclass(frozen=True, slots=True)
class _Child:
    """The process, and the lines that it writes, empty ones when it has ended."""

    process: subprocess.Popen[str]
    lines: Lines


@contextmanager
def _process(given: str) -> Iterator[_Child]:
    """The process, which has ended when this has."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hotrow.transforms.apart"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for this process, which ends that one
    )
    assert process.stdin is not None  # noqa: S101 - the pipes above
    assert process.stdout is not None  # noqa: S101
    lines: Lines = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        with suppress(BrokenPipeError):  # it has ended, and has said why
            process.stdin.write(given)
            process.stdin.close()
        yield _Child(process, lines)
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def _read(pipe: IO[str], lines: Lines) -> None:
    for line in pipe:
        lines.put(line)
    for _ in range(2):
        lines.put("")


def _places(code: FunctionCode) -> list[Any]:
    """Where a function and those it calls were read, for messages: a snapshot has only their code."""
    return [code.place, code.line, {name: _places(one) for name, one in code.functions.items()}]


def _placed(code: FunctionCode, places: list[Any]) -> FunctionCode:
    place, line, of_called = places
    functions = {name: _placed(one, of_called[name]) for name, one in code.functions.items()}
    return replace(code, place=place, line=line, functions=functions)


def main() -> None:
    """Certify the transforms of the snapshot on stdin."""
    from hotrow.transforms.certificate import certificate_of  # noqa: PLC0415 - the other process does not compile

    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a transform prints is no line of this
    given = json.load(sys.stdin)
    sys.path[:] = given["path"]  # so that what a transform imports is found here too
    for name, transform in snapshot_from_json(given["snapshot"].encode()).transforms.items():
        print(json.dumps(name), file=out, flush=True)
        try:
            made = certificate_of(replace(transform, code=_placed(transform.code, given["places"][name])))
        except HotrowError as error:
            print(json.dumps({"code": error.code.name, "message": error.message}), file=out, flush=True)
            return
        print(json.dumps({"certificate": made}), file=out, flush=True)


if __name__ == "__main__":
    main()
