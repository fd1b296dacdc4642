"""The tour of the demo repository, as `make run` starts it: twice, with real processes on ports of the test's own."""

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from hotrow.v1.column_pb2 import PRESENT, Column
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest
from hotrow.v1.feature_server_pb2_grpc import FeatureServerStub

EXAMPLE = Path(__file__).parents[2] / "examples/horse_colic"


def free_addresses():
    """Two addresses that nobody listens at, different ones."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return [f"127.0.0.1:{door.getsockname()[1]}" for door in (one, other)]


@pytest.fixture
def repo(tmp_path):
    """A copy of the example, as a clone has it, with other addresses."""
    folder = tmp_path / "horse_colic"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", "registry", "__pycache__"))
    settings = folder / "hotrow.toml"
    text = settings.read_text()
    for address, free in zip(("127.0.0.1:6565", "127.0.0.1:6566"), free_addresses(), strict=True):
        assert address in text
        text = text.replace(address, free)
    settings.write_text(text)
    return folder


def tour(repo, *arguments):
    return [sys.executable, str(repo / "tour.py"), *arguments]


def pulse(address, horse):
    """What a caller with nothing but the stubs reads."""
    request = GetOnlineFeaturesRequest(
        features=FeatureNames(names=["horse_vitals:pulse"]),
        entities=[Column(name="hospital_number", int64={"values": [horse]})],
    )
    with grpc.insecure_channel(address) as channel:
        (column,) = FeatureServerStub(channel).GetOnlineFeatures(request, timeout=10).columns
    assert (column.name, list(column.statuses)) == ("pulse", [PRESENT])
    return list(column.float64.values)


def test_the_tour_can_be_taken_again(repo):
    """The first stops by itself; the second goes on from there and serves until a signal, beside no third."""
    first = subprocess.run(tour(repo, "--once"), capture_output=True, text=True, timeout=100, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "300 rows of 284 horses" in first.stdout
    assert "284 written" in first.stdout
    assert "read horse 530101: rectal_temp 38.5, pulse 66.0" in first.stdout
    assert "pulse 88 is now 72" in first.stdout
    assert "drained, exit code 0" in first.stdout

    with subprocess.Popen(tour(repo), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second:
        try:
            said = ""
            while "Serving on" not in said and (line := second.stdout.readline()):
                said += line
            assert "pulse 72 is now 68" in said
            address = said.rpartition("Serving on ")[2].split()[0]
            assert pulse(address, 530101) == [66]
            assert pulse(address, 534817) == [68]
            third = subprocess.run(tour(repo, "--once"), capture_output=True, text=True, timeout=60, check=False)
            assert third.returncode == 1
            assert f"tour: {address} is taken" in third.stderr
        finally:
            second.send_signal(signal.SIGINT)
        rest, errors = second.communicate(timeout=60)
    assert second.returncode == 0, rest + errors
    assert "drained, exit code 0" in rest
