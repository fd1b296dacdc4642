"""A cache that one user has filled, used read-only by another who has no home: as in a container image."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hotrow.codec import compile as policy

from .processes import Caller, Program, Repository

NOBODY = 65534

EVERY_KERNEL = """
import importlib, pathlib
from hotrow.codec import compile
compile.warm()
hits = 0
for source in pathlib.Path(compile.__file__).parent.glob("kernel_*.py"):
    for name, value in vars(importlib.import_module("hotrow.codec." + source.stem)).items():
        if hasattr(value, "stats"):
            assert not value.stats.cache_misses, name
            hits += sum(value.stats.cache_hits.values())
print(compile.CACHE, hits)
"""


class Stranger(Program):
    user = NOBODY


@dataclass(frozen=True)
class Image:
    """A folder with a filled cache that nobody can write, a home likewise, and the other user's own: temporary files,
    and a repository.
    """

    cache: Path
    temporary: Path
    repository: Repository
    environ: dict[str, str]

    def files(self) -> dict[str, int]:
        """The cache's files, by when they were changed."""
        return {str(path): path.stat().st_mtime_ns for path in self.cache.rglob("*")}


@pytest.fixture
def image() -> Iterator[Image]:
    if os.getuid() != 0:
        pytest.skip("only root can start a process as another user")
    with tempfile.TemporaryDirectory() as made:  # pytest's own folder is closed to other users
        folder = Path(made)
        folder.chmod(0o755)
        cache, home, temporary, repo = (folder / name for name in ("cache", "home", "tmp", "rides"))
        for each in (home, temporary, repo):
            each.mkdir()
        # What this checkout has compiled already saves the half minute; `hotrow warm` completes it and marks it filled.
        shutil.copytree(policy.CACHE, cache / policy.CACHE.name, ignore=shutil.ignore_patterns(policy._FILLED))
        environ = {"HOTROW_KERNEL_CACHE": str(cache), "HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": ""}
        warm = [sys.executable, "-m", "hotrow.cli.main", "warm"]
        subprocess.run(warm, env=os.environ | environ, check=True, capture_output=True)
        repository = Repository(repo)
        repository.apply()
        for path in (*cache.rglob("*"), cache, home):
            path.chmod(0o555 if path.is_dir() else 0o444)
        for path in (*repo.rglob("*"), repo, temporary):
            os.chown(path, NOBODY, NOBODY)
        yield Image(cache, temporary, repository, environ)


def python(image: Image, code: str) -> "subprocess.CompletedProcess[str]":
    """Run code as the other user."""
    try:
        return subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | image.environ,
            cwd=image.temporary,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    except PermissionError:
        pytest.skip("the interpreter lies where other users cannot go")


def test_another_user_without_a_home_compiles_nothing_and_serves(image: Image) -> None:
    """Every kernel comes from the read-only cache; a server is ready and answers its first request."""
    before = image.files()
    assert python(image, f"open({str(image.cache / 'x')!r}, 'w')").returncode == 1, "the cache can be written"
    loaded = python(image, EVERY_KERNEL)
    assert loaded.returncode == 0, loaded.stderr
    folder, hits = loaded.stdout.split()
    assert (folder, int(hits) > 0) == (str(image.cache / policy.CACHE.name), True)
    serve = Stranger(image.repository, "serve", "--workers", "1", **image.environ)
    try:
        serve.wait_ready()
        assert Path(f"/proc/{serve.worker('server').pid}").stat().st_uid == NOBODY
        with Caller(image.repository.settings.server.address) as caller:
            assert caller.push({1: 1.5}).written == 1
            assert caller.read(1) == [1.5]
        assert serve.stop() == 0, serve.log()
    finally:
        serve.end()
    assert image.files() == before
    assert list(image.temporary.glob("hotrow-kernels-*")) == []
