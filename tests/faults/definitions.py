"""The definitions of the repositories that are hurt here: a view for the checker, and views of every type for fuzz."""

from hotrow import (
    Array,
    Bool,
    Bytes,
    Entity,
    FeatureService,
    FeatureView,
    Field,
    Float32,
    Float64,
    Int32,
    Int64,
    PushSource,
    String,
    UnixTimestamp,
)
from hotrow.registry.snapshot import Snapshot
from hotrow.types import SCALARS

PROJECT = "rides"

driver = Entity("driver", join_keys={"driver_id": Int64})
trips = FeatureView(
    "trips",
    entities=[driver],
    schema=[
        Field("stamp", Int64),
        Field("amount", Float64),
        Field("label", String),
        Field("embedding", Array(Float32)),
        Field("note", Bytes),
    ],
)
trips_push = PushSource("trips_push", view=trips)

article_user = Entity("article_user", join_keys={"article_id": Int64, "user_id": String})
moment = Entity("moment", join_keys={"at": UnixTimestamp, "code": Bytes, "flag": Bool, "small": Int32})
everything = FeatureView(
    "everything",
    entities=[article_user],
    schema=[
        *(Field(f"f_{scalar.name.lower()}", scalar, unit="SEK" if scalar is Float64 else "") for scalar in SCALARS),
        *(Field(f"l_{scalar.name.lower()}", Array(scalar)) for scalar in SCALARS),
        Field("extra", Float64, default=1.5),
    ],
)
everything_push = PushSource("everything_push", view=everything)
moments = FeatureView("moments", entities=[moment], schema=[Field("level", Float32)])
constants = FeatureView("constants", schema=[Field("rate", Float64)])
triage = FeatureService("triage", features=[everything[["f_float64", "f_string"]], trips[["amount"]]])

VIEWS = (trips, everything, moments, constants)
SNAPSHOT = Snapshot(
    PROJECT,
    entities={entity.name: entity for entity in (driver, article_user, moment)},
    views={view.name: view for view in VIEWS},
    push_sources={source.name: source for source in (trips_push, everything_push)},
    services={triage.name: triage},
)
