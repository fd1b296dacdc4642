"""What Feast's users look for under its names, and what it is called here: for errors that say so."""

from collections.abc import Mapping
from functools import wraps
from typing import Any, TypeVar

from hotrow.errors import invalid, nearest

T = TypeVar("T")

_PARQUET = 'ParquetSource("data/x.parquet", event_time="event_timestamp")'
_EXPORTED = f"{_PARQUET}, of files that the warehouse exports, or SqliteSource"
_PUSHED = 'PushSource("name", view=view), and have the consumer of the stream push rows'

NAMES = {
    "FileSource": _PARQUET,
    "BatchSource": f"{_PARQUET} or SqliteSource",
    "DataSource": f"{_PARQUET} or SqliteSource",
    **dict.fromkeys(
        ("BigQuerySource", "SnowflakeSource", "RedshiftSource", "PostgreSQLSource", "SparkSource", "AthenaSource"),
        _EXPORTED,
    ),
    **dict.fromkeys(("KafkaSource", "KinesisSource", "StreamSource"), _PUSHED),
    "OnDemandFeatureView": "a function with @transform(sources=[view, request], outputs=[Field(...)])",
    "on_demand_feature_view": "@transform(sources=[view, request], outputs=[Field(...)])",
    "BatchFeatureView": "FeatureView",
    "StreamFeatureView": "FeatureView, without a source, and a PushSource on it",
    "FeatureTable": "FeatureView",
    "Feature": 'Field("name", Float64)',
    "RepoConfig": "the file hotrow.toml",
    "Project": 'project = "name" in hotrow.toml',
    "SavedDataset": "the frame of FeatureStore.get_historical_features, or `hotrow historical --out`",
}
"""What is imported from feast, and what does that in hotrow."""

KEYWORDS = {
    "timestamp_field": "event_time",
    "event_timestamp_column": "event_time",
    "created_timestamp_column": "created_time",
    "batch_source": "source",
    "stream_source": 'a definition of its own: PushSource("name", view=view)',
    "online": "nothing: every view can be read online, once it is materialized or pushed to",
    "offline": "nothing: a view with a source can be read in training sets",
    "dtype": 'type, as in Field("fare", Float64)',
    "value_type": 'the type in join_keys={"driver_id": Int64}',
    "field_mapping": "the names of the columns: rename them in the file, or in the query of a SqliteSource",
    "date_partition_column": "nothing: folders such as day=2024-05-01/ are found by their names",
    "file_format": "nothing: a ParquetSource is Parquet",
    "udf": "the function below @transform",
    "feature_view_projections": "features",
    "repo_path": "repo, as in FeatureStore(repo)",
    "fs_yaml_file": "repo, the folder with hotrow.toml",
}
"""Arguments of feast's definitions, and what they are here."""

METHODS = {
    "write_to_online_store": "push(push_source, rows), or push(view=..., rows=...)",
    "write_to_offline_store": 'push(push_source, rows, to="offline")',
    "get_feature_view": "snapshot().views[name]",
    "get_feature_service": "snapshot().services[name]",
    "get_entity": "snapshot().entities[name]",
    "get_on_demand_feature_view": "snapshot().transforms[name]",
    "list_on_demand_feature_views": "list_transforms()",
    "list_data_sources": "list_feature_views(), each with its source",
    "create_saved_dataset": "the frame of get_historical_features",
    "refresh_registry": "nothing: servers follow the registry by themselves",
    "teardown": "`hotrow registry` and `hotrow store gc`",
    "plan": "`hotrow plan`",
    "serve": "serving(), or `hotrow serve`",
}
"""Methods of feast's FeatureStore, and what does that here."""

VIEW_METHODS = dict.fromkeys(("with_name", "with_join_key_map"), 'joined_as("buyer", {"user_id": "buyer_id"})')
"""Methods of feast's FeatureView, and what does that here."""

SETTINGS = {
    "provider": "nothing: leave it out",
    "entity_key_serialization_version": "nothing: leave it out",
    "auth": "TLS, in [server.tls] and [ingest.tls]",
    "feature_server": "[server] and [ingest]",
    "connection_string": "url, as in redis://127.0.0.1:6379/0",
    "cache_ttl_seconds": "nothing: servers see a change of the registry at once",
}
"""Keys of feature_store.yaml, and what is in hotrow.toml for them."""

YAML = "feature_store.yaml"
MOVING = (
    f"{YAML} is Feast's; hotrow's settings are in hotrow.toml, of which `hotrow init` makes one: move project, "
    "registry and online_store there"
)


def called(name: str, table: Mapping[str, str]) -> str:
    """What a name of Feast is in hotrow, as the end of a message; empty where it is none."""
    return f"; that is Feast's word, and here it is {table[name]}" if name in table else ""


def missing_name(name: str, known: list[str]) -> Exception:
    """What `hotrow.name` raises, which is no name of it. An ImportError, where Feast has it: of an AttributeError
    Python would keep the class alone.
    """
    if name in NAMES:
        return ImportError(f"hotrow has no {name!r}{called(name, NAMES)}")
    return AttributeError(f"module 'hotrow' has no attribute {name!r}{nearest(name, known)}")


def explains_keywords(cls: type[T]) -> type[T]:
    """Have a class say what an argument is called that Feast's has by another name; raises INVALID."""
    made: Any = cls.__init__

    @wraps(made)
    def explained(self: T, *args: Any, **kwargs: Any) -> None:
        for keyword in KEYWORDS.keys() & kwargs.keys():
            raise invalid(f"{cls.__name__} has no argument {keyword!r}{called(keyword, KEYWORDS)}", field=keyword)
        made(self, *args, **kwargs)

    setattr(cls, "__init__", explained)  # noqa: B010 - mypy lets no method be assigned
    return cls
