"""The tables of a `hotrow.toml`, see `hotrow.settings`, and what each key means."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file: immutable, and a key it does not know is an error."""


class TlsSettings(Section, frozen=True):
    """Certificate and key, PEM files; with `client_ca`, callers must show a certificate signed by it (mutual TLS)."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class CallerTlsSettings(Section, frozen=True):
    """How processes of ours that call a listener trust it: `ca` signed its certificate (unset: an authority of the
    system), `cert` and `key` are their own, for mutual TLS, `server_name` stands on its certificate where that is
    not the host of the address.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str = ""


class OnlineStoreSettings(Section, frozen=True):
    """Where the online store is.

    Of "lmdb": `path` is its folder; `size_gib` bounds it: the map is sparse, and takes disk only as rows come.

    Of "redis" and "valkey": `url` is the server's, without a password, which is in the environment or in
    `password_file`; `prefix` stands before all keys. With `mode` "sentinel" it names the Sentinels, commas between, and
    they name the server that is `primary`; with "cluster", nodes of a cluster, of which one has to answer. A read fails
    when for `timeout_s` nothing comes, a write or a command after `write_timeout_s`. `path` then only names the folder
    `<path>.run`, of what runs on this machine.
    """

    type: Literal["lmdb", "redis", "valkey"] = "lmdb"
    path: Path = Path("data/online")
    size_gib: Annotated[float, msgspec.Meta(gt=0, le=16384)] = 64.0
    url: str = ""
    mode: Literal["single", "sentinel", "cluster"] = "single"
    primary: str = "mymaster"
    username: str = ""
    password_file: Path | None = None
    prefix: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "hotrow:"
    timeout_s: Annotated[float, msgspec.Meta(ge=0.01, le=60)] = 1.0
    write_timeout_s: Annotated[float, msgspec.Meta(ge=0.01, le=600)] = 10.0

    @property
    def embedded(self) -> bool:
        """Whether the store is in files of this machine, which one process writes; else it is a server's."""
        return self.type == "lmdb"

    @property
    def place(self) -> str:
        """Where the store is, for a message."""
        return str(self.path) if self.embedded else f"{self.url} with prefix {self.prefix!r}"


class OfflineStoreSettings(Section, frozen=True):
    """Where the log of pushed rows is. Rows are in a file of it after `flush_interval_s`; until then, in the store."""

    path: Path = Path("data/log")
    flush_interval_s: Annotated[float, msgspec.Meta(ge=0.01, le=86400)] = 10.0


class ServerSettings(Section, frozen=True):
    """The server workers, which share one address.

    `lane`: "auto" drives the gRPC core directly for the hot methods where that passes its self-test, "off" never; it
    holds for the ingest worker's listener too.
    `max_connection_age_s`: connections are asked to reconnect after it, so that they spread over the workers.
    """

    address: str = "127.0.0.1:6565"
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 2
    lane: Literal["auto", "off"] = "auto"
    max_message_mib: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 64
    max_connection_age_s: Annotated[float, msgspec.Meta(ge=1)] = 300.0
    drain_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 20.0
    tls: TlsSettings | None = None
    caller_tls: CallerTlsSettings | None = None


class IngestSettings(Section, frozen=True):
    """The ingest worker, the only writer of the store.

    `durability`: "fsync", on disk before the reply; "os", survives the process but not the power. `max_future_s`
    bounds how far ahead of the clock an event time may lie. `queue_rows` and `queue_mib` bound what waits for a commit,
    above which a push is refused; `max_batch_rows`, those that share one transaction (of one server, 4,000 at most).
    Every `gc_interval_s` (0: never) rows that are a day past their view's ttl are removed.
    """

    address: str = "127.0.0.1:6566"
    durability: Literal["fsync", "os"] = "fsync"
    max_future_s: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    queue_rows: Count = 500_000
    queue_mib: Count = 256
    max_batch_rows: Count = 100_000
    gc_interval_s: Annotated[float, msgspec.Meta(ge=0, le=366 * 86400)] = 3600.0
    max_message_mib: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 64
    max_connection_age_s: Annotated[float, msgspec.Meta(ge=1)] = 300.0
    drain_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 20.0
    tls: TlsSettings | None = None
    caller_tls: CallerTlsSettings | None = None


class LogSettings(Section, frozen=True):
    """`json` unset: JSON, but readable on a terminal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    json: bool | None = None
