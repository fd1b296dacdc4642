"""What a store on a cluster says of itself."""

from typing import Any

from hotrow.redis.cluster import ClusterClient
from hotrow.section import OnlineStoreSettings
from hotrow.stores.cluster.partition import PARTITIONS, Layout
from hotrow.stores.port import StoreInfo
from hotrow.stores.redis.info import doubts, marks_problems, persistence, shared_details, structure_problems, version
from hotrow.stores.redis.root import Identity


def describe_cluster(client: ClusterClient, layout: Layout, settings: OnlineStoreSettings) -> StoreInfo:
    """Identity, counts, and the memory of the nodes: all they use, and all they may."""
    root = layout.root
    metas = [("HGET", names.meta, "rows") for names in layout.partitions]
    meta, waiting, holder, *counts = client.ask_all(
        [
            ("HMGET", root.meta, "id", "epoch", "sequence", "log"),
            ("XLEN", root.outbox),
            ("GET", root.outbox_holder),
            *metas,
        ]
    )
    store_id, epoch, sequence, log_id = meta
    details = {"url": settings.url, "mode": settings.mode, "prefix": settings.prefix} | shared_details(log_id, holder)
    used, most = 0, []
    for node in client.nodes():
        server: dict[str, Any] = dict(node.ask("INFO"))
        used += int(server.get("used_memory", 0))
        most.append(int(server.get("maxmemory", 0)))
        details[f"node {node.name}"] = ", ".join(
            [version(server), persistence(node, server), str(server.get("maxmemory_policy", ""))]
        )
    return StoreInfo(
        settings.type,
        (store_id or b"").decode(),
        int(epoch or 0),
        int(sequence or 0),
        max(0, sum(int(count or 0) for count in counts)),
        used,
        sum(most) if all(most) else 0,
        int(waiting),
        details,
    )


def doubts_of_nodes(client: ClusterClient) -> list[str]:
    """Why nodes may lose rows that were acknowledged, each reason once."""
    return list(dict.fromkeys(doubt for node in client.nodes() for doubt in doubts(node)))


def cluster_problems(client: ClusterClient, layout: Layout, identity: Identity) -> list[str]:
    """What does not fit together."""
    problems = structure_problems(client, layout.root)
    metas = client.ask_all([("HMGET", meta, "id", "epoch") for meta in layout.metas[:PARTITIONS]])
    strangers = sum(tuple(found) != identity for found in metas)
    if strangers:
        problems.append(f"{strangers} of {len(metas)} partitions are not of this store: their rows were lost")
    for names in layout.partitions:
        problems += marks_problems(client, names)
    return problems
