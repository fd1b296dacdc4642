"""Addresses, and the lock that keeps a second server off one."""

import os
import subprocess
import sys
import tempfile

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.rpc.address import HostPort, lock_address, parse_address


@pytest.mark.parametrize(
    ("address", "parts", "loopback"),
    [
        ("127.0.0.1:6565", HostPort("127.0.0.1", 6565), True),
        ("127.8.9.1:1", HostPort("127.8.9.1", 1), True),
        ("localhost:0", HostPort("localhost", 0), True),
        ("[::1]:6565", HostPort("::1", 6565), True),
        ("0.0.0.0:6565", HostPort("0.0.0.0", 6565), False),
        ("[::]:6565", HostPort("::", 6565), False),
        (":6565", HostPort("::", 6565), False),
        ("10.1.2.3:65535", HostPort("10.1.2.3", 65535), False),
        ("features.example.com:6565", HostPort("features.example.com", 6565), False),
        ("localhost.example.com:1", HostPort("localhost.example.com", 1), False),
    ],
)
def test_an_address_is_taken_apart(address, parts, loopback):
    assert parse_address(address) == parts
    assert parts.loopback is loopback


@pytest.mark.parametrize(
    "address", ["", "6565", "localhost", "localhost:", "localhost:x", "::1:6565", "a:65536", "a:-1"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(HotrowError) as caught:
        parse_address(address)
    assert (caught.value.code, caught.value.field) == (Code.INVALID, "address")


def _held(address, folder):
    """Whether another process may not hold the address."""
    program = (
        "import sys, pathlib\n"
        "from hotrow.errors import HotrowError\n"
        "from hotrow.rpc.address import lock_address\n"
        "try: lock_address(sys.argv[1], folder=pathlib.Path(sys.argv[2]))\n"
        "except HotrowError as error: print(error.message)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, address, str(folder)], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()


def test_a_second_process_is_refused_with_the_first_ones_number(tmp_path):
    lock = lock_address("127.0.0.1:6565", folder=tmp_path)
    assert f"127.0.0.1:6565 is served by process {os.getpid()}" in _held("127.0.0.1:6565", tmp_path)
    lock.release()
    lock.release()
    assert _held("127.0.0.1:6565", tmp_path) == ""


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ("127.0.0.1:6565", "127.0.0.1:6566", False),
        ("127.0.0.1:6565", "127.0.0.2:6565", False),
        ("127.0.0.1:6565", "localhost:6565", True),
        ("[::1]:6565", "localhost:6565", True),
        ("127.0.0.1:6565", "0.0.0.0:6565", True),
        ("0.0.0.0:6565", "127.0.0.1:6565", True),
        ("[::]:6565", "0.0.0.0:6565", True),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_addresses_that_overlap_conflict(first, second, conflict, tmp_path):
    lock = lock_address(first, folder=tmp_path)
    try:
        if conflict:
            with pytest.raises(HotrowError):
                lock_address(second, folder=tmp_path)
        else:
            lock_address(second, folder=tmp_path).release()
    finally:
        lock.release()


def test_a_refused_lock_leaves_nothing_held(tmp_path):
    held = lock_address("[::1]:6565", folder=tmp_path)
    with pytest.raises(HotrowError):
        lock_address("localhost:6565", folder=tmp_path)  # had 127.0.0.1 already
    lock_address("127.0.0.1:6565", folder=tmp_path).release()
    held.release()


def test_a_lock_dies_with_its_process(tmp_path):
    assert _held("127.0.0.1:6565", tmp_path) == ""  # held it until its end
    lock_address("127.0.0.1:6565", folder=tmp_path).release()


def test_the_usual_folder_is_this_users_own(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lock_address("127.0.0.1:6565").release()
    folder = tmp_path / f"hotrow-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(HotrowError, match="not a folder of this user's"):
        lock_address("127.0.0.1:6565")
