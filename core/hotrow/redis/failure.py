"""What a failure of Redis means, in hotrow's words."""

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from hotrow.errors import Code, HotrowError
from hotrow.redis.address import RedisAddress

REFUSED = "HOTROW"
"""Begins what a script of ours answers where it refuses; the rest is for people."""

_RETRY_AFTER_S = 0.2
_REFUSED_CREDENTIALS = ("NOAUTH", "WRONGPASS", "invalid username-password", "invalid password", "AUTH ")
_PASSES = ("BUSY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY")
_NOT_ALLOWED = ("NOPERM", "The user executing the script", "ACL failure in script")  # of Redis, and of Valkey
_CERTIFICATE = "certificate verify failed"
_AWAY = {
    ReadOnlyError: "it is a replica, which takes no writes",
    BusyLoadingError: "it loads its data",
    ClusterDownError: "the cluster is down, or a part of it",
    TryAgainError: "a part of the cluster is moving from one node to another",
    RedisTimeoutError: "it did not answer in time, and whether a write was carried out is not known",
}


def away(address: RedisAddress, reason: str) -> HotrowError:
    """That the server cannot be reached, or does not answer."""
    see = (
        "its certificate, for which docs/redis.md says what has to stand on it"
        if _CERTIFICATE in reason
        else (f"that the server runs, and {address.setting}")
    )
    message = f"{address.place} cannot be reached: {reason}; see {see}"
    return HotrowError(Code.UNAVAILABLE, message, retry_after_s=_RETRY_AFTER_S)


def failed(address: RedisAddress, error: RedisError) -> HotrowError:
    """What a failure that redis-py raised means."""
    said = str(error)
    for kind, reason in _AWAY.items():
        if isinstance(error, kind):
            return away(address, reason)
    if isinstance(error, AuthenticationError | AuthenticationWrongNumberOfArgsError):
        return _refused(address, said)
    if isinstance(error, AskError | ClusterCrossSlotError):
        reason = f"{address.place} is a node of a cluster; {address.clustered}"
        return HotrowError(Code.FAILED_PRECONDITION, reason, field=address.setting)
    if isinstance(error, NoPermissionError):
        said = f"NOPERM {said}"
    return said_by_server(address, said) if isinstance(error, ResponseError) else away(address, said)


def said_by(address: RedisAddress, error: Exception) -> HotrowError:
    """What a failure of redis-py, or of a socket, means."""
    return failed(address, error) if isinstance(error, RedisError) else away(address, str(error))


def said_by_server(address: RedisAddress, said: str) -> HotrowError:
    """What an error that the server answered with means."""
    if said.startswith(REFUSED):
        return HotrowError(Code.FAILED_PRECONDITION, f"{address.place}: {said.removeprefix(REFUSED).lstrip()}")
    if said.startswith(_REFUSED_CREDENTIALS):
        return _refused(address, said)
    if said.startswith(_NOT_ALLOWED):
        remedy = "allow that user what docs/redis.md lists"
        return HotrowError(Code.FAILED_PRECONDITION, f"{address.place}: {said}; {remedy}")
    if "maxmemory" in said or "MISCONF" in said:
        remedy = "make room on its disk" if "MISCONF" in said else "make room, or raise its maxmemory"
        return HotrowError(Code.EXHAUSTED, f"{address.place} is full, and takes no more ({said}); {remedy}")
    if said.startswith(_PASSES) or "non local key" in said:  # the latter from a script, of a slot that moves
        return away(address, said)
    return HotrowError(Code.FAILED_PRECONDITION, f"{address.place} refuses a command: {said}")


def _refused(address: RedisAddress, said: str) -> HotrowError:
    return HotrowError(
        Code.FAILED_PRECONDITION,
        f"{address.place} refuses these credentials ({said}); {address.credentials}",
        field=address.secret_setting,
    )
