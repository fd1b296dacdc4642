"""A feature repository, its settings and its registry."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotrow.offline.view_source import Folders
    from hotrow.registry.registry import Registry
    from hotrow.registry.snapshot import Snapshot
    from hotrow.settings import Settings


@dataclass(frozen=True)
class Workspace:
    """The folder with `hotrow.toml`, and what that names."""

    repo: Path

    @cached_property
    def settings(self) -> Settings:
        from hotrow.settings import load_settings  # noqa: PLC0415

        return load_settings(self.repo)

    @cached_property
    def registry(self) -> Registry:
        from hotrow.registry.open import open_registry  # noqa: PLC0415
        from hotrow.repo.stored_rows import RepositoryRows  # noqa: PLC0415

        return open_registry(self.settings.registry, RepositoryRows(self.settings))

    @property
    def folders(self) -> Folders:
        """Where the rows of training sets and of materialization are."""
        from hotrow.offline.view_source import Folders  # noqa: PLC0415

        return Folders(self.repo, self.settings.offline_store.path)

    @property
    def project(self) -> str:
        return self.settings.project

    def snapshot(self, ref: str = "") -> Snapshot:
        """The snapshot of a ref, empty for the head; raises NOT_FOUND, FAILED_PRECONDITION before the first apply."""
        return self.registry.snapshot(self.registry.resolve(self.project, ref))


def user_name() -> str:
    """Who runs this, for the registry's log; "unknown" where the system does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
