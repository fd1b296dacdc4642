"""Section `client`: what decoding a reply costs the caller, and what it does to both sides when reads share calls."""

import json
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from hotrow.codec.column import encode_column
from hotrow.codec.protowire import length_delimited
from hotrow_client import Reply

from tests.bench.feast_reply import parsed, response, response_class
from tests.bench.measure import Ratio, Sample, interval, ratio, summary
from tests.bench.process import Setup, Target, hotrow
from tests.bench.record import Figures, Section, Table, Value, rounded
from tests.bench.section import Bench, say

_ROWS, _COLUMNS, _RUNS, _CALLS = 100, 50, 31, 10
_CALLERS = (16, 64)
_FACADES = ("threads", "asyncio")
_SHARED = {0: "each its own", 1: "shared"}


def measure_client(bench: Bench) -> Section:
    """Decoding in this process; shared calls with a client process against a server."""
    decoding, to_feast = _decoding()
    figures: Figures = {"client: decode 100 x 50 x parse Feast's": to_feast}
    rows: list[tuple[Value, ...]] = []
    command = [sys.executable, "-m", "tests.bench.client_load"]
    with (
        hotrow(bench.folder / "client", Setup()) as served,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load,
    ):
        for facade in _FACADES:
            for callers in _CALLERS:
                made = _compared(bench, load, served, facade, callers)
                rows += _rows(facade, callers, made)
                figures[f"client: shared x own, CPU of both, {facade}, {callers} callers"] = ratio(made[1], made[0])
                say(f"  {facade}, {callers} callers: shared x own {ratio(made[1], made[0])}")
        load.stdin.close()  # type: ignore[union-attr]
    columns = (
        "client",
        "callers",
        "calls",
        "client CPU us",
        "server CPU us",
        "x own",
        "requests/s",
        "p50 us",
        "p99 us",
    )
    note = "Feast's reply is of its shape and numbers, described in the benchmark itself; Feast is not installed."
    return Section([decoding, Table("Reads that share calls (R1)", columns, rows)], figures, [note])


def _decoding() -> tuple[Table, Ratio]:
    """Every column as an array with its statuses, against every value as a Python object; in turn, in one run."""
    values = np.random.default_rng(7).random((_COLUMNS, _ROWS))
    names = [f"feature_{number}" for number in range(_COLUMNS)]
    present = np.ones(_ROWS, np.uint8)
    ours = b"".join(
        length_delimited(1, encode_column(name, column) + b"\x9a\x01" + bytes((_ROWS,)) + present.tobytes())
        for name, column in zip(names, values, strict=True)
    )
    theirs, reply_class = response(names, values, 1_700_000_000), response_class()

    def decode() -> object:
        reply = Reply.from_bytes(ours)
        return [(column.values, column.statuses) for column in reply.columns.values()]

    if parsed(reply_class, theirs)[0] != Reply.from_bytes(ours).to_dict():
        raise ValueError("the two replies do not have the same values")
    runs = [(_cpu_us(decode), _cpu_us(lambda: parsed(reply_class, theirs))) for _ in range(_RUNS)]
    to_feast = interval([mine / other for mine, other in runs])
    mine, other = (float(np.median([run[place] for run in runs])) for place in (0, 1))
    say(f"  decode 100 x 50: {mine:.0f} us, Feast's shape {other:.0f} us, ratio {to_feast}")
    table = Table(
        "Decoding a reply of 100 x 50 doubles",
        ("reply", "bytes", "CPU us", "x Feast's"),
        [
            ("hotrow, arrays", len(ours), rounded(mine), to_feast),
            ("Feast's shape, objects", len(theirs), rounded(other), None),
        ],
    )
    return table, to_feast


def _cpu_us(once: Callable[[], object]) -> float:
    begun_ns = time.thread_time_ns()
    for _ in range(_CALLS):
        once()
    return (time.thread_time_ns() - begun_ns) / _CALLS / 1e3


def _compared(
    bench: Bench, load: "subprocess.Popen[str]", served: Target, facade: str, callers: int
) -> dict[int, list[Sample]]:
    """Runs with and without sharing, in turn; CPU of a sample is that of server and client together."""
    samples: dict[int, list[Sample]] = {0: [], 1: []}
    for number in range(bench.pairs + 1):
        for coalesce, made in samples.items():
            order = {"address": served.address, "facade": facade, "coalesce": coalesce, "callers": callers}
            before_s, begun_ns = served.cpu_s(), time.monotonic_ns()
            print(json.dumps(order | {"seconds": bench.seconds}), file=load.stdin, flush=True)
            assert load.stdout is not None
            told = json.loads(load.stdout.readline())
            seconds, server_s = (time.monotonic_ns() - begun_ns) / 1e9, served.cpu_s() - before_s
            if number:
                latencies = np.array(told["latencies_us"], np.float32)
                total_s = server_s + told["cpu_s"]
                made.append(Sample(len(latencies), seconds, total_s, told["cpu_s"], latencies))
    return samples


def _rows(facade: str, callers: int, made: dict[int, list[Sample]]) -> list[tuple[Value, ...]]:
    rows: list[tuple[Value, ...]] = []
    for coalesce, samples in made.items():
        one = summary(samples)
        client_us = float(np.median([s.generator_cpu_s / s.calls * 1e6 for s in samples]))
        server_us = float(np.median([(s.cpu_s - s.generator_cpu_s) / s.calls * 1e6 for s in samples]))
        shared = ratio(samples, made[0]) if coalesce else None
        figures = map(rounded, (client_us, server_us))
        rest = map(rounded, (one.rate, one.p50_us, one.p99_us))
        rows.append((facade, callers, _SHARED[coalesce], *figures, shared, *rest))
    return rows
