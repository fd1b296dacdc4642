"""A question before something that people may regret."""

import sys

from hotrow.errors import Code, HotrowError


def confirm(question: str, *, yes: bool) -> None:
    """Return where the answer is yes, or was given as `--yes`.

    Raises FAILED_PRECONDITION where it is no, and where nobody is there to be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise HotrowError(Code.FAILED_PRECONDITION, f"{question} Nothing was changed; say so with --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise HotrowError(Code.FAILED_PRECONDITION, "nothing was changed")
