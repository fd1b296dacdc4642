"""Callers in Go against the real server: grpcurl, grpc-health-probe, ghz, and the example with generated stubs.

docs/other-callers.md shows them, and what it shows is run here. `make go` makes them, where Go is installed.
"""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".go-tools"
RIDES = ROOT / "examples/go/rides"
PAGE = (ROOT / "docs/other-callers.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(console|)\n(.*?)^```", re.MULTILINE | re.DOTALL)
VARIES = re.compile(r'"(token|snapshot)": "[^"]*"')

pytestmark = pytest.mark.skipif(
    not RIDES.exists() or not (TOOLS / ".ready").exists(),
    reason="the callers in Go are not built: run make go, with Go 1.26 or later on the path",
)


def call(command: str, address: str) -> subprocess.CompletedProcess[str]:
    """A command as a page shows it, at an address of the test's own."""
    words = shlex.split(command.replace("127.0.0.1:6565", address))
    environ = os.environ | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=100, check=False)


def shown(start: str) -> tuple[str, str]:
    """The one command on the page that begins so, and the output that is shown for it."""
    parts = [part for _, text in BLOCK.findall(PAGE) for part in re.split(r"^\$ ", text, flags=re.MULTILINE)]
    [part] = [part for part in parts if part.startswith(start)]
    command, _, output = part.partition("\n")
    return command, output


def consoles() -> list[tuple[str, str]]:
    parts = [
        part.partition("\n")
        for kind, text in BLOCK.findall(PAGE)
        if kind == "console"
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    ]
    return [(command, output) for command, _, output in parts if output]


def test_the_commands_print_what_is_shown(rides_address):
    """One after another, as they stand on the page."""
    assert len(consoles()) == 6
    for command, output in consoles():
        done = call(command, rides_address)
        assert done.returncode == 0, done.stderr
        assert VARIES.sub(r'"\1": "*"', done.stdout + done.stderr) == output  # the probe speaks on stderr


def test_every_service_and_message_is_described(rides_address):
    """`describe` with no symbol walks all that reflection lists."""
    done = call("grpcurl -plaintext 127.0.0.1:6565 describe", rides_address)
    assert done.returncode == 0, done.stderr
    assert "rpc GetServerInfo (" in done.stdout
    message = call("grpcurl -plaintext 127.0.0.1:6565 describe hotrow.v1.Column", rides_address)
    assert "Timestamps timestamp_us = 9;" in message.stdout


def test_grpcurl_shows_the_field_and_the_remedy(rides_address):
    """The details are those of google.rpc, which it decodes."""
    command, _ = shown('grpcurl -plaintext -d \'{"features"')
    done = call(command, rides_address)
    assert done.returncode != 0
    for word in ("NotFound", "known: driver_hourly_stats:fare", "google.rpc.BadRequest", "features.names"):
        assert word in done.stderr


def test_grpcurl_gets_the_timings(rides_address):
    """As a trailer."""
    command, _ = shown('grpcurl -plaintext -d \'{"feature_service"')
    done = call(command.replace("grpcurl", "grpcurl -v -H 'hotrow-timing: 1' -max-time 30"), rides_address)
    assert re.search(r"^server-timing: .*dur=", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize(("service", "port", "code"), [("nobody", None, 3), ("", 0, 2)])
def test_the_probe_tells_what_is_wrong(rides_address, service, port, code):
    """A service that is not there, and a server that is not."""
    address = rides_address if port is None else f"127.0.0.1:{free_ports(1)[0]}"
    done = call(f"grpc-health-probe -addr {address} -service '{service}'", address)
    assert done.returncode == code, done.stderr


def test_ghz_finds_the_method_and_gets_answers(rides_address):
    """Every call is answered OK, over several connections."""
    command, _ = shown("ghz ")
    done = call(command.replace("-n 10000", "-n 400 --format json"), rides_address)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["statusCodeDistribution"] == {"OK": 400}


def test_the_go_example(rides_address):
    """What the page shows, and errors that name the field, the remedy, or who is not there."""
    command, output = shown("examples/go/rides")
    done = call(command, rides_address)
    assert (done.stdout, done.stderr, done.returncode) == (output, "", 0)
    wrong = call("examples/go/rides 127.0.0.1:6565 x", rides_address)
    assert (wrong.returncode, wrong.stderr) == (1, 'rides: a driver id is a number, not "x"\n')
    alone = call("examples/go/rides 127.0.0.1:6565 1", f"127.0.0.1:{free_ports(1)[0]}")
    assert alone.returncode == 1
    assert "Unavailable" in alone.stderr
    assert "connection refused" in alone.stderr
