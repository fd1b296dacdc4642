"""The port to an online store: bytes in, bytes out, and the compare-and-set inside the store.

A row is addressed by a view id (8 bytes) and an entity key (at most 480 bytes), kept apart so that an adapter may
lay them out as suits it. A row's bytes are opaque to a store but for two things, which `hotrow.codec.row` defines:
a row is never shorter than its header, and `VERSION` is the slice of the header that orders the rows of one key:
event time, then created time, each big-endian with the sign bit flipped, so that bytes compare as times do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, runtime_checkable

from hotrow.codec.lookup import Keys, Rows, Wanted, keys_from_lists, wanted_views
from hotrow.errors import HotrowError

if TYPE_CHECKING:
    from hotrow.codec.block import RowBlock  # loads the kernels, which who reads a store's counts does not need

VIEW_ID_BYTES = 8
MAX_KEY_BYTES = 480
MIN_ROW_BYTES = 32
"""Of a row's header, which ends with the version."""

MARK_KEPT_US = 24 * 3600 * 1_000_000
MARKS_KEPT = 1_000_000
VERSION = slice(16, 32)
"""Where the version of a row stands in its bytes."""

ABSENT = b""
"""What a read returns in place of a row that is not there."""

WRITTEN, SKIPPED_STALE = 1, 2
"""Outcomes of a row, with the numbers of `hotrow.v1.RowResult`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Makes a write happen once: what the store keeps of a `request_id` in the transaction of its rows.

    `key` names the request in its scope, `digest` is a hash of its payload, `note` is opaque to the store and comes
    back with a replay. Kept for 24 hours or a million marks, whichever ends first, and across restarts.
    """

    key: bytes
    digest: bytes
    note: bytes = b""


class Write(NamedTuple):
    """Rows of one view, written in one transaction; keys are distinct. A row replaces one of a lower version only.

    A `block` takes the place of keys and rows. `outbox` is appended to the outbox in that transaction, unless the mark
    says that it was before. Its bytes are opaque to a store. Of entries that are copied, which keep their numbers,
    `numbered_from` is the first one.

    `kept_us` is for how long, from now or from its event time where that is later, a row that is written may be needed;
    None: for ever. A store may let an entity key go, with the rows of all views in it, when that has passed for all of
    them. It need not: `hotrow.stores.maintenance.gc` removes what is past its ttl, and LMDB and the store in memory
    leave it to that.
    """

    view_id: bytes
    keys: Sequence[bytes]
    rows: Sequence[bytes]
    mark: Mark | None = None
    watermark_us: int | None = None
    outbox: Sequence[bytes] = ()
    block: "RowBlock | None" = None
    kept_us: int | None = None
    numbered_from: int | None = None

    def listed(self) -> "Write":
        """The same without a block, for a store that has no use for one."""
        block = self.block
        return self if block is None else self._replace(keys=block.listed_keys(), rows=block.listed_rows(), block=None)


class Written(NamedTuple):
    """What became of a `Write`.

    `outcomes` has a byte a row, WRITTEN or SKIPPED_STALE. `sequence` is the commit that a later read can wait for.
    With a mark that the store knows nothing is written: `replayed` says so and the outcomes, sequence and note are
    those of the first time; `conflict` says that the digest differs, and nothing else is set.
    """

    outcomes: bytes
    sequence: int
    replayed: bool = False
    conflict: bool = False
    note: bytes = b""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row as `OnlineStore.scan` yields it."""

    view_id: bytes
    key: bytes
    row: bytes


class Waiting(NamedTuple):
    """An entry of the outbox. Numbers are 1 or more, grow in the order of the commits, and none is given out twice."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What `hotrow store info` shows. `used_bytes` of `size_bytes` (0: unbounded) are taken, `outbox` entries wait.

    Of a store that lets keys go by itself, `rows` has those that have gone since it was last corrected.
    """

    type: str
    id: str
    epoch: int
    sequence: int
    rows: int
    used_bytes: int
    size_bytes: int
    outbox: int = 0
    details: dict[str, str] = field(default_factory=dict)


def read_rows(store: "OnlineStore", view_ids: Sequence[bytes], keys: Sequence[Sequence[bytes]]) -> list[bytes]:
    """`OnlineStore.read` for callers with few rows: `keys[i]` are wanted of `view_ids[i]`; the rows, in that order."""
    most = max(map(len, keys), default=0)
    sets = [[*one, *[b""] * (most - len(one))] for one in keys]  # a store takes as many of each
    rows = store.read(wanted_views(view_ids, range(len(sets))), keys_from_lists(sets))
    return [rows.one(number * most + row) for number, one in enumerate(keys) for row in range(len(one))]


def write_all(store: "OnlineStore", writes: Sequence[Write]) -> list[Written]:
    """`OnlineStore.write` for callers who can do nothing with a part of it: raises the first failure."""
    written = []
    for outcome in store.write(writes):
        if isinstance(outcome, HotrowError):
            raise outcome
        written.append(outcome)
    return written


Done = Callable[[Rows | HotrowError], None]
"""Gets the outcome of a read, once. It must not wait for another read of the same store."""


PutOff = Callable[[Callable[[], None]], bool]
"""Has a work done a little later, on the same thread, together with others; or returns False, and it is not."""


def at_once(_work: Callable[[], None]) -> bool:
    """A `PutOff` of those who do not."""
    return False


@runtime_checkable
class LateReads(Protocol):
    """Of a store whose reads take a round trip: nobody has to wait for it."""

    def read_later(self, wanted: Wanted, keys: Keys, done: Done, put_off: PutOff = at_once) -> None:
        """As `OnlineStore.read`, with the rows or the error given to `done`, from any thread. Raises nothing.

        With `put_off` reads of one burst of calls share their round trip, and may end on the thread of the burst.
        """

    def sequence_later(self, done: Callable[[int | HotrowError], None], put_off: PutOff = at_once) -> None:
        """As `OnlineStore.sequence`, likewise."""


@runtime_checkable
class Expiring(Protocol):
    """Of a store that lets keys go by itself (`Write.kept_us`): rows that have gone so are still in its count."""

    def correct_rows(self, change: int) -> None:
        """Change the number of rows that `info` tells by as much as a scan has found it to be wrong."""


@runtime_checkable
class SharedOutbox(Protocol):
    """Of a store that several processes write at once: what lets one of them at a time take its outbox to the log.

    Whoever holds the outbox may be stopped for longer than its lease, and go on as if nothing had been. So what is
    taken together is fixed in the store before: two that take the same entries make the same files of them.
    """

    def hold_outbox(self, holder: str, lease_s: float, *, instead: bool = False) -> str:
        """Hold the outbox for so long from now on, if nobody else does or `instead` of them; returns who holds it."""

    def release_outbox(self, holder: str) -> None:
        """Let it go, if it is held by that one."""

    def begin_batch(self, first: int, last: int) -> int:
        """Have the entries `first` to `last` taken together, `first` being the oldest; returns the last of those that
        are, which was given before where somebody has begun there, or 0 where `first` is not the oldest any more.
        """

    def log_id(self) -> str:
        """The id of the log to which the entries go; empty as long as there is none."""

    def claim_log(self, log_id: str, *, instead: bool) -> str:
        """Have entries go to that log, if there is none yet or `instead` of another; returns the id of the log."""


Presence = Literal["here", "missing", "replaced"]
HERE: Final = "here"
MISSING: Final = "missing"
REPLACED: Final = "replaced"
"""What is at the place of a store that is open: that store, nothing, or another one."""


class OnlineStore(Protocol):
    """One online store, opened in one process. Readers may be many processes; one process at a time writes.

    Every method raises `HotrowError`: UNAVAILABLE when the store cannot be reached, EXHAUSTED when it is full
    (nothing of the failed call is then kept; without a retry hint, for it does not pass by itself),
    FAILED_PRECONDITION when what is at its place is not such a store.
    """

    @property
    def id(self) -> str:
        """Random, given when the store was made."""

    @property
    def epoch(self) -> int:
        """Counts rebuilds; a token of another epoch is void."""

    @property
    def atomic_across_entities(self) -> bool:
        """Whether what is promised of reads and writes holds of all their entities together, or, as of a store that is
        spread over several servers, of each by itself.
        """

    def read(self, wanted: Wanted, keys: Keys) -> Rows:
        """Rows of many views in one round trip and one consistent state, `ABSENT` where there is none."""

    def write(self, writes: Sequence[Write]) -> Sequence[Written | HotrowError]:
        """Apply `writes` in order in one transaction, durable as configured when this returns, all or nothing.

        Where that holds of each entity alone some may fail, each with its error in place of what became of it, and a
        write that failed may have been carried out in part. To repeat it is safe, and with a mark exact.
        """

    def sequence(self) -> int:
        """The last commit that a read started now would see."""

    def put_schemas(self, schemas: dict[bytes, bytes]) -> None:
        """Keep what each schema fingerprint (8 bytes) stands for."""

    def schemas(self) -> dict[bytes, bytes]:
        """All schemas kept, by fingerprint."""

    def watermark_us(self, view_id: bytes) -> int | None:
        """The greatest watermark written for the view: a write never lowers it."""

    def watermarks(self) -> dict[bytes, int]:
        """All of them, by view id."""

    def scan(self, view_id: bytes | None = None) -> Iterator[StoredRow]:
        """Every row, or every row of a view, tombstones included, in an order of the store's own.

        Takes bounded memory; what is written meanwhile may or may not be among it.
        """

    def remove(self, rows: Sequence[StoredRow]) -> int:
        """Remove rows that are still as given; returns how many were."""

    def read_outbox(self, after: int) -> list[Waiting]:
        """Some of the entries behind number `after`, in order, in bounded memory; empty where there is none."""

    def remove_outbox(self, through: int) -> int:
        """Remove the entries up to number `through`; returns how many there were. May stop between two of them."""

    def reserve_outbox(self, through: int) -> None:
        """Have every later entry get a number beyond `through`: of a store that takes another's place."""

    def info(self) -> StoreInfo:
        """Sizes and counts, cheap enough to ask of a live store."""

    def verify(self) -> list[str]:
        """Check the store's own structure (not the rows' contents); returns what is wrong, empty when nothing is."""

    def presence(self) -> Presence:
        """Whether the store is still at its place; cheap, to be asked a few times a second. One that a server keeps
        fails reads and writes itself once it is gone, and is here.
        """

    def clear_stale_readers(self) -> int:
        """Free what reader processes that died still hold; cheap, for the writer to call now and then."""

    def close(self) -> None:
        """Release everything; the store is not used afterwards."""
