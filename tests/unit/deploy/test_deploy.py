"""What deploy/ holds is well formed, as far as that can be told without running it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from hotrow.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
HADOLINT = Path(sys.executable).with_name("hadolint")
CHECK_JSONSCHEMA = Path(sys.executable).with_name("check-jsonschema")
EXPOSURE_MAX = 20  # tenths: systemd's own figure is 0 for a sealed service and 100 for an open one

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _verify(unit: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let systemd read all units, with a program that this machine has in place of hotrow."""
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace("/opt/hotrow/bin/hotrow", sys.executable)
        (folder / path.name).write_text(text, encoding="utf-8")
    return _run("systemd-analyze", "verify", "--man=no", folder / unit.name)


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint comes for Linux on x86-64 alone")
def test_the_container_file_is_clean():
    """Hadolint has nothing to say that the file does not answer in a comment."""
    result = _run(HADOLINT, DEPLOY / "Containerfile")
    assert result.returncode == 0, result.stdout


def test_the_container_file_copies_what_is_built():
    """Every package of the wheel, and what its metadata names, is in the build stage and passes .dockerignore."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = [*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], project["project"]["readme"]]
    needed += [*project["project"]["license-files"], "pyproject.toml", "constraints.txt"]
    lines = re.findall(r"^COPY (?!--)(.+) \S+$", (DEPLOY / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE)
    copied = [source for line in lines for source in line.split()]
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]
    for name in needed:
        assert any(f"{name}/".startswith(f"{source}/") for source in copied), f"{name} is not copied"
        assert any(f"{name}/".startswith(f"{entry}/") for entry in let_in), f"{name} is ignored"


def test_the_image_does_not_run_as_root():
    """The last user of the file is a number other than 0."""
    users = re.findall(r"^USER (\d+):(\d+)$", (DEPLOY / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert users
    assert "0" not in users[-1]


def test_the_image_has_every_kernel():
    """The build runs `hotrow warm`, which imports, and so compiles, all modules of kernels."""
    assert 'RUN ["hotrow", "warm"]' in (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    statement = "from hotrow.codec.compile import warm; warm()"
    loaded = _run(sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)").stdout.split()
    kernels = {f"hotrow.codec.{path.stem}" for path in (ROOT / "core/hotrow/codec").glob("kernel_*.py")}
    assert kernels
    assert kernels <= set(loaded)


def _command_lines():
    """The commands of hotrow that the files start, without the program."""
    container = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    yield from (json.loads(words) for words in re.findall(r"^CMD (.+)$", container, re.MULTILINE))
    yield from (words.split(", ") for words in re.findall(r"^    command: \[(.+)\]$", compose, re.MULTILINE))
    for unit in UNITS:
        yield re.findall(r"^ExecStart=\S+ (.+)$", unit.read_text(encoding="utf-8"), re.MULTILINE)[0].split()


@pytest.mark.parametrize("words", tuple(_command_lines()), ids=" ".join)
def test_a_command_is_one_that_hotrow_takes(words):
    """Its name and its options are known."""
    command = typer.main.get_command(app).commands[words[0]]
    assert command.make_context(words[0], words[1:]).args == []


def test_the_compose_file_fits_its_schema(tmp_path):
    """The Compose specification accepts the file, and would not accept a misspelt key."""
    command = (CHECK_JSONSCHEMA, "--builtin-schema", "vendor.compose-spec")
    result = _run(*command, DEPLOY / "compose.yaml")
    assert result.returncode == 0, result.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((DEPLOY / "compose.yaml").read_text(encoding="utf-8").replace("cap_drop:", "cap_dorp:"))
    assert _run(*command, wrong).returncode != 0


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_one_that_systemd_reads(unit, tmp_path):
    """Systemd finds no unknown key, no missing program and no cycle."""
    result = _verify(unit, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_confined(unit, tmp_path):
    """Systemd's own measure of what the service could reach stays low."""
    _verify(unit, tmp_path)
    result = _run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", tmp_path / unit.name)
    assert result.returncode == 0, result.stdout


def test_there_are_units():
    """The tests above are not about an empty list."""
    assert {unit.stem for unit in UNITS} == {"hotrow", "hotrow-server", "hotrow-ingest"}
