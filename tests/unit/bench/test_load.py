"""The load generator and the accounting of CPU time, on real processes."""

import json
import subprocess
import sys

import pytest

from tests.bench.load import Burst, LoadGenerator
from tests.bench.measure import Contender, run_once
from tests.bench.process import cpu_ns, yardstick

SPIN = "import threading, time\ndef f():\n e = time.thread_time() + 0.2\n while time.thread_time() < e: pass\n"


def test_a_thread_that_has_ended_still_counts():
    """The load generator's threads end with each run, and what they took must not be lost."""
    code = f"{SPIN}t = threading.Thread(target=f); t.start(); t.join(); print('done', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        assert cpu_ns(process.pid) > 200_000_000
        process.communicate(b"\n")
    assert cpu_ns(process.pid) == 0


def test_a_run_counts_calls_time_and_latencies():
    """16 callers are in flight at a server that answers, so that latency, rate and callers fit one another."""
    with yardstick("echo", json.dumps({"R1": 10})) as echo, LoadGenerator() as load:
        contender = Contender(echo, echo.address, "/bench.Yardstick/R1", ((b"request",),))
        sample = run_once(load, contender, callers=16, seconds=0.4)
        assert sample.calls == len(sample.latencies_us)
        assert 0 < sample.cpu_s < sample.seconds * 4
        assert sample.generator_cpu_s > 0
        in_flight = sample.rate * float(sample.latencies_us.mean()) / 1e6
        assert 8 < in_flight < 16.5


def test_a_run_in_which_calls_fail_is_no_run():
    with yardstick("echo", json.dumps({"R1": 10})) as echo, LoadGenerator() as load:
        outcome = load.run(Burst(echo.address, "/bench.Yardstick/unknown", (b"x",), 2, 0.1))
        with pytest.raises(RuntimeError, match=r"unknown: 0 calls answered, failed: .*not found"):
            outcome.raise_failed("/bench.Yardstick/unknown")
