"""The store that the settings name."""

from typing import Literal

from hotrow.failpoint import Reached, unarmed
from hotrow.settings import OnlineStoreSettings
from hotrow.stores.port import OnlineStore


def open_store(
    settings: OnlineStoreSettings,
    *,
    writable: bool,
    durability: Literal["fsync", "os"] = "fsync",
    wait_s: float = 0.0,
    reached: Reached = unarmed,
) -> OnlineStore:
    """Open it in this process, which must have been spawned and not forked; errors are those of `LmdbStore`.

    Up to `wait_s`, a reader waits for the writer to make the store, and a writer for its predecessor to end.
    `reached` is for tests of crashes (`hotrow.failpoint`).
    """
    from hotrow.stores.lmdb import LmdbStore  # noqa: PLC0415 - a technology is loaded where it is used

    return LmdbStore(
        settings.path,
        size_gib=settings.size_gib,
        writable=writable,
        durability=durability,
        wait_s=wait_s,
        reached=reached,
    )
