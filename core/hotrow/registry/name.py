"""Names of branches and pins, and the looks of snapshot ids."""

import re

from hotrow.errors import invalid

MIN_PREFIX_LENGTH = 8
ID_LENGTH = 64

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_EARLIER_HEAD = re.compile(r"head@(\d{1,9})")
_ID_OR_PREFIX = re.compile(rf"[0-9a-f]{{{MIN_PREFIX_LENGTH},{ID_LENGTH}}}")


def is_id_prefix(ref: str) -> bool:
    """Whether `ref` looks like a snapshot id or a prefix that is long enough to stand for one."""
    return _ID_OR_PREFIX.fullmatch(ref) is not None


def earlier_head(ref: str) -> int | None:
    """N of `head@N`, which names the head N moves ago; None for any other ref."""
    found = _EARLIER_HEAD.fullmatch(ref)
    return None if found is None else int(found.group(1))


def check_ref_name(kind: str, name: object) -> None:
    """Raise INVALID unless `name` can name a branch or a pin (`kind` says which)."""
    if isinstance(name, str) and _NAME.fullmatch(name) and name != "head" and not is_id_prefix(name):
        return
    raise invalid(
        f"{kind} {name!r}: a name has at most 63 characters, starts with a-z or 0-9 and goes on with these and . _ -, "
        "is not head, and does not look like a snapshot id; choose another"
    )


def check_namespace(namespace: object) -> None:
    """Raise INVALID unless it is empty (production) or could be the name of a branch."""
    if namespace != "":
        check_ref_name("namespace", namespace)
