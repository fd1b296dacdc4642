"""Connections to Redis by redis-py, which knows how to connect, to authenticate and to talk TLS."""

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from hotrow.redis.address import RedisAddress
from hotrow.redis.failure import away, failed

_SENTINEL_PORT = 26379
_PACK: Any = hiredis.pack_command  # its stub says a tuple of one word


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script, and its SHA-1, by which Redis knows it."""

    text: str
    sha: str


def script(text: str) -> Script:
    """A script of a text."""
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class Packed:
    """Words of a command as they are sent."""

    data: memoryview
    words: int


Word = bytes | str | int | Packed
"""Of a command: one word, or as many as are packed."""


class RedisClient:
    """Commands and scripts to one server, from a pool of connections that threads share.

    Nothing is sent twice: a command whose reply was lost may have been carried out, and only its caller can tell what
    that means. Every failure is a HotrowError.
    """

    def __init__(self, address: RedisAddress, *, timeout_s: float, connect_timeout_s: float) -> None:
        self.address = address
        options: dict[str, Any] = {"protocol": 2, "socket_timeout": timeout_s, "retry": Retry(NoBackoff(), 0)}
        if not address.url.startswith("unix:"):
            options["socket_connect_timeout"] = connect_timeout_s
        self._pool = _pool(address, options)
        self._redis = redis.Redis(connection_pool=self._pool)

    def ask(self, *command: bytes | str | int) -> Any:
        """The reply to a command, as redis-py gives it: bytes, numbers and lists."""
        with self.translated():
            return self._redis.execute_command(*command)  # type: ignore[no-untyped-call]

    def ask_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]:
        """The replies to commands that are sent together."""
        with self.translated():
            pipeline = self._redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return list(pipeline.execute())

    def run(self, command: Script, keys: Sequence[Word], arguments: Sequence[Word]) -> Any:
        """What a script returns. It is named by its hash, and sent where the server does not know it."""
        words = (count_words(keys), *keys, *arguments)
        with self.translated():
            try:
                return self._exchange(("EVALSHA", command.sha, *words))
            except NoScriptError:
                return self._exchange(("EVAL", command.text, *words))

    def connection(self) -> Any:
        """A connection beside the pool, to be connected within `translated`."""
        return self._pool.make_connection()

    def close(self) -> None:
        """Close what is not in use."""
        self._pool.disconnect()

    def _exchange(self, words: Sequence[Word]) -> Any:
        """The reply to a command of many words."""
        connection: Any = self._pool.get_connection()
        try:
            connection.send_packed_command(packed([words]))
            return connection.read_response()
        finally:
            self._pool.release(connection)  # closed already, where the reply is still to come

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Failures of redis-py in hotrow's words."""
        try:
            yield
        except RedisError as error:
            raise failed(self.address, error) from None
        except OSError as error:
            raise away(self.address, str(error)) from None


def count_words(words: Sequence[Word]) -> int:
    """How many there are, with those that are packed."""
    return len(words) + sum(word.words - 1 for word in words if isinstance(word, Packed))


def packed(commands: Sequence[Sequence[Word]]) -> list[bytes]:
    """As they are sent, in one piece. redis-py looks at each word first, and sends 6 KB at a time: of a commit of 1000
    rows that was two fifths.
    """
    return [b"".join([piece for words in commands for piece in _pieces(words)])]


def _pieces(words: Sequence[Word]) -> Iterator[bytes | memoryview]:
    if Packed not in map(type, words):
        yield _PACK(tuple(words))
        return
    yield b"*%d\r\n" % count_words(words)
    for kind, some in itertools.groupby(words, type):
        if kind is Packed:
            yield from (word.data for word in some if isinstance(word, Packed))
        else:
            yield _PACK(tuple(some)).partition(b"\r\n")[2]  # without how many they are


def _pool(address: RedisAddress, options: dict[str, Any]) -> redis.ConnectionPool:
    user = {"username": address.username} if address.username else {}
    password = {"password": address.password} if address.password else {}
    options = {**options, "client_name": "hotrow"}
    if not address.primary:
        return redis.ConnectionPool.from_url(address.url, **user, **password, **options)
    hosts, named = parse_hosts(address.url, _SENTINEL_PORT)
    tls = named.pop("connection_class", None) is not None
    secret = {"password": address.sentinel_password} if address.sentinel_password else {}
    certificates = {name: value for name, value in named.items() if name.startswith("ssl")}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        hosts,
        sentinel_kwargs={**options, **certificates, **secret, "ssl": tls},
    )
    pool: redis.ConnectionPool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
        address.primary, sentinel, ssl=tls, **named, **user, **password, **options
    )
    return pool


def parse_hosts(url: str, port: int) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """The hosts of a url, commas between, with `port` where it names none, and what else redis-py finds in it."""
    scheme, _, rest = url.partition("://")
    hosts, slash, path = rest.partition("/")
    user, at, hosts = hosts.rpartition("@")
    named = dict(parse_url(f"{scheme}://{user}{at}localhost{slash}{path}"))  # type: ignore[no-untyped-call]
    del named["host"]
    return [_host(host, port) for host in hosts.split(",")], named


def _host(text: str, default: int) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdecimal() and host else (text.strip("[]"), default)
