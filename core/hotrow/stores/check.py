"""What every store checks, so that all of them refuse alike: the writes it is given, and whose store it is."""

from collections.abc import Sequence

from hotrow.errors import Code, HotrowError, invalid
from hotrow.stores.port import MAX_KEY_BYTES, MIN_ROW_BYTES, VIEW_ID_BYTES, Write


def check_writes(writes: Sequence[Write]) -> None:
    """Raises HotrowError INVALID for a write that no codec of hotrow makes."""
    for write in writes:
        if len(write.view_id) != VIEW_ID_BYTES:
            raise invalid(f"a view id has {VIEW_ID_BYTES} bytes, not {len(write.view_id)}")
        if len(write.keys) != len(write.rows):
            raise invalid(f"{len(write.keys)} keys came with {len(write.rows)} rows; give a row a key")
        longest = max(map(len, write.keys), default=0)
        if longest > MAX_KEY_BYTES:
            raise invalid(f"an entity key has at most {MAX_KEY_BYTES} bytes, not {longest}; shorten the join key")
        shortest = min(map(len, write.rows), default=MIN_ROW_BYTES)
        if shortest < MIN_ROW_BYTES:
            raise invalid(f"a row has at least {MIN_ROW_BYTES} bytes, its header, not {shortest}")


def check_project(place: str, project: str, wanted: str, *, field: str) -> None:
    """Raises FAILED_PRECONDITION where the store at `place` belongs to another project than is wanted.

    An empty name is no answer: of a store made before stores belonged to projects, or of a caller that takes any.
    """
    if project and wanted and project != wanted:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"the store at {place} belongs to project {project!r}, and this is project {wanted!r}; give each project "
            f"its own {field}",
            field=field,
        )
