"""The store that the settings name."""

import importlib
from pathlib import Path
from typing import Any, Literal

from hotrow.errors import Code, HotrowError
from hotrow.failpoint import Reached, unarmed
from hotrow.section import OnlineStoreSettings
from hotrow.settings import server_password
from hotrow.stores.port import OnlineStore


def open_store(
    settings: OnlineStoreSettings,
    *,
    project: str,
    writable: bool,
    durability: Literal["fsync", "os"] = "fsync",
    wait_s: float = 0.0,
    reached: Reached = unarmed,
) -> OnlineStore:
    """Open it in this process, which must have been spawned and not forked; errors are those of the adapter.

    It is refused where it belongs to another project than `project`; an empty one takes any. Up to `wait_s`, a reader
    waits for the writer to make the store, and a writer for its predecessor to end.
    `durability` is an embedded store's. `reached` is for tests of crashes (`hotrow.failpoint`).
    """
    # A technology is loaded where it is used.
    if not settings.embedded:
        password = _password(settings)
        kind = _redis(settings).ClusterStore if settings.mode == "cluster" else _redis(settings).RedisStore
        store: OnlineStore = kind(
            settings, project=project, password=password, writable=writable, wait_s=wait_s, reached=reached
        )
        return store
    from hotrow.stores.lmdb.store import LmdbStore  # noqa: PLC0415

    embedded = LmdbStore(
        settings.path,
        size_gib=settings.size_gib,
        writable=writable,
        durability=durability,
        wait_s=wait_s,
        reached=reached,
    )
    try:
        embedded.claim(project)
    except BaseException:
        embedded.close()
        raise
    return embedded


def check_exists(settings: OnlineStoreSettings) -> None:
    """Raises NOT_FOUND, with the remedy, where there is no store yet; for a store that is a server's, its errors."""
    if settings.embedded:
        found = settings.path.exists()
    else:
        found = _redis(settings).store_exists(settings, _password(settings))
    if not found:
        made_by = "`hotrow materialize` or `hotrow serve` makes it"
        raise HotrowError(Code.NOT_FOUND, f"there is no store at {settings.place} yet; {made_by}")


def create_fresh(settings: OnlineStoreSettings, *, project: str, wait_s: float) -> str:
    """Put an empty store of the next epoch in the place of what is there, for a rebuild; says what became of that.

    Raises FAILED_PRECONDITION while any process has an embedded store open, and for the store of another project.
    """
    if not settings.embedded:
        emptied = _redis(settings).create_fresh(settings, _password(settings), project=project)
        return "the old rows are removed" if emptied else "there was no store"
    from hotrow.stores.lmdb.old import create_fresh  # noqa: PLC0415

    aside = create_fresh(settings.path, project=project, wait_s=wait_s)
    if aside is None:
        return "there was no store"
    return f"the old store is in {aside}; once this has come to its end, `hotrow store gc` removes it"


def note_replaced(settings: OnlineStoreSettings) -> None:
    """A rebuild has come to its end: what `create_fresh` put aside is not needed any more."""
    if settings.embedded:
        from hotrow.stores.lmdb import old as lmdb_old  # noqa: PLC0415

        lmdb_old.note_replaced(settings.path)


def remove_replaced(settings: OnlineStoreSettings) -> list[Path]:
    """Delete what was put aside and is not needed any more; returns the folders."""
    if not settings.embedded:
        return []
    from hotrow.stores.lmdb import old as lmdb_old  # noqa: PLC0415

    return lmdb_old.remove_replaced(settings.path)


def _redis(settings: OnlineStoreSettings) -> Any:
    try:
        return importlib.import_module(f"hotrow.stores.{'cluster' if settings.mode == 'cluster' else 'redis'}.store")
    except ModuleNotFoundError as error:
        if error.name not in ("redis", "hiredis"):
            raise
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"a store on Redis or Valkey takes the package {error.name}: pip install 'hotrow[server,redis]'",
            field="online_store.type",
        ) from None


def _password(settings: OnlineStoreSettings) -> str:
    return server_password("HOTROW_STORE_PASSWORD", settings.password_file)
