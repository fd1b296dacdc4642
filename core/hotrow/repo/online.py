"""Reads and pushes of a repository, through the server that its `hotrow.toml` names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hotrow.errors import Code, HotrowError
from hotrow.repo import link
from hotrow.schema.service import FeatureService

if TYPE_CHECKING:
    from hotrow_client import PushOptions, PushReply, ReadOptions, Reply

    from hotrow.registry.snapshot import Snapshot
    from hotrow.repo.workspace import Workspace
    from hotrow.settings import Settings

_SERVED_S = 60.0


class Online:
    """A client of the repository's server, with what `FeatureStore` adds: it waits for snapshots to be served."""

    def __init__(self, workspace: Workspace) -> None:
        from hotrow_client import Client  # noqa: PLC0415 - here alone the core knows it, to be a caller like any other

        settings = workspace.settings
        self._workspace = workspace
        self._client = Client(
            settings.server.address, project=workspace.project, tls=link.channel_tls(settings.server.caller_tls)
        )
        self._snapshot = ""
        self._served = ""

    def wait_for(self, snapshot: Snapshot, *, pinned: bool) -> None:
        """Calls are for this snapshot from now on; for the head, whatever that is, where it is not `pinned` and the
        servers are on other machines, which may not have it yet.

        Raises UNAVAILABLE where nobody listens, and as `wait_served` does where workers on this machine do not come to
        serve it.
        """
        from hotrow.supervisor.state import wait_served  # noqa: PLC0415

        settings = self._workspace.settings
        if snapshot.id == self._served:
            return
        here = _runs_here(settings)
        if here:
            wait_served(settings, snapshot.id, _SERVED_S)
        elif not link.listens(settings.server.address):
            raise HotrowError(
                Code.UNAVAILABLE,
                f"no server listens at {settings.server.address}; start `hotrow serve`, or put the calls into "
                "`with store.serving():`",
            )
        self._served = snapshot.id
        self._snapshot = snapshot.id if pinned or here else ""

    def read(self, features: Sequence[str] | FeatureService | str, rows: Any, options: ReadOptions) -> Reply:
        """As `Client.read`."""
        asked: ReadOptions = {"snapshot": self._snapshot, **options}
        if isinstance(features, FeatureService):
            return self._client.read((), rows, feature_service=features.name, **asked)
        if isinstance(features, str) and ":" not in features:
            return self._client.read((), rows, feature_service=features, **asked)
        return self._client.read(features, rows, **asked)

    def push(self, push_source: str, rows: Any, view: str, options: PushOptions) -> PushReply:
        """As `Client.push`."""
        asked: PushOptions = {"snapshot": self._snapshot, **options}
        return self._client.push(push_source, rows, view=view, **asked)


def _runs_here(settings: Settings) -> bool:
    """Whether a server runs on the store, on this machine."""
    from hotrow.supervisor.state import read_state  # noqa: PLC0415

    return any(worker.role == "server" for worker in read_state(settings).workers)


@contextlib.contextmanager
def serving(workspace: Workspace, snapshot: Snapshot, workers: int | None) -> Iterator[None]:
    """Within the block a server serves the snapshot: the one on the store, or one of this many workers of its own."""
    from hotrow.log import configure_library_log  # noqa: PLC0415
    from hotrow.supervisor.child import Fleet  # noqa: PLC0415
    from hotrow.supervisor.run import background  # noqa: PLC0415
    from hotrow.supervisor.state import wait_served  # noqa: PLC0415

    settings = workspace.settings
    if _runs_here(settings):
        wait_served(settings, snapshot.id, _SERVED_S)
        yield
        return
    configure_library_log()
    fleet = Fleet("serve", servers=workers or settings.server.workers, ingest=True)
    with background(link.quiet(settings), fleet):
        wait_served(settings, snapshot.id, _SERVED_S)
        yield
