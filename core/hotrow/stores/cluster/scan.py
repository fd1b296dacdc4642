"""Looks through all rows of a store on a cluster, node by node."""

from collections.abc import Iterator

from hotrow.redis.cluster import ClusterClient
from hotrow.stores.cluster.partition import entity_key
from hotrow.stores.port import StoredRow
from hotrow.stores.redis.scan import escaped, rows_of, scan_pattern


def scan_cluster(client: ClusterClient, prefix: bytes, view_id: bytes | None) -> Iterator[StoredRow]:
    """Every row, or every row of a view. Where a slot moves meanwhile its rows may be missing, or come twice."""
    for keys in scan_cluster_keys(client, prefix):
        yield from rows_of(client, keys, view_id, entity_key)


def scan_cluster_keys(client: ClusterClient, prefix: bytes) -> Iterator[list[bytes]]:
    """The keys of all rows, some at a time."""
    for node in client.nodes():
        yield from scan_pattern(node, escaped(prefix) + b"{*}r:*")
