"""What every store asks of the writes it is given, so that all of them refuse alike and before anything is written."""

from collections.abc import Sequence

from hotrow.errors import invalid
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
