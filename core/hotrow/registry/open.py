"""Opening a registry by its location."""

from pathlib import Path

from hotrow.errors import Code, HotrowError, invalid
from hotrow.registry.folder import FolderBackend
from hotrow.registry.registry import Registry


def open_registry(location: str) -> Registry:
    """The registry at a location: the path of a folder, which the first apply makes.

    Raises INVALID for an empty location and UNIMPLEMENTED for a URL of a kind that is not known.
    """
    if not location:
        raise invalid("the registry's location is empty; name a folder", field="registry")
    if "://" in location:
        scheme = location.partition("://")[0]
        raise HotrowError(
            Code.UNIMPLEMENTED, f"there is no registry of the kind {scheme!r}; name a folder", field="registry"
        )
    return Registry(FolderBackend(Path(location)))
