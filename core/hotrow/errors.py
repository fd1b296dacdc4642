"""Errors that hotrow raises on purpose: a neutral code, a message a caller can act on, and nothing internal.

The gate (`hotrow.rpc.gate`) maps a code to a gRPC status; the command line maps it to an exit code.
"""

import difflib
import enum
from collections.abc import Iterable

_COMPARED = 200  # characters of an unknown name; one of megabytes would take the search a second


class Code(enum.Enum):
    """What kind of failure it is, apart from any transport."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    FAILED_PRECONDITION = "failed_precondition"
    CONFLICT = "conflict"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    DEADLINE = "deadline"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    UNIMPLEMENTED = "unimplemented"
    DATA_LOSS = "data_loss"
    INTERNAL = "internal"


class HotrowError(Exception):
    """An expected failure.

    `message` names the object at fault and the remedy, and is shown to callers as it is. `field` is the path of the
    offending field of a request or a settings file, where there is one. `retry_after_s` is a hint to callers that
    the same call may succeed later. `lost` says that the worker died while it had the call, perhaps because of it.
    """

    def __init__(
        self, code: Code, message: str, *, field: str = "", retry_after_s: float | None = None, lost: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s
        self.lost = lost


def invalid(message: str, *, field: str = "") -> HotrowError:
    """A request, definition or setting that is wrong in itself."""
    return HotrowError(Code.INVALID, message, field=field)


def not_found(kind: str, name: str, known: Iterable[str], *, field: str = "") -> HotrowError:
    """An unknown name, with the nearest known ones."""
    return HotrowError(Code.NOT_FOUND, f"unknown {kind} {name!r}{nearest(name, known)}", field=field)


def other_project(asked: str, served: str) -> HotrowError:
    """A request that names another project than the server's."""
    return HotrowError(
        Code.NOT_FOUND,
        f"unknown project {asked!r}: this server serves project {served!r}; call the server of {asked!r}, or check the "
        "addresses in hotrow.toml",
        field="project",
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: up to three known names near to `name`, or all of them where they are few."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name)[:_COMPARED], names, n=3, cutoff=0.5)
    near = near or (names if len(names) <= 8 else [])
    if not near:
        return ""
    return "; did you mean " + ", ".join(near) + "?" if len(near) < len(names) else "; known: " + ", ".join(near)
