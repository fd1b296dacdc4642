"""What a failure of Redis means, in hotrow's words."""

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from hotrow.errors import Code, HotrowError
from hotrow.stores.redis_script import GONE

_RETRY_AFTER_S = 0.2
_REFUSED_CREDENTIALS = ("NOAUTH", "WRONGPASS", "invalid username-password", "invalid password", "AUTH ")
_AWAY = {
    ReadOnlyError: "it is a replica, which takes no writes",
    BusyLoadingError: "it loads its data",
    RedisTimeoutError: "it did not answer in time, and whether a write was carried out is not known",
}


def away(url: str, reason: str) -> HotrowError:
    """That the server cannot be reached, or does not answer."""
    message = f"the online store at {url} cannot be reached: {reason}; see that the server runs, and online_store.url"
    return HotrowError(Code.UNAVAILABLE, message, retry_after_s=_RETRY_AFTER_S)


def gone(url: str) -> HotrowError:
    """That the store which was opened is not there any more."""
    return HotrowError(
        Code.FAILED_PRECONDITION,
        f"the store at {url} is not the one that was opened: it was emptied or rebuilt, or the server lost its data; "
        "start hotrow again, and run `hotrow store rebuild` if rows are missing",
    )


def failed(url: str, error: RedisError) -> HotrowError:
    """What a failure that redis-py raised means."""
    said = str(error)
    for kind, reason in _AWAY.items():
        if isinstance(error, kind):
            return away(url, reason)
    if isinstance(error, AuthenticationError | AuthenticationWrongNumberOfArgsError):
        return _refused(url, said)
    if isinstance(error, NoPermissionError):
        said = f"NOPERM {said}"
    return said_by_server(url, said) if isinstance(error, ResponseError) else away(url, said)


def said_by_server(url: str, said: str) -> HotrowError:
    """What an error that the server answered with means."""
    if GONE in said:
        return gone(url)
    if said.startswith(_REFUSED_CREDENTIALS):
        return _refused(url, said)
    if said.startswith(("NOPERM", "The user executing the script")):
        remedy = "allow the user of online_store.username what docs/redis.md lists"
        return HotrowError(Code.FAILED_PRECONDITION, f"the online store at {url}: {said}; {remedy}")
    if "maxmemory" in said or "MISCONF" in said:
        remedy = "make room on its disk" if "MISCONF" in said else "make room, or raise its maxmemory"
        return HotrowError(
            Code.EXHAUSTED, f"the online store at {url} is full, and nothing was written ({said}); {remedy}"
        )
    if said.startswith(("BUSY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "READONLY")):
        return away(url, said)
    return HotrowError(Code.FAILED_PRECONDITION, f"the online store at {url} refuses a command: {said}")


def _refused(url: str, said: str) -> HotrowError:
    return HotrowError(
        Code.FAILED_PRECONDITION,
        f"the online store at {url} refuses these credentials ({said}); set online_store.username, and the password in "
        "HOTROW_STORE_PASSWORD or in the file that online_store.password_file names",
        field="online_store.password_file",
    )
