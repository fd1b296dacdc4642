"""A registry in Redis or Valkey, for machines that share no file system.

Behind `hotrow-registry:`, in the database that the URL names:

    object:<sha-256>    string: a snapshot, canonical JSON
    refs:<project>      hash: `document`, and `version`, a random name that every swap makes anew
    log:<project>       list: an entry each
"""

import uuid

from hotrow.redis.address import RedisAddress
from hotrow.redis.client import RedisClient, script

_PREFIX = "hotrow-registry:"
_TIMEOUT_S = 1.0  # for which a supervisor, which asks a few times a second, does nothing else
_SWAP = script("""
local current = redis.call('HGET', KEYS[1], 'document')
if ARGV[1] == 'absent' and current or ARGV[1] == 'present' and current ~= ARGV[2] then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[4])
redis.call('HSET', KEYS[1], 'document', ARGV[3], 'version', ARGV[5])
return 1
""")


class RedisBackend:
    """Implements `hotrow.registry.port.RegistryBackend`. `url` holds no password. What a swap survives is for the
    server's settings to say.
    """

    def __init__(self, url: str, password: str = "") -> None:
        address = RedisAddress(
            url,
            "the registry",
            "registry",
            "write the user into the url, and the password into HOTROW_REGISTRY_PASSWORD",
            "registry",
            password=password,
        )
        self._client = RedisClient(address, timeout_s=_TIMEOUT_S, connect_timeout_s=_TIMEOUT_S)

    @property
    def location(self) -> str:
        return self._client.address.url

    def get_object(self, object_id: str) -> bytes | None:
        found: bytes | None = self._client.ask("GET", f"{_PREFIX}object:{object_id}")
        return found

    def put_object(self, object_id: str, data: bytes) -> None:
        self._client.ask("SET", f"{_PREFIX}object:{object_id}", data)

    def get_refs(self, project: str) -> bytes | None:
        found: bytes | None = self._client.ask("HGET", _refs(project), "document")
        return found

    def swap_refs(self, project: str, *, expected: bytes | None, new: bytes, log_entry: bytes) -> bool:
        keys = [_refs(project).encode(), _log(project).encode()]
        state = "absent" if expected is None else "present"
        return bool(self._client.run(_SWAP, keys, [state, expected or b"", new, log_entry, uuid.uuid4().hex]))

    def read_log(self, project: str) -> list[bytes]:
        return list(self._client.ask("LRANGE", _log(project), 0, -1))

    def version(self, project: str) -> str:
        found: bytes | None = self._client.ask("HGET", _refs(project), "version")
        return "" if found is None else found.decode()


def _refs(project: str) -> str:
    return f"{_PREFIX}refs:{project}"


def _log(project: str) -> str:
    return f"{_PREFIX}log:{project}"
