"""The store in Redis or Valkey: many processes on many machines read it, over one connection each."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from hotrow import clock, log
from hotrow.codec.lookup import Keys, Wanted, keys_from_lists, wanted_views
from hotrow.failpoint import Reached, unarmed
from hotrow.redis.client import RedisClient
from hotrow.redis.failure import REFUSED, said_by_server
from hotrow.section import OnlineStoreSettings
from hotrow.stores.check import check_writes
from hotrow.stores.port import Done, PutOff, StoredRow, StoreInfo, Write, Written, at_once
from hotrow.stores.redis.check import StoreCheck
from hotrow.stores.redis.info import describe, doubts, structure_problems
from hotrow.stores.redis.read import RowReader
from hotrow.stores.redis.root import Identity, RedisRoot, check_owner, find_store, server_address
from hotrow.stores.redis.scan import scan_keys, scan_rows
from hotrow.stores.redis.script import CORRECT, CREATE, FORMAT, GONE, REMOVE, RENEW, WRITE, Names
from hotrow.stores.redis.write import outcomes_of, write_arguments

_REMOVED_AT_ONCE = 1000
_SEQUENCE, _META = wanted_views([b"sequence"], [0]), keys_from_lists([[b"meta"]])  # a field is read as rows are

_log = log.logger(__name__)


class RedisStore(RedisRoot):
    """An `OnlineStore` behind a prefix in one Redis or Valkey server. Threads may share it; a fork must not.

    With `writable` the store is made if there is none, and is the project's if it is nobody's yet; for up to `wait_s` a
    reader waits for that, both for the server.
    Several processes may write: a write is one script. `password` goes with `settings.username`. What a reply to a
    write means is for the server's configuration to say, see docs/durability.md. `reached` is for tests of crashes.

    Raises HotrowError: UNAVAILABLE where the server is away or has no such store yet, FAILED_PRECONDITION for wrong
    credentials and for a store of another format.
    """

    atomic_across_entities = True

    def __init__(
        self,
        settings: OnlineStoreSettings,
        *,
        project: str = "",
        password: str = "",
        writable: bool = False,
        wait_s: float = 0.0,
        reached: Reached = unarmed,
    ) -> None:
        names = Names(settings.prefix.encode())
        self._row_prefix = names.rows
        self._settings = settings
        self._reached = reached
        self._client: RedisClient = client_of(settings, password)
        try:
            look = lambda: _look(self._client, names, project if writable else None)  # noqa: E731
            identity = find_store(settings, project, look, clock.monotonic_s() + wait_s)
            check = _check(self._client, names, identity)
            for doubt in doubts(self._client) if writable else ():
                _log.warning("the online store's server may lose rows", reason=doubt)
        except BaseException:
            self._client.close()
            raise
        self._reader: RowReader = RowReader(
            self._client.address, self._connect, timeout_s=settings.timeout_s, check=check
        )
        super().__init__(self._client, names, identity, self._reader)

    def read_later(self, wanted: Wanted, keys: Keys, done: Done, put_off: PutOff = at_once) -> None:
        self._reader.read(self._row_prefix, wanted, keys, done, put_off)

    def _read_sequence(self, done: Done, put_off: PutOff = at_once) -> None:
        self._reader.read(self._names.prefix, _SEQUENCE, _META, done, put_off)

    def write(self, writes: Sequence[Write]) -> list[Written]:
        check_writes(writes)
        if not writes:
            return []
        keys, arguments = write_arguments(self._names, writes)
        replies = self._client.run(WRITE, keys, [*self._identity, *arguments])
        self._reached("after_write")
        return outcomes_of(writes, replies)

    def scan(self, view_id: bytes | None = None) -> Iterator[StoredRow]:
        return scan_rows(self._client, self._names, view_id)

    def remove(self, rows: Sequence[StoredRow]) -> int:
        removed = 0
        for start in range(0, len(rows), _REMOVED_AT_ONCE):
            some = rows[start : start + _REMOVED_AT_ONCE]
            keys = [self._names.meta, *(self._names.rows + stored.key for stored in some)]
            arguments = [part for stored in some for part in (stored.view_id, stored.row)]
            removed += int(self._client.run(REMOVE, keys, [*self._identity, *arguments]))
        return removed

    def correct_rows(self, change: int) -> None:
        """As `hotrow.stores.port.Expiring` says."""
        if change:
            self._client.run(CORRECT, [self._names.meta], [*self._identity, change])

    def info(self) -> StoreInfo:
        return describe(self._client, self._names, self._settings)

    def verify(self) -> list[str]:
        """As the port says; reads nothing but counts, for a server keeps its own structure."""
        return structure_problems(self._client, self._names)

    def _connect(self) -> Any:
        """A connection for reads. Whoever connects anew may have come to a server that has lost the store."""
        connection = self._client.connection()
        try:
            with self._client.translated():
                connection.connect()
                self._check_same(connection)
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def _check_same(self, connection: Any) -> None:
        connection.send_command("HMGET", self._names.meta, "id", "epoch")
        if tuple(connection.read_response()) != self._identity:
            raise said_by_server(self._client.address, f"{REFUSED} {GONE}")


def client_of(settings: OnlineStoreSettings, password: str) -> RedisClient:
    """Commands to the server of the settings; nothing is connected before the first."""
    address = server_address(settings, password)
    return RedisClient(address, timeout_s=settings.write_timeout_s, connect_timeout_s=settings.timeout_s)


def _look(client: RedisClient, names: Names, project: str | None) -> Sequence[bytes | None]:
    """Format, id, epoch and project; with a `project` the store is made, and becomes its, if it is nobody's yet."""
    if project is not None:
        client.run(CREATE, [names.meta], [FORMAT, uuid.uuid4().hex, project])
    found: list[bytes | None] = client.ask("HMGET", names.meta, "format", "id", "epoch", "project")
    return found


def _check(client: RedisClient, names: Names, identity: Identity) -> StoreCheck:
    gone = said_by_server(client.address, f"{REFUSED} {GONE}")
    known = client.ask("HEXISTS", names.meta, "identity")
    return StoreCheck(names.prefix, b":".join(identity) if known else None, gone)


def store_exists(settings: OnlineStoreSettings, password: str) -> bool:
    """Whether the server has a store behind the prefix; raises as `RedisStore`."""
    client = client_of(settings, password)
    try:
        return bool(client.ask("EXISTS", Names(settings.prefix.encode()).meta))
    finally:
        client.close()


def create_fresh(settings: OnlineStoreSettings, password: str, *, project: str = "") -> bool:
    """Empty the store: the same id, the next epoch, and nothing in it. Returns whether there was one.

    For a rebuild. Processes that have the store open write to it no more. Rows go a few at a time, in as long as it
    takes to look through the database.
    """
    client = client_of(settings, password)
    names = Names(settings.prefix.encode())
    try:
        if not client.ask("EXISTS", names.meta):
            return False
        check_owner(settings, client.ask("HGET", names.meta, "project"), project)
        rest = [names.watermarks, names.schemas, names.marks, names.mark_order, names.outbox]
        client.run(RENEW, [names.meta, *rest], [])
        for keys in scan_keys(client, names):
            client.ask("UNLINK", *keys)
        return True
    finally:
        client.close()
