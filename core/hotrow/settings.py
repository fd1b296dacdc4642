"""Settings of a feature repository: its `hotrow.toml`, and the few environment variables that override it.

This is the only module that reads the environment. The variables, for containers and tests:

    HOTROW_REGISTRY         registry                HOTROW_STORE_PATH      online_store.path
    HOTROW_STORE_URL        online_store.url        HOTROW_STORE_PASSWORD  of a store on Redis or Valkey
    HOTROW_REGISTRY_PASSWORD  of a registry there     HOTROW_SENTINEL_PASSWORD  of the Sentinels
    HOTROW_SERVER_ADDRESS   server.address          HOTROW_INGEST_ADDRESS  ingest.address
    HOTROW_SERVER_WORKERS   server.workers          HOTROW_SERVER_LANE     server.lane
    HOTROW_LOG_LEVEL        log.level               HOTROW_LOG_JSON        log.json (true or false)
    HOTROW_OFFLINE_STORE_PATH  offline_store.path
    HOTROW_KERNEL_CACHE     the folder of compiled kernels (else below XDG_CACHE_HOME, or below ~/.cache)
    HOTROW_FAILPOINT        where a process kills itself, for tests of crashes (`hotrow.failpoint`)

A path in the file is taken from the folder of the file; one in the environment, from the working directory.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from hotrow.errors import Code, HotrowError, invalid, nearest
from hotrow.feast import MOVING, SETTINGS, YAML, called
from hotrow.section import (
    CallerTlsSettings,
    IngestSettings,
    LogSettings,
    OfflineStoreSettings,
    OnlineStoreSettings,
    Section,
    ServerSettings,
    TlsSettings,
)

FILE = "hotrow.toml"

_OVERRIDES = {
    "HOTROW_REGISTRY": "registry",
    "HOTROW_STORE_PATH": "online_store.path",
    "HOTROW_STORE_URL": "online_store.url",
    "HOTROW_OFFLINE_STORE_PATH": "offline_store.path",
    "HOTROW_SERVER_ADDRESS": "server.address",
    "HOTROW_SERVER_WORKERS": "server.workers",
    "HOTROW_SERVER_LANE": "server.lane",
    "HOTROW_INGEST_ADDRESS": "ingest.address",
    "HOTROW_LOG_LEVEL": "log.level",
    "HOTROW_LOG_JSON": "log.json",
}
_FAILPOINT = "HOTROW_FAILPOINT"
_NOT_IN_FILE = ("repo", "failpoint")
_PROJECT = re.compile(r"(?!.*__)[a-z][a-z0-9_]{0,62}")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(\d{1,5})")


class Settings(Section, frozen=True):
    """All of them, every path absolute. `repo` is the folder of the file; `failpoint` is never in a file."""

    project: str
    repo: Path
    registry: str = "registry"
    online_store: OnlineStoreSettings = OnlineStoreSettings()
    offline_store: OfflineStoreSettings = OfflineStoreSettings()
    server: ServerSettings = ServerSettings()
    ingest: IngestSettings = IngestSettings()
    log: LogSettings = LogSettings()
    failpoint: str = ""

    @property
    def run_path(self) -> Path:
        """The folder of what runs on the store: locks, states of supervisors, and the ingest worker's socket."""
        return self.online_store.path.with_name(self.online_store.path.name + ".run")

    @property
    def ingest_socket(self) -> Path:
        """The unix socket on which the ingest worker answers the processes of this machine."""
        return self.run_path / "ingest.sock"


def load_settings(repo: Path) -> Settings:
    """Settings of the repository in folder `repo`, with the overrides of this process's environment.

    Raises HotrowError INVALID that names the file, the key and the remedy; NOT_FOUND where there is no such file.
    """
    return settings_from_file(repo, os.environ)


def settings_from_file(repo: Path, environ: Mapping[str, str]) -> Settings:
    """As `load_settings`, with the environment given; `repo` may also be the file, whatever its name."""
    file = repo.absolute() if repo.is_file() else repo.absolute() / FILE
    tree = _read_file(file)
    origins = _override(tree, environ)
    for key in _NOT_IN_FILE:
        if key in tree:
            raise invalid(f"{file}: unknown key {key!r}; remove it", field=key)
    tree |= {"repo": str(file.parent), "failpoint": environ.get(_FAILPOINT, "")}
    try:
        settings = msgspec.convert(tree, Settings, strict=True, dec_hook=_path_from_str)
    except msgspec.ValidationError as error:
        raise _explained(error, file, origins) from None
    _check(settings, file, origins)
    return _absolute(settings)


def encode_settings(settings: Settings) -> bytes:
    """As JSON, to hand to another process."""
    return msgspec.json.encode(settings, enc_hook=str)


def decode_settings(data: bytes) -> Settings:
    """The settings of `encode_settings`; raises msgspec.ValidationError for anything else."""
    return msgspec.json.decode(data, type=Settings, dec_hook=_path_from_str)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        remedy = f"go to a folder that has a {FILE}, name it with --repo, or make one with `hotrow init`"
        moving = f"; {MOVING}" if (file.parent / YAML).exists() else ""
        raise HotrowError(Code.NOT_FOUND, f"no {FILE} in {file.parent}; {remedy}{moving}") from None
    except OSError as error:
        raise invalid(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise invalid(f"{file}: not valid TOML: {error}") from None


def _override(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Put the variables that are set into the tree; returns the name of the variable for each key it set."""
    origins: dict[str, str] = {}
    for variable, key in _OVERRIDES.items():
        text = environ.get(variable, "")
        if not text:
            continue
        table, _, leaf = key.rpartition(".")
        target = tree.setdefault(table, {}) if table else tree
        if isinstance(target, dict):  # else the file is wrong, and the conversion says so
            target[leaf] = _override_value(key, text)
            origins[key] = variable
    return origins


def _override_value(key: str, text: str) -> str | int | bool:
    """Text that is no number or truth value stays as it is, and the conversion refuses it by name."""
    if key == "server.workers" and text.isdecimal():
        return int(text)
    if key == "log.json" and text.lower() in {"true", "1", "false", "0"}:
        return text.lower() in {"true", "1"}
    if key in ("online_store.path", "offline_store.path") or (key == "registry" and "://" not in text):
        return str(Path(text).absolute())
    return text


def _explained(error: msgspec.ValidationError, file: Path, origins: Mapping[str, str]) -> HotrowError:
    """The message of msgspec, told with the dotted key, where it stands, and the known keys for one that is not."""
    what, _, where = str(error).partition(" - at `$")
    key = where.strip("`").lstrip(".")
    if unknown := re.search(r"unknown field `(.+?)`", what):
        name = unknown[1]
        full = f"{key}.{name}" if key else name
        meant = called(name, SETTINGS) or nearest(name, _known(key))
        return invalid(f"{file}: unknown key {full!r}{meant}", field=full)
    if missing := re.search(r"missing required field `(.+?)`", what):
        full = f"{key}.{missing[1]}" if key else missing[1]
        return invalid(f"{file}: {full!r} is missing; add {missing[1]} = ... {_in_table(key)}", field=full)
    place = f"{origins[key]} (environment)" if key in origins else str(file)
    table, _, leaf = key.rpartition(".")
    if what.startswith("Invalid enum value"):
        choices = get_args(get_type_hints(_section(table))[leaf])
        what = what.replace("Invalid enum value", "one of " + ", ".join(map(repr, choices)) + ", not")
    return invalid(f"{place}: {key!r}: {what[:1].lower()}{what[1:]}", field=key)


_SUBSECTIONS = {"tls": TlsSettings, "caller_tls": CallerTlsSettings}


def _section(table: str) -> Any:
    section: Any = Settings
    for name in filter(None, table.split(".")):
        section = _SUBSECTIONS.get(name) or get_type_hints(section)[name]
    return section


def _known(table: str) -> list[str]:
    section = _section(table)
    return [name for name in section.__struct_fields__ if section is not Settings or name not in _NOT_IN_FILE]


def _in_table(table: str) -> str:
    return f"to the table [{table}]" if table else "above the first table"


def _check(settings: Settings, file: Path, origins: Mapping[str, str]) -> None:
    """What a type cannot say."""
    if not _PROJECT.fullmatch(settings.project):
        rule = "a letter a-z, then a-z, 0-9 and single _, 63 at most"
        raise invalid(f"{file}: 'project': {settings.project!r} is not a project name ({rule})", field="project")
    for table, section in (("server", settings.server), ("ingest", settings.ingest)):
        key = f"{table}.address"
        match = _ADDRESS.fullmatch(section.address)
        if match is None or not 1 <= int(match[2]) <= 65535:
            place = f"{origins[key]} (environment)" if key in origins else str(file)
            example = "write host:port, such as 127.0.0.1:6565 or [::1]:6565, with a port from 1 to 65535"
            raise invalid(f"{place}: {key!r}: {section.address!r} is not an address; {example}", field=key)
    _check_store(settings.online_store, file, origins)
    if settings.server.address == settings.ingest.address:
        raise invalid(
            f"{file}: 'ingest.address' is the same as 'server.address' ({settings.server.address}); change one of them",
            field="ingest.address",
        )


def _check_store(store: OnlineStoreSettings, file: Path, origins: Mapping[str, str]) -> None:
    key = "online_store.url"
    place = f"{origins[key]} (environment)" if key in origins else str(file)
    url = urlsplit(store.url)
    if store.embedded:
        if store.url:
            raise invalid(f"{place}: {key!r} is not of type 'lmdb'; set online_store.type, or remove it", field=key)
        return
    if url.scheme not in ("redis", "rediss", "unix"):
        example = "write redis://host:6379/0, rediss:// for TLS, or unix:///path/to/socket"
        raise invalid(f"{place}: {key!r}: {store.url!r} is not the address of a server; {example}", field=key)
    if store.mode == "cluster" and url.scheme == "unix":
        raise invalid(f"{place}: {key!r}: a cluster is not on a socket; name its nodes by host:port", field=key)
    if store.mode == "cluster" and set(store.prefix) & set("{}"):
        reason = "a cluster finds the slot of a key by what stands in braces; leave them out"
        raise invalid(f"{file}: 'online_store.prefix' is {store.prefix!r}, and {reason}", field="online_store.prefix")
    if url.password or "password=" in url.query:
        remedy = "put it in HOTROW_STORE_PASSWORD, or in a file that online_store.password_file names"
        raise invalid(f"{place}: {key!r} holds a password, and is shown in messages; {remedy}", field=key)


def _absolute(settings: Settings) -> Settings:
    repo = settings.repo
    replace = msgspec.structs.replace
    return replace(
        settings,
        registry=settings.registry if "://" in settings.registry else str(repo / settings.registry),
        online_store=_absolute_paths(settings.online_store, repo),
        offline_store=_absolute_paths(settings.offline_store, repo),
        server=_absolute_tls(settings.server, repo),
        ingest=_absolute_tls(settings.ingest, repo),
    )


def _absolute_paths(section: Any, repo: Path) -> Any:
    if section is None:
        return None
    paths = {name: repo / value for name, value in msgspec.structs.asdict(section).items() if isinstance(value, Path)}
    return msgspec.structs.replace(section, **paths)


_Listener = TypeVar("_Listener", ServerSettings, IngestSettings)


def _absolute_tls(listener: _Listener, repo: Path) -> _Listener:
    tls, caller_tls = _absolute_paths(listener.tls, repo), _absolute_paths(listener.caller_tls, repo)
    return msgspec.structs.replace(listener, tls=tls, caller_tls=caller_tls)


def _path_from_str(kind: type, value: Any) -> Any:
    """The one type of the settings that msgspec does not know."""
    if kind is not Path:
        raise NotImplementedError(kind)
    if not isinstance(value, str) or not value:
        raise ValueError(f"Expected a path, got {value!r}")
    return Path(value)


def kernel_cache_folder() -> Path:
    """Where compiled kernels are kept: HOTROW_KERNEL_CACHE, or `hotrow/kernels` in the user's cache folder."""
    explicit = os.environ.get("HOTROW_KERNEL_CACHE")
    if explicit:
        return Path(explicit).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hotrow" / "kernels"


def server_password(variable: str, file: Path | None = None) -> str:
    """The password of a server: in the environment, else in the file; empty where there is neither.

    No setting, so that no message and no state shows it. Raises FAILED_PRECONDITION for a file that cannot be read.
    """
    if file is None or os.environ.get(variable):
        return os.environ.get(variable, "")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        field = "online_store.password_file"
        raise HotrowError(Code.FAILED_PRECONDITION, f"{file}, {field}, cannot be read ({error})", field=field) from None


def worker_environment() -> dict[str, str]:
    """The environment of a worker: this process's own, and, unless it says otherwise, an experiment of gRPC turned off.

    With `event_engine_listener` gRPC reads connections on threads of its own and wakes the one that serves the call;
    without it that thread reads them itself, which takes a tenth to a quarter off the CPU time of a small call
    (docs/adr/0007). gRPC reads the variable once, before anything of it is used.
    """
    return {"GRPC_EXPERIMENTS": "-event_engine_listener", **os.environ}
