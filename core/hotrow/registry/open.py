"""Opening a registry by its location."""

from pathlib import Path
from urllib.parse import urlsplit

from hotrow.errors import Code, HotrowError, invalid
from hotrow.registry.folder import FolderBackend
from hotrow.registry.port import RegistryBackend, StoredRows
from hotrow.registry.registry import Registry

_REDIS = ("redis", "rediss", "unix")


def open_registry(location: str, rows: StoredRows | None = None) -> Registry:
    """The registry at a location: the path of a folder, which the first apply makes, or the URL of a Redis or Valkey
    server, `redis://`, `rediss://` or `unix://`. `rows` tells what is stored; without it every view may have rows.

    Raises INVALID for an empty location and a URL with a password, UNIMPLEMENTED for a URL of a kind that is not known.
    """
    if not location:
        raise invalid("the registry's location is empty; name a folder", field="registry")
    if "://" not in location:
        return Registry(FolderBackend(Path(location)), rows)
    url = urlsplit(location)
    if url.scheme not in _REDIS:
        reason = f"there is no registry of the kind {url.scheme!r}; name a folder, or a redis:// url"
        raise HotrowError(Code.UNIMPLEMENTED, reason, field="registry")
    if url.password or "password=" in url.query:
        raise invalid("the registry's url holds a password; put it into HOTROW_REGISTRY_PASSWORD", field="registry")
    return Registry(_redis_backend(location), rows)


def _redis_backend(location: str) -> RegistryBackend:
    try:
        from hotrow.registry.redis import RedisBackend  # noqa: PLC0415 - a technology is loaded where it is used
    except ModuleNotFoundError as error:
        if error.name not in ("redis", "hiredis"):
            raise
        reason = f"a registry on Redis or Valkey takes the package {error.name}: pip install 'hotrow[server,redis]'"
        raise HotrowError(Code.FAILED_PRECONDITION, reason, field="registry") from None
    from hotrow.settings import server_password  # noqa: PLC0415 - as above

    return RedisBackend(location, server_password("HOTROW_REGISTRY_PASSWORD"))
