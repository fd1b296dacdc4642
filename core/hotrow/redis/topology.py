"""Which node of a Redis Cluster has what, as redis-py finds it out."""

import binascii
import threading
from collections.abc import Sequence
from typing import Any

from redis.cluster import ClusterNode, NodesManager
from redis.exceptions import NoPermissionError, RedisClusterException, RedisError

from hotrow.errors import Code, HotrowError, invalid
from hotrow.redis.address import RedisAddress
from hotrow.redis.client import parse_hosts
from hotrow.redis.failure import away, said_by

SLOTS = 16384

_PORT = 6379


def slot_of(key: bytes) -> int:
    """The slot of a key: by what stands in its first braces, where something does."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1) if start >= 0 else -1
    hashed = key[start + 1 : end] if end > start + 1 else key
    return binascii.crc_hqx(hashed, 0) % SLOTS


class Topology:
    """The primaries of a cluster, asked for when they are first needed, and again after there was a doubt.

    Nodes are named `host:port`. `options` are those of connections to any of them. Raises UNAVAILABLE where no node
    answers within `timeout_s`, FAILED_PRECONDITION where one does and is none of a cluster.
    """

    def __init__(self, address: RedisAddress, *, timeout_s: float) -> None:
        self._address = address
        hosts, self.options = _options(address, timeout_s)
        self._seeds = [ClusterNode(host, port) for host, port in hosts]  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()
        self._manager: NodesManager | None = None
        self._doubted = False

    def primaries(self) -> list[str]:
        """The nodes that have slots."""
        return sorted({nodes[0].name for nodes in self._known().slots_cache.values()})

    def owners(self, slots: Sequence[int]) -> list[str]:
        """The primary of each slot, empty where there is none."""
        cache = self._known().slots_cache
        return [cache[slot][0].name if cache.get(slot) else "" for slot in slots]

    def doubt(self) -> None:
        """Have the cluster asked before the next answer."""
        self._doubted = True

    def close(self) -> None:
        """Close what is not in use."""
        if self._manager is not None:
            self._manager.close()

    def _known(self) -> NodesManager:
        with self._lock:
            if self._manager is None or self._doubted:
                self._refresh()
            assert self._manager is not None  # noqa: S101 - the refresh made it
            return self._manager

    def _refresh(self) -> None:
        doubted, self._doubted = True, False  # one that comes up meanwhile holds
        try:
            if self._manager is None:
                self._manager = NodesManager(self._seeds, from_url=True, **self.options)
            else:
                seeds = [(node.host, node.port) for node in self._seeds]
                self._manager.initialize(seeds)
        except RedisClusterException as error:
            raise self._no_cluster(error) from None
        except (RedisError, OSError) as error:
            raise said_by(self._address, error) from None
        except IndexError:
            raise away(self._address, "none of its nodes has slots") from None
        else:
            doubted = False
        finally:
            self._doubted |= doubted

    def _no_cluster(self, error: RedisClusterException) -> HotrowError:
        """Why no node told of the cluster: redis-py says so of the last that it asked."""
        cause = error.__cause__
        if isinstance(cause, RedisClusterException) and isinstance(cause.__context__, NoPermissionError):
            cause = cause.__context__
        if isinstance(cause, RedisError | OSError):
            return said_by(self._address, cause)
        if "not enabled" not in str(error):
            return away(self._address, str(error))
        remedy = f'take its mode "cluster" back, or name the nodes of a cluster in {self._address.setting}'
        return HotrowError(
            Code.FAILED_PRECONDITION, f"{self._address.place} is no cluster; {remedy}", field=self._address.setting
        )


def _options(address: RedisAddress, timeout_s: float) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Hosts and ports in the url, and what every connection is made with."""
    hosts, named = parse_hosts(address.url, _PORT)
    if named.pop("db", 0):
        raise invalid(f"{address.setting}: a cluster has database 0 alone; end the url with /0", field=address.setting)
    user = {"username": address.username} if address.username else {}
    password = {"password": address.password} if address.password else {}
    timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    return hosts, {**named, **user, **password, **timeouts, "protocol": 2, "client_name": "hotrow"}
