"""Pushes to the view `stats` of `support.world`, and what reads see of them."""

from hotrow.v1.column_pb2 import NOT_FOUND, PRESENT
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import DELETE, PushFeaturesRequest
from reference.column import column


def stats(ids, trips, **fields):
    """Rows of the view `stats`."""
    rows = [column("driver_id", "int64", ids), column("trips", "int64", trips)]
    rows.append(column("fare", "float64", [0.5] * len(ids), unit="SEK"))
    return PushFeaturesRequest(**({"view": "stats"} if "push_source" not in fields else {}), rows=rows, **fields)


def delete(ids, **fields):
    return PushFeaturesRequest(view="stats", op=DELETE, rows=[column("driver_id", "int64", ids)], **fields)


def trips_of(world, *ids):
    """What a read has of each driver: the value, or the status that it is not there."""
    entities = [column("driver_id", "int64", list(ids))]
    request = GetOnlineFeaturesRequest(features=FeatureNames(names=["stats:trips"]), entities=entities)
    [trips] = world.read(request).columns
    pairs = zip(trips.int64.values, trips.statuses, strict=True)
    return [value if status == PRESENT else {NOT_FOUND: None}[status] for value, status in pairs]


def rows_of(world):
    return {(stored.view_id, stored.key): stored.row for stored in world.store.scan()}
