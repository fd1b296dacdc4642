"""What a store on Redis or Valkey has once, on one server as on a cluster: identity, schemas, watermarks, outbox."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hotrow import clock
from hotrow.codec.lookup import Keys, Rows, Wanted
from hotrow.errors import Code, HotrowError
from hotrow.redis.address import RedisAddress
from hotrow.redis.client import Script
from hotrow.section import OnlineStoreSettings
from hotrow.settings import server_password
from hotrow.stores.check import check_project
from hotrow.stores.port import HERE, Done, Presence, PutOff, Waiting, at_once
from hotrow.stores.redis.outbox import BEGIN, CLAIM, HOLD, RELEASE, RESERVE, TRIM
from hotrow.stores.redis.request import Answer
from hotrow.stores.redis.script import FORMAT, Names

_POLL_S = 0.05
_ENTRIES_READ = 100  # of the outbox, each 256 KiB as a rule

Identity = tuple[bytes, bytes]
"""Id and epoch."""


class Client(Protocol):
    """`hotrow.redis.client.RedisClient`, or `hotrow.redis.cluster.ClusterClient`."""

    address: RedisAddress

    def ask(self, *command: bytes | str | int) -> Any: ...

    def ask_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]: ...

    def run(self, command: Script, keys: Sequence[bytes], arguments: Sequence[bytes | str | int]) -> Any: ...

    def close(self) -> None: ...


class Reader(Protocol):
    """Whatever reads rows, to be closed."""

    def close(self) -> None: ...


class RedisRoot:
    """The part of an `OnlineStore` that reads and writes the keys of `names`, all on one server."""

    def __init__(self, client: Client, names: Names, identity: Identity, reader: Reader) -> None:
        self._client = client
        self._names = names
        self._identity = identity
        self._reader = reader

    @property
    def id(self) -> str:
        return self._identity[0].decode()

    @property
    def epoch(self) -> int:
        return int(self._identity[1])

    def read_later(self, wanted: Wanted, keys: Keys, done: Done, put_off: PutOff = at_once) -> None:
        """As `read`, with the rows or the error given to `done`, once, from any thread."""
        raise NotImplementedError

    def _read_sequence(self, done: Done, put_off: PutOff = at_once) -> None:
        """Read the sequence as the only row."""
        raise NotImplementedError

    def read(self, wanted: Wanted, keys: Keys) -> Rows:
        answer = Answer()
        self.read_later(wanted, keys, answer.done)
        return answer.wait()

    def sequence_later(self, done: Callable[[int | HotrowError], None], put_off: PutOff = at_once) -> None:
        """As `sequence`, with the number or the error given to `done`, once, from any thread."""

        def found(outcome: Rows | HotrowError) -> None:
            done(int(outcome.one(0) or 0) if isinstance(outcome, Rows) else outcome)

        self._read_sequence(found, put_off)

    def sequence(self) -> int:
        answer = Answer()  # by the connection of the reads, which a server that stands still holds up but once
        self._read_sequence(answer.done)
        return int(answer.wait().one(0) or 0)

    def put_schemas(self, schemas: dict[bytes, bytes]) -> None:
        if schemas:
            self._client.ask("HSET", self._names.schemas, *(part for pair in schemas.items() for part in pair))

    def schemas(self) -> dict[bytes, bytes]:
        return dict(self._client.ask("HGETALL", self._names.schemas))

    def watermark_us(self, view_id: bytes) -> int | None:
        stored = self._client.ask("HGET", self._names.watermarks, view_id)
        return None if stored is None else int(stored)

    def watermarks(self) -> dict[bytes, int]:
        stored = self._client.ask("HGETALL", self._names.watermarks)
        return {view_id: int(watermark) for view_id, watermark in stored.items()}

    def read_outbox(self, after: int) -> list[Waiting]:
        entries = self._client.ask("XRANGE", self._names.outbox, f"{after + 1}-0", "+", "COUNT", _ENTRIES_READ)
        return [Waiting(int(name.partition(b"-")[0]), data[b"d"]) for name, data in entries]

    def remove_outbox(self, through: int) -> int:
        keys = [self._names.meta, self._names.outbox]
        return int(self._client.run(TRIM, keys, [*self._identity, f"{through + 1}-0"]))

    def reserve_outbox(self, through: int) -> None:
        self._client.run(RESERVE, [self._names.meta], [*self._identity, through])

    def hold_outbox(self, holder: str, lease_s: float, *, instead: bool = False) -> str:
        """As `hotrow.stores.port.SharedOutbox` says, as do the next ones."""
        keys = [self._names.meta, self._names.outbox_holder]
        arguments = [*self._identity, holder, round(lease_s * 1000), "instead" if instead else ""]
        return bytes(self._client.run(HOLD, keys, arguments)).decode()

    def release_outbox(self, holder: str) -> None:
        self._client.run(RELEASE, [self._names.meta, self._names.outbox_holder], [*self._identity, holder])

    def begin_batch(self, first: int, last: int) -> int:
        return int(self._client.run(BEGIN, [self._names.meta, self._names.outbox], [*self._identity, first, last]))

    def log_id(self) -> str:
        return bytes(self._client.ask("HGET", self._names.meta, "log") or b"").decode()

    def claim_log(self, log_id: str, *, instead: bool) -> str:
        arguments = [*self._identity, log_id, "instead" if instead else ""]
        return bytes(self._client.run(CLAIM, [self._names.meta], arguments)).decode()

    def presence(self) -> Presence:
        return HERE

    def clear_stale_readers(self) -> int:
        """Nothing: a reader that is gone holds nothing."""
        return 0

    def close(self) -> None:
        self._reader.close()
        self._client.close()


def server_address(settings: OnlineStoreSettings, password: str) -> RedisAddress:
    """Where the settings say that the store is."""
    return RedisAddress(
        settings.url,
        "the online store",
        "online_store.url",
        "set online_store.username, and the password in HOTROW_STORE_PASSWORD or in the file that "
        "online_store.password_file names",
        "online_store.password_file",
        'set online_store.mode = "cluster"',
        settings.username,
        password,
        settings.primary if settings.mode == "sentinel" else "",
        server_password("HOTROW_SENTINEL_PASSWORD"),
    )


def find_store(
    settings: OnlineStoreSettings, project: str, look: Callable[[], Sequence[bytes | None]], until_s: float
) -> Identity:
    """The store's id and epoch, once `look` finds format, id, epoch and project: the server may be starting, too."""
    while True:
        try:
            form, store_id, epoch, owner = look()
        except HotrowError as error:
            if error.code is not Code.UNAVAILABLE or clock.monotonic_s() >= until_s:
                raise
            form = None
        if form is not None:
            assert store_id is not None and epoch is not None  # noqa: S101, PT018 - written together with the format
            check_owner(settings, owner, project)
            return _checked(settings, form, (store_id, epoch))
        if clock.monotonic_s() >= until_s:
            raise HotrowError(
                Code.UNAVAILABLE,
                f"there is no store at {settings.url} behind prefix {settings.prefix!r} yet; "
                "`hotrow materialize` or `hotrow serve` makes it",
            )
        clock.sleep_s(_POLL_S)


def check_owner(settings: OnlineStoreSettings, owner: bytes | None, project: str) -> None:
    """Raises FAILED_PRECONDITION where the store behind the prefix belongs to another project."""
    check_project(settings.place, (owner or b"").decode(errors="replace"), project, field="online_store.prefix")


def _checked(settings: OnlineStoreSettings, form: bytes, identity: Identity) -> Identity:
    """Raises FAILED_PRECONDITION for a format of another version."""
    if form != FORMAT:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"the store at {settings.url} has format {form.decode(errors='replace')}, and this version knows "
            f"{FORMAT.decode()}; start the version that wrote it, or set another online_store.prefix",
            field="online_store.prefix",
        )
    return identity
