"""Libraries that are loaded only where they are used, and need not be installed."""

from importlib import import_module
from typing import Any


def load(package: str, method: str) -> Any:
    """The package; raises ModuleNotFoundError saying what to install for `method`."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ModuleNotFoundError(f"{method} needs {package}: pip install {package}", name=package) from error
