"""What rows the store and the log of pushed rows of a repository have, for changes that such rows would not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hotrow import clock
from hotrow.errors import Code, HotrowError

if TYPE_CHECKING:
    from hotrow.registry.snapshot import Snapshot
    from hotrow.schema.view import FeatureView
    from hotrow.settings import Settings
    from hotrow.stores.port import OnlineStore

_LOOK_S = 20.0
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class RepositoryRows:
    """Implements `hotrow.registry.port.StoredRows`: looks into the store and the log, and writes to neither."""

    settings: Settings

    def unfit(self, old: Snapshot | None, new: Snapshot, view: str) -> str:
        """As the port says. Of rows under the new view id those count whose schema does not fit; under an old id that
        is another one every row counts, for it would not be found any more.
        """
        read, lost = new.view_id(view), None
        if old is not None and old.namespace == new.namespace and view in old.views:
            lost = old.view_id(view) if old.view_id(view) != read else None
        look = _Look(new.stored_views[view], read, lost, clock.monotonic_s() + _LOOK_S)
        try:
            return self._in_log(look) or self._in_store(look)
        except HotrowError as error:
            return f"what is stored cannot be looked at: {error.message}"

    def _in_log(self, look: _Look) -> str:
        from hotrow.offline.row_log.folder import view_folder  # noqa: PLC0415

        log, name = self.settings.offline_store.path, look.view.name
        folders = {view_id: view_folder(log, name, view_id) for view_id in (look.read, look.lost) if view_id}
        return next((why for view_id, folder in folders.items() if (why := look.into_log(view_id, folder))), "")

    def _in_store(self, look: _Look) -> str:
        from hotrow.repo.link import worker_is_remote  # noqa: PLC0415
        from hotrow.stores.open import check_exists, open_store  # noqa: PLC0415

        settings = self.settings.online_store
        if settings.embedded and worker_is_remote(self.settings):
            return f"the store is that of the ingest worker at {self.settings.ingest.address}, and cannot be looked at"
        try:
            check_exists(settings)
        except HotrowError as error:
            if error.code is Code.NOT_FOUND and self._is_alone():
                return ""
            raise
        store = open_store(settings, project=self.settings.project, writable=False)
        try:
            return look.into_store(store)
        finally:
            store.close()

    def _is_alone(self) -> bool:
        """Whether a store that is not here is nowhere: nobody shares a registry that lies in the repository."""
        registry = self.settings.registry
        return "://" not in registry and Path(registry).is_relative_to(self.settings.repo)


@dataclass(frozen=True, slots=True)
class _Look:
    """A search for a row that does not fit `view`, which is read under the id `read`; all under `lost` do not."""

    view: FeatureView
    read: bytes
    lost: bytes | None
    end_s: float

    def into_store(self, store: OnlineStore) -> str:
        """What was found; empty where nothing was."""
        from hotrow.codec.logged import decode_entry  # noqa: PLC0415
        from hotrow.codec.row import fingerprint, is_tombstone  # noqa: PLC0415

        fitting = {key for key, schema in store.schemas().items() if self._fits(schema)}
        for entry in map(decode_entry, _outbox(store)):
            if self._is_unfit(entry.view_id, entry.fingerprint, fitting):
                return "pushed rows of it wait to be logged"
        for number, stored in enumerate(store.scan() if store.info().rows else ()):
            if self._is_unfit(stored.view_id, fingerprint(stored.row), fitting) and not is_tombstone(stored.row):
                return "the store has rows of it"
            if number % _ROWS_AT_ONCE == 0 and self._is_late():
                return f"the store is too large to look for rows of it within {_LOOK_S:g} s"
        return ""

    def into_log(self, view_id: bytes, folder: Path) -> str:
        """The same of a folder of the log."""
        import pyarrow.parquet as pq  # noqa: PLC0415

        from hotrow.offline.arrow_column import arrow_type  # noqa: PLC0415
        from hotrow.offline.row_log.folder import complete_files, current_files, day_folders  # noqa: PLC0415
        from hotrow.offline.stated_unit import UNIT  # noqa: PLC0415

        declared = {field.name: (arrow_type(field.type), field.unit.encode()) for field in self.view.fields}
        for file in (file for day in day_folders(folder) for file in current_files(complete_files(day))):
            held = {one.name: (one.type, (one.metadata or {}).get(UNIT, b"")) for one in pq.read_schema(file.path)}
            if view_id == self.lost or any(held.get(name, kind) != kind for name, kind in declared.items()):
                return "the log of pushed rows has rows of it"
            if self._is_late():
                return f"the log is too large to look for rows of it within {_LOOK_S:g} s"
        return ""

    def _is_unfit(self, view_id: bytes, schema: bytes, fitting: set[bytes]) -> bool:
        return view_id == self.lost or (view_id == self.read and schema not in fitting)

    def _fits(self, schema: bytes) -> bool:
        """Whether rows of a stored schema are read rightly by the view: no field has another type or unit."""
        declared = {field.name: [field.type.name, field.unit] for field in self.view.fields}
        return all(declared.get(name, kind) == kind for name, *kind in json.loads(schema))

    def _is_late(self) -> bool:
        return clock.monotonic_s() > self.end_s


def _outbox(store: OnlineStore) -> Iterator[bytes]:
    after = 0
    while entries := store.read_outbox(after):
        yield from (entry.data for entry in entries)
        after = entries[-1].number
