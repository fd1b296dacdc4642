"""The settings of a repository: what a file may say, and what it is told when it is wrong."""

from pathlib import Path

import msgspec
import pytest
from hotrow.errors import Code, HotrowError
from hotrow.settings import decode_settings, encode_settings, load_settings, settings_from_file

FULL = """
project = "rides"
registry = "registry"
[online_store]
type = "lmdb"
path = "data/online"
[server]
address = "127.0.0.1:6565"
workers = 2
[ingest]
address = "127.0.0.1:6566"
durability = "fsync"
"""


def load(folder: Path, text: str, **environ: str):
    (folder / "hotrow.toml").write_text(text)
    return settings_from_file(folder, environ)


def refusal(folder: Path, text: str, **environ: str) -> HotrowError:
    with pytest.raises(HotrowError) as caught:
        load(folder, text, **environ)
    assert caught.value.code is Code.INVALID
    return caught.value


def test_the_file_of_the_documentation_loads_with_its_paths_absolute(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL)
    assert settings.project == "rides"
    assert settings.registry == str(tmp_path / "registry")
    assert settings.online_store.path == tmp_path / "data/online"
    assert settings.run_path == tmp_path / "data/online.run"
    assert settings.ingest_socket.parent == settings.run_path
    assert (settings.server.address, settings.server.workers) == ("127.0.0.1:6565", 2)
    assert (settings.ingest.address, settings.ingest.durability) == ("127.0.0.1:6566", "fsync")


def test_all_but_the_project_has_a_default(tmp_path: Path) -> None:
    assert load(tmp_path, FULL) == load(tmp_path, 'project = "rides"')


def test_tls_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    tls = load(tmp_path, 'project = "x"\n[server.tls]\ncert = "tls/c.pem"\nkey = "/etc/k.pem"').server.tls
    assert tls is not None
    assert (tls.cert, tls.key, tls.client_ca) == (tmp_path / "tls/c.pem", Path("/etc/k.pem"), None)


def test_how_callers_trust_a_listener_is_set_beside_it(tmp_path: Path) -> None:
    caller = load(tmp_path, 'project = "x"\n[ingest.caller_tls]\nca = "ca.pem"\nserver_name = "i"').ingest.caller_tls
    assert caller is not None
    assert (caller.ca, caller.cert, caller.key, caller.server_name) == (tmp_path / "ca.pem", None, None, "i")


def test_a_registry_with_a_scheme_is_no_path(tmp_path: Path) -> None:
    assert load(tmp_path, 'project = "x"\nregistry = "s3://bucket/r"').registry == "s3://bucket/r"


def test_settings_come_back_from_their_encoding(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL + '[server.tls]\ncert = "c"\nkey = "k"\nclient_ca = "a"', HOTROW_FAILPOINT="x:1")
    assert decode_settings(encode_settings(settings)) == settings
    with pytest.raises(msgspec.ValidationError):
        decode_settings(b'{"project": 1}')


@pytest.mark.parametrize(
    ("text", "field", "told"),
    [
        ("", "project", "'project' is missing; add project = ... above the first table"),
        ('proj = "x"', "proj", "unknown key 'proj'; did you mean project?"),
        ('project = "x"\nrepo = "y"', "repo", "unknown key 'repo'"),
        ('project = "x"\nfailpoint = "y"', "failpoint", "unknown key 'failpoint'"),
        ('project = "A b"', "project", "'A b' is not a project name"),
        ('project = "a__b"', "project", "'a__b' is not a project name"),
        ('project = "x"\n[server]\nworkrs = 1', "server.workrs", "unknown key 'server.workrs'; did you mean workers?"),
        ('project = "x"\n[server]\nworkers = 0', "server.workers", "'server.workers': expected `int` >= 1"),
        ('project = "x"\n[server]\nworkers = "2"', "server.workers", "'server.workers': expected `int`, got `str`"),
        ('project = "x"\n[server]\nlane = "on"', "server.lane", "'server.lane': one of 'auto', 'off', not 'on'"),
        ('project = "x"\nserver = 3', "server", "'server': expected `object`, got `int`"),
        ('project = "x"\n[server.tls]\ncert = "c"', "server.tls.key", "add key = ... to the table [server.tls]"),
        ('project = "x"\n[ingest.caller_tls]\ncb = "c"', "ingest.caller_tls.cb", "did you mean ca?"),
        ('project = "x"\n[online_store]\ntype = "rediss"', "online_store.type", "'redis', 'valkey', not 'rediss'"),
        ('project = "x"\n[online_store]\ntype = "redis"', "online_store.url", "write redis://host:6379/0"),
        ('project = "x"\n[online_store]\nurl = "redis://a"', "online_store.url", "set online_store.type"),
        (
            'project = "x"\n[online_store]\ntype = "redis"\nurl = "redis://:word@a"',
            "online_store.url",
            "put it in HOTROW_STORE_PASSWORD",
        ),
        ('project = "x"\n[online_store]\npath = ""', "online_store.path", "expected a path, got ''"),
        ('project = "x"\n[server]\naddress = "here"', "server.address", "'here' is not an address; write host:port"),
        ('project = "x"\n[server]\naddress = "a:0"', "server.address", "'a:0' is not an address"),
        ('project = "x"\n[ingest]\naddress = "a:65536"', "ingest.address", "'a:65536' is not an address"),
        ('project = "x"\n[ingest]\naddress = "127.0.0.1:6565"', "ingest.address", "is the same as 'server.address'"),
        ("project = [", "", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_with_file_key_and_remedy(tmp_path: Path, text: str, field: str, told: str) -> None:
    error = refusal(tmp_path, text)
    assert error.message.startswith(str(tmp_path / "hotrow.toml"))
    assert told in error.message
    assert error.field == field


@pytest.mark.parametrize("address", ["127.0.0.1:6000", "[::1]:6000", "localhost:6000", "0.0.0.0:6000", "ingest:6000"])
def test_these_are_addresses(tmp_path: Path, address: str) -> None:
    assert load(tmp_path, f'project = "x"\n[server]\naddress = "{address}"').server.address == address


def test_a_folder_without_the_file_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(HotrowError, match="hotrow init") as caught:
        load_settings(tmp_path)
    assert caught.value.code is Code.NOT_FOUND


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(
        tmp_path,
        FULL,
        HOTROW_SERVER_ADDRESS="127.0.0.1:1",
        HOTROW_SERVER_WORKERS="7",
        HOTROW_LOG_JSON="true",
        HOTROW_STORE_PATH="elsewhere",
        HOTROW_FAILPOINT="after_write:3",
        HOTROW_INGEST_ADDRESS="",
    )
    assert (settings.server.address, settings.server.workers) == ("127.0.0.1:1", 7)
    assert settings.log.json is True
    assert settings.online_store.path == tmp_path / "elsewhere"
    assert settings.failpoint == "after_write:3"
    assert settings.ingest.address == "127.0.0.1:6566"


def test_load_settings_reads_the_process_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hotrow.toml").write_text(FULL)
    monkeypatch.setenv("HOTROW_LOG_LEVEL", "error")
    assert load_settings(tmp_path).log.level == "error"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("HOTROW_SERVER_WORKERS", "many", "'server.workers': expected `int`, got `str`"),
        ("HOTROW_INGEST_ADDRESS", "here", "'here' is not an address"),
        ("HOTROW_LOG_LEVEL", "loud", "not 'loud'"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, value: str, told: str) -> None:
    message = refusal(tmp_path, FULL, **{variable: value}).message
    assert message.startswith(f"{variable} (environment)")
    assert told in message
