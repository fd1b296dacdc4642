"""What a store in Redis says of itself."""

from typing import Any

from hotrow.errors import HotrowError
from hotrow.section import OnlineStoreSettings
from hotrow.stores.port import StoreInfo
from hotrow.stores.redis.scan import Asks
from hotrow.stores.redis.script import FORMAT, Names

_NOT_KEPT, _KEPT = "no append-only file", "append-only file, fsync "


def describe(client: Asks, names: Names, settings: OnlineStoreSettings) -> StoreInfo:
    """Identity, counts and the server's memory."""
    meta, waiting, holder, said = client.ask_all(
        [
            ("HMGET", names.meta, "id", "epoch", "sequence", "rows", "log"),
            ("XLEN", names.outbox),
            ("GET", names.outbox_holder),
            ("INFO",),
        ]
    )
    store_id, epoch, sequence, rows, log_id = meta
    server: dict[str, Any] = dict(said)
    details = {
        "url": settings.url,
        "prefix": settings.prefix,
        "server": version(server),
        "persistence": persistence(client, server),
        "maxmemory_policy": str(server.get("maxmemory_policy", "")),
    } | shared_details(log_id, holder)
    return StoreInfo(
        settings.type,
        (store_id or b"").decode(),
        int(epoch or 0),
        int(sequence or 0),
        max(0, int(rows or 0)),
        int(server.get("used_memory", 0)),
        int(server.get("maxmemory", 0)),
        int(waiting),
        details,
    )


def shared_details(log_id: bytes | None, holder: bytes | None) -> dict[str, str]:
    """The log of the store and who takes rows there; and what the number of rows means."""
    return {
        "log": (log_id or b"none yet").decode(),
        "logged_by": (holder or b"nobody now").decode(),
        "row_count": "keys expire by themselves: at most so many rows; gc and --views count anew",
    }


def doubts(client: Asks) -> list[str]:
    """Why the server may lose rows that were acknowledged; what it does not tell is no doubt."""
    server: dict[str, Any] = dict(client.ask("INFO"))
    found = []
    kept = persistence(client, server)
    if kept in (_NOT_KEPT, _KEPT + "everysec", _KEPT + "no"):
        found.append(f"{kept}: pushes that were acknowledged may be lost with the server")
    policy = str(server.get("maxmemory_policy", ""))
    if server.get("maxmemory") and policy not in ("noeviction", ""):
        found.append(f"maxmemory-policy {policy}: rows may be evicted when memory is short; set noeviction")
    return found


def persistence(client: Asks, server: dict[str, Any]) -> str:
    """How the server keeps what it was told."""
    if not server.get("aof_enabled"):
        return _NOT_KEPT
    try:
        _, said = client.ask("CONFIG", "GET", "appendfsync")
    except (HotrowError, ValueError):  # a server that somebody else manages tells no configuration
        return _KEPT + "as configured"
    return _KEPT + bytes(said).decode()


def structure_problems(client: Asks, names: Names) -> list[str]:
    """What does not fit together."""
    problems = []
    form, outbox = client.ask("HMGET", names.meta, "format", "outbox")
    if form != FORMAT:
        problems.append(f"the store's format is {form!r}, not {FORMAT!r}")
    problems += marks_problems(client, names)
    last = client.ask("XREVRANGE", names.outbox, "+", "-", "COUNT", 1)
    number = int(last[0][0].partition(b"-")[0]) if last else 0
    if number > int(outbox or 0):
        problems.append(f"entry {number} of the outbox is beyond its last number, {int(outbox or 0)}")
    return problems


def marks_problems(client: Asks, names: Names) -> list[str]:
    """What is wrong with the marks."""
    marks, order = client.ask_all([("HLEN", names.marks), ("ZCARD", names.mark_order)])
    return [f"{marks} marks are kept, and {order} stand in their order"] if marks != order else []


def version(server: dict[str, Any]) -> str:
    """What the server is."""
    name = str(server.get("server_name", "redis"))
    return f"{name} {server.get('valkey_version', server.get('redis_version', ''))}"
