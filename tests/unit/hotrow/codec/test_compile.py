"""The kernel cache: filled ahead, read-only, another user's, or nobody's."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = "import hotrow.codec.compile as c; print(c.CACHE)"
USE = "import hotrow.codec.kernel_memory, hotrow.codec.kernel_decode as k; print(k.check_row(b'short'))"
CAN_MOUNT = (
    os.getuid() == 0
    and subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
)


def run(code, *, cache, temp, shell=()):
    """The output of Python code in a process of its own, with the cache and the temp folder given."""
    environment = dict(os.environ, HOTROW_KERNEL_CACHE=str(cache), TMPDIR=str(temp))
    command = [*shell, sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.fixture
def temp(tmp_path):
    folder = tmp_path / "temp"
    folder.mkdir()
    folder.chmod(0o777)
    tmp_path.chmod(0o755)
    return folder


def test_a_writable_cache_is_used(tmp_path, temp):
    """The folder is named by a hash, inside the one that the environment names."""
    assert Path(run(SHOW, cache=tmp_path / "cache", temp=temp)).parent == tmp_path / "cache"


def test_a_cache_that_cannot_be_made_gives_way_to_a_private_folder(tmp_path, temp):
    """A file stands in its place: kernels go to a folder that only this user can read."""
    (tmp_path / "cache").write_text("a file")
    cache = Path(run(SHOW, cache=tmp_path / "cache", temp=temp))
    assert cache.parent == temp / f"hotrow-kernels-{os.getuid()}"
    assert stat.S_IMODE(cache.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_can_write_is_refused(tmp_path, temp):
    """What lies in a cache is run, so a folder that somebody else may have filled is not used."""
    (tmp_path / "cache").write_text("a file")
    (temp / f"hotrow-kernels-{os.getuid()}").mkdir()
    (temp / f"hotrow-kernels-{os.getuid()}").chmod(0o777)
    assert "is not this user's alone" in run(SHOW, cache=tmp_path / "cache", temp=temp)


@pytest.mark.skipif(not CAN_MOUNT, reason="a read-only mount takes root and unshare")
def test_a_filled_cache_may_be_read_only(tmp_path, temp):
    """As in a container image: kernels load from the cache, and nothing is written anywhere."""
    cache = tmp_path / "cache"
    assert run(USE, cache=cache, temp=temp) == "-51"
    (Path(run(SHOW, cache=cache, temp=temp)) / "filled").touch()
    before = sorted(path.name for path in cache.rglob("*"))
    read_only = f"mount --bind {cache} {cache} && mount -o remount,ro,bind {cache} && exec "
    shell = ["unshare", "--mount", "sh", "-c", read_only + '"$0" "$@"']
    assert Path(run(SHOW, cache=cache, temp=temp, shell=shell)).parent == cache
    assert run(USE, cache=cache, temp=temp, shell=shell) == "-51"
    assert sorted(path.name for path in cache.rglob("*")) == before
    assert list(temp.iterdir()) == []


@pytest.mark.skipif(not CAN_MOUNT, reason="a read-only mount takes root and unshare")
def test_a_read_only_cache_that_lacks_the_kernels_gives_way(tmp_path, temp):
    """An image that was built on another kind of CPU: kernels are compiled again, into a folder of this user's."""
    cache = tmp_path / "cache"
    cache.mkdir()
    read_only = f"mount --bind {cache} {cache} && mount -o remount,ro,bind {cache} && exec "
    shell = ["unshare", "--mount", "sh", "-c", read_only + '"$0" "$@"']
    assert run(USE, cache=cache, temp=temp, shell=shell) == "-51"
    assert list((temp / f"hotrow-kernels-{os.getuid()}").rglob("*.nbi"))
