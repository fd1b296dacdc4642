"""What deploy/ holds is well formed, as far as that can be told without running it."""

import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from hotrow.cli.main import app
from hotrow.section import OnlineStoreSettings
from hotrow.stores.redis.store import RedisStore
from support.ports import free_ports

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
COMPOSE = (DEPLOY / "compose.yaml", DEPLOY / "compose.redis.yaml")
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
    yield from (json.loads(words) for words in re.findall(r"^CMD (.+)$", container, re.MULTILINE))
    for file in COMPOSE:
        text = file.read_text(encoding="utf-8")
        yield from (words.split(", ") for words in re.findall(r"^    command: \[(.+)\]$", text, re.MULTILINE))
    for unit in UNITS:
        yield re.findall(r"^ExecStart=\S+ (.+)$", unit.read_text(encoding="utf-8"), re.MULTILINE)[0].split()


@pytest.mark.parametrize("words", tuple(_command_lines()), ids=" ".join)
def test_a_command_is_one_that_hotrow_takes(words):
    """Its name and its options are known."""
    command = typer.main.get_command(app).commands[words[0]]
    assert command.make_context(words[0], words[1:]).args == []


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_a_compose_file_fits_its_schema(file, tmp_path):
    """The Compose specification accepts it, and would not accept a misspelt key."""
    command = (CHECK_JSONSCHEMA, "--builtin-schema", "vendor.compose-spec")
    result = _run(*command, file)
    assert result.returncode == 0, result.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(file.read_text(encoding="utf-8").replace("cap_drop:", "cap_dorp:"))
    assert _run(*command, wrong).returncode != 0


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_every_service_is_confined(file):
    """No rights, and nothing to write to but volumes; what is named is declared."""
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    for service in tree["services"].values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["healthcheck"]["test"]
        volumes = {volume.split(":")[0] for volume in service["volumes"] if isinstance(volume, str)}
        assert volumes <= tree["volumes"].keys()
        assert set(service.get("secrets", ())) <= tree.get("secrets", {}).keys()
        assert set(service.get("networks", ())) <= tree.get("networks", {}).keys()


class ComposedRedis:
    """The Redis of the compose file by its own words, on a port and in a folder of the test's own."""

    def __init__(self, folder: Path, password: str | None) -> None:
        tree = yaml.safe_load((DEPLOY / "compose.redis.yaml").read_text(encoding="utf-8"))
        service = tree["services"]["redis"]
        self._folder = folder
        if password is not None:
            (folder / "store_password").write_text(password)
        (self.port,) = free_ports(1)
        shell, flag, script = service["command"]
        options = f" --port {self.port} --bind 127.0.0.1"
        with (folder / "log").open("wb") as log:
            command = [shell, flag, self._here(script).rstrip() + options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self._check = self._here(service["healthcheck"]["test"][1]).replace("redis-cli", f"redis-cli -p {self.port}")

    def _here(self, text: str) -> str:
        text = re.sub(r"/run/secrets/|/tmp/|/data\b", f"{self._folder}/", text)
        return re.sub(r"\$\{[A-Z_]+:-(.+?)\}", r"\1", text).replace("$$", "$")

    def healthy(self) -> bool:
        return subprocess.run(["sh", "-c", self._check], check=False).returncode == 0

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def compose_redis(tmp_path):
    """Starts it, with a password in its secret or without the secret."""
    started = []

    def start(password):
        started.append(ComposedRedis(tmp_path, password))
        return started[-1]

    yield start
    for redis in started:
        redis.end()


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
def test_the_redis_of_the_compose_file_keeps_what_it_takes(compose_redis):
    """Its command starts a server that its health check finds, that asks for the password, and that drops nothing."""
    redis = compose_redis("a pass#word")
    end_s = time.monotonic() + 60
    while not redis.healthy():
        assert time.monotonic() < end_s
        time.sleep(0.1)
    ping = ["redis-cli", "-p", str(redis.port), "ping"]
    assert b"NOAUTH" in subprocess.run(ping, capture_output=True, check=True).stdout
    settings = OnlineStoreSettings(type="redis", url=f"redis://127.0.0.1:{redis.port}/0")
    store = RedisStore(settings, password="a pass#word", writable=True)
    try:
        info = store.info()
    finally:
        store.close()
    assert info.details["persistence"] == "append-only file, fsync always"
    assert info.details["maxmemory_policy"] == "noeviction"
    assert info.size_bytes == 2 << 30


@pytest.mark.parametrize("password", [None, ""])
def test_the_redis_of_the_compose_file_needs_a_password(compose_redis, password):
    """It does not start open to all where the secret is missing or empty."""
    assert compose_redis(password).process.wait(60) != 0


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
