"""What callers give, checked before anything is made of it: each error says what to give instead."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from hotrow.errors import invalid
from hotrow.rpc.tls import ChannelTls
from hotrow.types import ValueType

_URLS: Final = ("http", "https", "grpc", "grpcs", "tcp", "tls")
_TARGETS: Final = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:", "xds:")
"""How names of gRPC's own begin: https://github.com/grpc/grpc/blob/master/doc/naming.md."""
_LAST_PORT: Final = 65535


def checked_address(what: str, address: object) -> str:
    """A "host:port", or a target in gRPC's own words; raises TypeError, or INVALID with what to write."""
    if not isinstance(address, str):
        raise TypeError(f"{what} is text such as '127.0.0.1:6565', not a {type(address).__name__}")
    scheme, url, rest = address.partition("://")
    if url and scheme.lower() in _URLS:
        tls = "; for TLS give `tls=ChannelTls(...)`" if scheme.lower() in ("https", "grpcs", "tls") else ""
        raise invalid(
            f"{what} {address!r} is a URL; write {rest.partition('/')[0]!r}, host and port alone{tls}", field=what
        )
    if address.startswith(_TARGETS):
        return address
    host, _, port = address.rpartition(":")
    if not host or host.endswith(":") or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
        raise invalid(
            f"{what} {address!r} is not host:port; write it as in '127.0.0.1:6565', '[::1]:6565' for IPv6", field=what
        )
    return address


def checked_tls(tls: object) -> None:
    """Raises TypeError for what is neither ChannelTls nor None."""
    if tls is not None and not isinstance(tls, ChannelTls):
        raise TypeError(f"tls is ChannelTls(...), or None for a connection without, not a {type(tls).__name__}")


def checked_name(what: str, name: object) -> str:
    """A name, empty for None; raises TypeError."""
    if name is None:
        return ""
    if not isinstance(name, str):
        remedy = f"; give its name, {name.name!r}" if isinstance(getattr(name, "name", None), str) else ""  # type: ignore[attr-defined]
        raise TypeError(f"{what} is a name, not a {type(name).__name__}{remedy}")
    return name


def checked_features(features: object) -> tuple[str, ...]:
    """References of features: one, or any number of them; raises TypeError."""
    if features is None:
        return ()
    if isinstance(features, str):
        return (features,)
    if not isinstance(features, Iterable) or isinstance(features, (bytes, Mapping)):
        service = getattr(features, "name", None)
        remedy = f"; of a feature service give feature_service={service!r}" if isinstance(service, str) else ""
        raise TypeError(f'features are references such as "view:feature", not a {type(features).__name__}{remedy}')
    names = tuple(features)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f'a feature is a reference such as "view:feature", not a {type(name).__name__}')
    return names


def checked_timeout_s(timeout_s: object) -> float:
    """Seconds; raises TypeError."""
    if not isinstance(timeout_s, (int, float)) or isinstance(timeout_s, bool) or not timeout_s > 0:
        raise TypeError(f"timeout_s is a number of seconds above 0, not {timeout_s!r}")
    return timeout_s


def checked_options(method: str, options: Mapping[str, Any], known: Any) -> dict[str, Any]:
    """The options that are given, those that are None left out; raises TypeError for an option that is none (one
    misspelt would be left out without a word) and for one of another type.
    """
    given = {}
    for name, value in options.items():
        if name not in known.__annotations__:
            raise TypeError(f"{method} has no option {name!r}; it has {', '.join(known.__annotations__)}")
        if value is not None:
            check = _CHECKS.get(name)
            given[name] = value if check is None else check(name, value)
    return given


def _bytes(what: str, value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"{what} is the `token` of a push's reply, not a {type(value).__name__}")
    return value


def _types(what: str, value: object) -> Mapping[str, ValueType]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} gives columns their types, as in {{'fare': Float64}}, not a {type(value).__name__}")
    for name, one in value.items():
        if not isinstance(one, ValueType):
            raise TypeError(
                f"{what}: the type of {name!r} is one of hotrow's, as in `from hotrow import Int64`, not {one!r}"
            )
    return value


def _units(what: str, value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value.values()):
        raise TypeError(f"{what} gives columns their units, as in {{'fare': 'SEK'}}, not {value!r}")
    return value


def _progress(what: str, value: object) -> object:
    if not isinstance(value, bool) and not callable(value):
        raise TypeError(f"{what} is True, or a function of the rows done and all rows, not {value!r}")
    return value


_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **dict.fromkeys(("snapshot", "signature", "request_id", "op", "to", "on_rejected"), checked_name),
    "min_token": _bytes,
    "types": _types,
    "units": _units,
    "progress": _progress,
    "timeout_s": lambda _, value: checked_timeout_s(value),
}
