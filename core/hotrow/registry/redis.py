"""A registry in Redis or Valkey, for machines that share no file system.

Behind `hotrow-registry:`, in the database that the URL names:

    object:<sha-256>    string: a snapshot, canonical JSON
    refs:<project>      hash: `document`, and `version`, a random name that every swap makes anew
    log:<project>       list: an entry each

On a cluster the project stands in braces, so that refs and log of one are in the same slot.
"""

import uuid

from hotrow.redis.address import RedisAddress
from hotrow.redis.client import RedisClient, script
from hotrow.redis.cluster import ClusterClient

_PREFIX = "hotrow-registry:"
_CLUSTER = "cluster=true"
_TIMEOUT_S = 1.0  # for which a supervisor, which asks a few times a second, does nothing else
_SWAP = script("""
local current = redis.call('HGET', KEYS[1], 'document')
if ARGV[1] == 'absent' and current or ARGV[1] == 'present' and current ~= ARGV[2] then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[4])
redis.call('HSET', KEYS[1], 'document', ARGV[3], 'version', ARGV[5])
return 1
""")


class RedisBackend:
    """Implements `hotrow.registry.port.RegistryBackend`. `url` holds no password; with `cluster=true` in its query it
    names nodes of a cluster. What a swap survives is for the server's settings to say.
    """

    def __init__(self, url: str, password: str = "") -> None:
        plain, _, query = url.partition("?")
        options = query.split("&")
        clustered = _CLUSTER in options
        rest = "&".join(option for option in options if option != _CLUSTER)
        address = RedisAddress(
            f"{plain}?{rest}" if rest else plain,
            "the registry",
            "registry",
            "write the user into the url, and the password into HOTROW_REGISTRY_PASSWORD",
            "registry",
            f"add ?{_CLUSTER} to the url",
            password=password,
        )
        kind = ClusterClient if clustered else RedisClient
        self._client = kind(address, timeout_s=_TIMEOUT_S, connect_timeout_s=_TIMEOUT_S)
        self._name = "{{{}}}" if clustered else "{}"
        self._location = url

    @property
    def location(self) -> str:
        return self._location

    def get_object(self, object_id: str) -> bytes | None:
        found: bytes | None = self._client.ask("GET", f"{_PREFIX}object:{object_id}")
        return found

    def put_object(self, object_id: str, data: bytes) -> None:
        self._client.ask("SET", f"{_PREFIX}object:{object_id}", data)

    def get_refs(self, project: str) -> bytes | None:
        found: bytes | None = self._client.ask("HGET", self._refs(project), "document")
        return found

    def swap_refs(self, project: str, *, expected: bytes | None, new: bytes, log_entry: bytes) -> bool:
        keys = [self._refs(project).encode(), self._log(project).encode()]
        state = "absent" if expected is None else "present"
        return bool(self._client.run(_SWAP, keys, [state, expected or b"", new, log_entry, uuid.uuid4().hex]))

    def read_log(self, project: str) -> list[bytes]:
        return list(self._client.ask("LRANGE", self._log(project), 0, -1))

    def version(self, project: str) -> str:
        found: bytes | None = self._client.ask("HGET", self._refs(project), "version")
        return "" if found is None else found.decode()

    def _refs(self, project: str) -> str:
        return f"{_PREFIX}refs:{self._name.format(project)}"

    def _log(self, project: str) -> str:
        return f"{_PREFIX}log:{self._name.format(project)}"
