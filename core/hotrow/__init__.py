"""hotrow, an online feature server: what the Python files of a feature repository import.

Importing this loads neither numba, a store, Parquet nor NumPy; what needs them imports them where it runs.
"""

from typing import TYPE_CHECKING, Any

from hotrow.errors import Code, HotrowError
from hotrow.feast import missing_name
from hotrow.feature_store import FeatureStore
from hotrow.schema.decorator import transform
from hotrow.schema.default import UNSET
from hotrow.schema.entity import Entity
from hotrow.schema.field import Field
from hotrow.schema.push_source import PushSource
from hotrow.schema.request_source import RequestSource
from hotrow.schema.service import FeatureService
from hotrow.schema.source import ParquetSource, SqliteSource
from hotrow.schema.view import FeatureView
from hotrow.transforms.hash64 import hash64
from hotrow.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp, ValueType

__all__ = [
    "UNSET",
    "Array",
    "Bool",
    "Bytes",
    "Code",
    "Entity",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "Field",
    "Float32",
    "Float64",
    "HotrowError",
    "Int32",
    "Int64",
    "ParquetSource",
    "PushSource",
    "RequestSource",
    "SqliteSource",
    "String",
    "UnixTimestamp",
    "ValueType",
    "hash64",
    "transform",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """What Feast has by that name is answered with its name here."""
        raise missing_name(name, __all__)
