"""What the tests of the Java client read and push."""

from datetime import timedelta

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
    RequestSource,
    String,
    UnixTimestamp,
    transform,
)

TYPES = {
    "float64": Float64,
    "float32": Float32,
    "int64": Int64,
    "int32": Int32,
    "bool": Bool,
    "string": String,
    "bytes": Bytes,
    "timestamp": UnixTimestamp,
}

key = Entity("key", join_keys={"id": Int64, "part": String})
every = FeatureView(
    "every",
    entities=[key],
    schema=[Field(name, kind) for name, kind in TYPES.items()]
    + [Field(f"{name}_list", Array(kind)) for name, kind in TYPES.items()],
)
every_push = PushSource("every_push", view=every)

driver = Entity("driver", join_keys={"driver_id": Int64})
stats = FeatureView(
    "stats",
    entities=[driver],
    ttl=timedelta(days=1),
    schema=[Field("fare", Float64, unit="SEK"), Field("trips", Int32, default=None)],
)
stats_push = PushSource("stats_push", view=stats)
activity = FeatureService("activity", features=[stats[["trips", "fare"]]])

ride = RequestSource("ride", schema=[Field("distance", Float64, unit="km")])


@transform(sources=[stats, ride], outputs=[Field("fare_per_km", Float64, unit="SEK/km")])
def fare_per_km(fare, distance):
    return fare / distance if distance > 0 else 0.0
