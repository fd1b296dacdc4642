"""The store in Redis or Valkey: many processes on many machines read it, over one connection each."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hotrow import clock, log
from hotrow.codec.lookup import Keys, Rows, Wanted, keys_from_lists, wanted_views
from hotrow.errors import Code, HotrowError
from hotrow.failpoint import Reached, unarmed
from hotrow.redis.address import RedisAddress
from hotrow.redis.client import RedisClient
from hotrow.redis.failure import REFUSED, said_by_server
from hotrow.settings import OnlineStoreSettings, server_password
from hotrow.stores.answer import Answer
from hotrow.stores.check import check_writes
from hotrow.stores.port import Done, PutOff, StoredRow, StoreInfo, Waiting, Write, Written, at_once
from hotrow.stores.redis_check import StoreCheck
from hotrow.stores.redis_info import describe, doubts, structure_problems
from hotrow.stores.redis_outbox import BEGIN, CLAIM, HOLD, RELEASE, RESERVE, TRIM
from hotrow.stores.redis_read import RowReader
from hotrow.stores.redis_scan import scan_keys, scan_rows
from hotrow.stores.redis_script import CORRECT, CREATE, FORMAT, GONE, REMOVE, RENEW, WRITE, Names
from hotrow.stores.redis_write import outcomes_of, write_arguments

_POLL_S = 0.05
_REMOVED_AT_ONCE = 1000
_SEQUENCE, _META = wanted_views([b"sequence"], [0]), keys_from_lists([[b"meta"]])  # a field is read as rows are
_ENTRIES_READ = 100  # of the outbox, each 256 KiB as a rule

_log = log.logger(__name__)


class RedisStore:
    """An `OnlineStore` behind a prefix in one Redis or Valkey server. Threads may share it; a fork must not.

    With `writable` the store is made if there is none; for up to `wait_s` a reader waits for that, both for the server.
    Several processes may write: a write is one script. `password` goes with `settings.username`. What a reply to a
    write means is for the server's configuration to say, see docs/durability.md. `reached` is for tests of crashes.

    Raises HotrowError: UNAVAILABLE where the server is away or has no such store yet, FAILED_PRECONDITION for wrong
    credentials and for a store of another format.
    """

    def __init__(
        self,
        settings: OnlineStoreSettings,
        *,
        password: str = "",
        writable: bool = False,
        wait_s: float = 0.0,
        reached: Reached = unarmed,
    ) -> None:
        self._names = Names(settings.prefix.encode())
        self._row_prefix = self._names.rows
        self._settings = settings
        self._reached = reached
        self._client = client_of(settings, password)
        try:
            self._identity = self._find(clock.monotonic_s() + wait_s, writable=writable)
            check = self._check()
            for doubt in doubts(self._client) if writable else ():
                _log.warning("the online store's server may lose rows", reason=doubt)
        except BaseException:
            self._client.close()
            raise
        self._reader = RowReader(self._client.address, self._connect, timeout_s=settings.timeout_s, check=check)

    @property
    def id(self) -> str:
        return self._identity[0].decode()

    @property
    def epoch(self) -> int:
        return int(self._identity[1])

    def read_later(self, wanted: Wanted, keys: Keys, done: Done, put_off: PutOff = at_once) -> None:
        """As `read`, with the rows or the error given to `done`, once, from any thread."""
        self._reader.read(self._row_prefix, wanted, keys, done, put_off)

    def read(self, wanted: Wanted, keys: Keys) -> Rows:
        answer = Answer()
        self._reader.read(self._row_prefix, wanted, keys, answer.done)
        return answer.wait()

    def write(self, writes: Sequence[Write]) -> list[Written]:
        check_writes(writes)
        if not writes:
            return []
        keys, arguments = write_arguments(self._names, writes)
        replies = self._client.run(WRITE, keys, [*self._identity, *arguments])
        self._reached("after_write")
        return outcomes_of(writes, replies)

    def sequence_later(self, done: Callable[[int | HotrowError], None], put_off: PutOff = at_once) -> None:
        """As `sequence`, with the number or the error given to `done`, once, from any thread."""

        def found(outcome: Rows | HotrowError) -> None:
            done(int(outcome.one(0) or 0) if isinstance(outcome, Rows) else outcome)

        self._reader.read(self._names.prefix, _SEQUENCE, _META, found, put_off)

    def sequence(self) -> int:
        answer = Answer()  # by the connection of the reads, which a server that stands still holds up but once
        self._reader.read(self._names.prefix, _SEQUENCE, _META, answer.done)
        return int(answer.wait().one(0) or 0)

    def put_schemas(self, schemas: dict[bytes, bytes]) -> None:
        if schemas:
            self._client.ask("HSET", self._names.schemas, *(part for pair in schemas.items() for part in pair))

    def schemas(self) -> dict[bytes, bytes]:
        return dict(self._client.ask("HGETALL", self._names.schemas))

    def watermark_us(self, view_id: bytes) -> int | None:
        stored = self._client.ask("HGET", self._names.watermarks, view_id)
        return None if stored is None else int(stored)

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

    def read_outbox(self, after: int) -> list[Waiting]:
        entries = self._client.ask("XRANGE", self._names.outbox, f"{after + 1}-0", "+", "COUNT", _ENTRIES_READ)
        return [Waiting(int(name.partition(b"-")[0]), data[b"d"]) for name, data in entries]

    def remove_outbox(self, through: int) -> int:
        keys = [self._names.meta, self._names.outbox]
        return int(self._client.run(TRIM, keys, [*self._identity, f"{through + 1}-0"]))

    def reserve_outbox(self, through: int) -> None:
        self._client.run(RESERVE, [self._names.meta], [*self._identity, through])

    def hold_outbox(self, holder: str, lease_s: float) -> str:
        """As `hotrow.stores.port.SharedOutbox` says, as do the next ones."""
        keys = [self._names.meta, self._names.outbox_holder]
        return bytes(self._client.run(HOLD, keys, [*self._identity, holder, round(lease_s * 1000)])).decode()

    def release_outbox(self, holder: str) -> None:
        self._client.run(RELEASE, [self._names.meta, self._names.outbox_holder], [*self._identity, holder])

    def begin_batch(self, first: int, last: int) -> int:
        return int(self._client.run(BEGIN, [self._names.meta, self._names.outbox], [*self._identity, first, last]))

    def log_id(self) -> str:
        return bytes(self._client.ask("HGET", self._names.meta, "log") or b"").decode()

    def claim_log(self, log_id: str, *, instead: bool) -> str:
        arguments = [*self._identity, log_id, "instead" if instead else ""]
        return bytes(self._client.run(CLAIM, [self._names.meta], arguments)).decode()

    def info(self) -> StoreInfo:
        return describe(self._client, self._names, self._settings)

    def verify(self) -> list[str]:
        """As the port says; reads nothing but counts, for a server keeps its own structure."""
        return structure_problems(self._client, self._names)

    def clear_stale_readers(self) -> int:
        """Nothing: a reader that is gone holds nothing."""
        return 0

    def close(self) -> None:
        self._reader.close()
        self._client.close()

    def _find(self, until_s: float, *, writable: bool) -> tuple[bytes, bytes]:
        """The store's id and epoch, once it is there: the server may be starting, too."""
        while True:
            try:
                if writable:
                    self._client.run(CREATE, [self._names.meta], [FORMAT, uuid.uuid4().hex])
                form, store_id, epoch = self._client.ask("HMGET", self._names.meta, "format", "id", "epoch")
            except HotrowError as error:
                if error.code is not Code.UNAVAILABLE or clock.monotonic_s() >= until_s:
                    raise
                form = None
            if form is not None:
                return checked_identity(self._settings, form, store_id, epoch)
            if clock.monotonic_s() >= until_s:
                raise HotrowError(
                    Code.UNAVAILABLE,
                    f"there is no store at {self._settings.url} behind prefix {self._settings.prefix!r} yet; "
                    "`hotrow materialize` or `hotrow serve` makes it",
                )
            clock.sleep_s(_POLL_S)

    def _check(self) -> StoreCheck:
        gone = said_by_server(self._client.address, f"{REFUSED} {GONE}")
        known = self._client.ask("HEXISTS", self._names.meta, "identity")
        return StoreCheck(self._names.prefix, b":".join(self._identity) if known else None, gone)

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
    address = RedisAddress(
        settings.url,
        "the online store",
        "online_store.url",
        "set online_store.username, and the password in HOTROW_STORE_PASSWORD or in the file that "
        "online_store.password_file names",
        "online_store.password_file",
        settings.username,
        password,
        settings.primary if settings.mode == "sentinel" else "",
        server_password("HOTROW_SENTINEL_PASSWORD"),
    )
    return RedisClient(address, timeout_s=settings.write_timeout_s, connect_timeout_s=settings.timeout_s)


def checked_identity(settings: OnlineStoreSettings, form: bytes, store_id: bytes, epoch: bytes) -> tuple[bytes, bytes]:
    """Id and epoch; raises FAILED_PRECONDITION for a format of another version."""
    if form != FORMAT:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"the store at {settings.url} has format {form.decode(errors='replace')}, and this version knows "
            f"{FORMAT.decode()}; start the version that wrote it, or set another online_store.prefix",
            field="online_store.prefix",
        )
    return store_id, epoch


def store_exists(settings: OnlineStoreSettings, password: str) -> bool:
    """Whether the server has a store behind the prefix; raises as `RedisStore`."""
    client = client_of(settings, password)
    try:
        return bool(client.ask("EXISTS", Names(settings.prefix.encode()).meta))
    finally:
        client.close()


def create_fresh(settings: OnlineStoreSettings, password: str) -> bool:
    """Empty the store: the same id, the next epoch, and nothing in it. Returns whether there was one.

    For a rebuild. Processes that have the store open write to it no more. Rows go a few at a time, in as long as it
    takes to look through the database.
    """
    client = client_of(settings, password)
    names = Names(settings.prefix.encode())
    try:
        if not client.ask("EXISTS", names.meta):
            return False
        rest = [names.watermarks, names.schemas, names.marks, names.mark_order, names.outbox]
        client.run(RENEW, [names.meta, *rest], [])
        for keys in scan_keys(client, names):
            client.ask("UNLINK", *keys)
        return True
    finally:
        client.close()
