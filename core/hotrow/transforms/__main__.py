"""`python -m hotrow.transforms REGISTRY SNAPSHOT`: compile a snapshot's transforms, and verify their certificates.

What is wrong with them is printed, and the exit code is then 1. A supervisor runs it before workers serve a snapshot.
"""

import sys

from hotrow.errors import HotrowError
from hotrow.registry.open import open_registry
from hotrow.transforms.certificate import verify

_LONGEST = 4000  # characters, so that nobody waits for a pipe


def main() -> int:
    """Check the snapshot of the command line; returns the exit code."""
    location, snapshot_id = sys.argv[1:]
    try:
        verify(open_registry(location).snapshot(snapshot_id).transforms.values())
    except HotrowError as error:
        print(error.message[:_LONGEST])  # noqa: T201 - to the supervisor
        return 1
    except Exception as error:  # noqa: BLE001 - a transform is a user's code, and what it does wrong is told
        print(f"{type(error).__name__}: {error}"[:_LONGEST])  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
