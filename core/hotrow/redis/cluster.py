"""Commands and scripts to a Redis Cluster: to all nodes at once, and after redirections, on connections of redis-py."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hotrow import clock
from hotrow.errors import HotrowError
from hotrow.redis.address import RedisAddress
from hotrow.redis.client import Script, Word, count_words, packed
from hotrow.redis.failure import away, said_by
from hotrow.redis.topology import NAMELESS, Topology, slot_of

_MOST_REDIRECTIONS = 16
_PAUSE_S = 0.01
_LOST = (MovedError, ClusterDownError, RedisConnectionError, RedisTimeoutError, OSError)
"""After which the cluster is asked anew which node has what."""


class Command(NamedTuple):
    """A command, or a script with its keys and arguments, all of which are in one slot."""

    slot: int
    words: Sequence[Word]
    script: Script | None = None


def script_command(script: Script, keys: Sequence[Word], arguments: Sequence[Word]) -> Command:
    """To run a script, whose first key says where."""
    return _command([count_words(keys), *keys, *arguments])._replace(script=script)


class _Try(NamedTuple):
    """What is sent next for the command of a place: where to (None: where its slot is), and how."""

    place: int
    node: str | None = None
    asking: bool = False
    with_text: bool = False
    hops: int = 0


class ClusterClient:
    """Commands and scripts to the primaries of a cluster, from pools of connections that threads share.

    Commands that go out together are sent to all nodes before the first reply is awaited. One that is redirected, for
    which reason it was not carried out, follows; one whose slot is on its way is tried again for `patience_s`. Nothing
    else is sent twice. Every failure is a HotrowError.
    """

    def __init__(self, address: RedisAddress, *, timeout_s: float, connect_timeout_s: float) -> None:
        self.address = address
        self.topology = Topology(address, self._leave, timeout_s=connect_timeout_s)
        self._patience_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._pools: dict[str, redis.ConnectionPool] = {}
        self._callbacks = redis.Redis(protocol=2).response_callbacks  # replies to commands as redis-py has them

    def ask(self, *words: Word) -> Any:
        """The reply to a command whose first word names it, and whose second is its key."""
        return _value(self.run_all([_command(words)])[0])

    def ask_all(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """The replies to such commands, sent together; raises the first failure."""
        return [_value(reply) for reply in self.run_all([_command(words) for words in commands])]

    def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Word]) -> Any:
        """What a script returns. It is named by its hash, and sent where the server does not know it."""
        return _value(self.run_all([script_command(script, keys, arguments)])[0])

    def nodes(self) -> list["ClusterNode"]:
        """The primaries."""
        return [ClusterNode(self, name) for name in self.topology.primaries()]

    def ask_node(self, name: str, *words: Word) -> Any:
        """The reply of one node to a command without a key."""
        (reply,) = self._exchange({name: [words]})[name]
        if isinstance(reply, _LOST):
            self.topology.doubt()
        return _value(self._outcome(reply, Command(0, words)))

    def run_all(self, commands: Sequence[Command]) -> list[Any | HotrowError]:
        """What each command came to, or why it failed."""
        outcomes: list[Any] = [None] * len(commands)
        until_s = clock.monotonic_s() + self._patience_s
        tries = [_Try(place) for place in range(len(commands))]
        while tries:
            tries = self._run(commands, tries, outcomes, until_s)
        return outcomes

    def connection(self, name: str) -> Any:
        """A connection to a node beside its pool, to be connected within `translated`."""
        return self.topology.pool(name).make_connection()

    def replies(self, connection: Any, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """The replies on a connection of one's own, within `translated`, but for those to commands that are redirected:
        they are other nodes'.
        """
        if not commands:
            return []
        connection.send_packed_command(packed(commands))
        replies = [reply for reply in _received(connection, len(commands)) if not isinstance(reply, AskError)]
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    def close(self) -> None:
        """Close what is not in use, and what is once it no longer is."""
        self._leave([])

    def _leave(self, primaries: Sequence[str]) -> None:
        """Close what is not in use to nodes that are none of these; the rest follows when it is released."""
        with self._lock:
            left = [self._pools.pop(node) for node in set(self._pools).difference(primaries)]
        for pool in left:
            pool.disconnect(inuse_connections=False)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Failures of redis-py in hotrow's words."""
        try:
            yield
        except (RedisError, OSError) as error:
            raise said_by(self.address, error) from None

    def _run(
        self, commands: Sequence[Command], tries: Sequence[_Try], outcomes: list[Any], until_s: float
    ) -> list[_Try]:
        """Send what is to be tried; returns what is to be tried next."""
        replies = self._sent(commands, tries)
        following: list[_Try] = []
        for one, (node, reply) in zip(tries, replies, strict=True):
            if isinstance(reply, _LOST):
                self.topology.doubt()
            after = self._next(one, reply, node)
            if after is None or (isinstance(reply, TryAgainError) and clock.monotonic_s() >= until_s):
                outcomes[one.place] = self._outcome(reply, commands[one.place])
            elif after.hops > _MOST_REDIRECTIONS:
                outcomes[one.place] = away(self.address, "it redirects without end")
            else:
                following.append(after)
        if following and any(isinstance(reply, TryAgainError) for _, reply in replies):
            clock.sleep_s(_PAUSE_S)
        return following

    def _sent(self, commands: Sequence[Command], tries: Sequence[_Try]) -> list[tuple[str, Any]]:
        """Which node each was sent to, and its reply or what was raised for it."""
        homes = self.topology.owners([commands[one.place].slot for one in tries])
        nodes = [one.node or home for one, home in zip(tries, homes, strict=True)]
        groups: dict[str, list[Sequence[Word]]] = {}
        for one, node in zip(tries, nodes, strict=True):
            groups.setdefault(node, []).extend(_words(commands[one.place], one))
        replies = {node: iter(found) for node, found in self._exchange(groups).items()}
        found = []
        for one, node in zip(tries, nodes, strict=True):
            if one.asking:
                next(replies[node])
            found.append((node, next(replies[node])))
        return found

    def _exchange(self, groups: dict[str, list[Sequence[Word]]]) -> dict[str, list[Any]]:
        """The replies of each node to its commands, or what was raised for them."""
        replies: dict[str, list[Any]] = {}
        under_way: list[tuple[str, redis.ConnectionPool, Any]] = []
        try:
            for node, commands in groups.items():
                try:
                    pool = self._pool(node)
                    connection: Any = pool.get_connection()
                    under_way.append((node, pool, connection))
                    connection.send_packed_command(packed(commands))
                except (RedisError, OSError) as error:
                    replies[node] = [error] * len(commands)
            for node, _, connection in under_way:
                if node not in replies:
                    replies[node] = _received(connection, len(groups[node]))
        except BaseException:
            for _, _, connection in under_way:
                connection.disconnect()  # or the next command would get the replies that are still to come
            raise
        finally:
            for node, pool, connection in under_way:
                self._release(node, pool, connection)
        return replies

    def _release(self, node: str, pool: redis.ConnectionPool, connection: Any) -> None:
        with self._lock:
            left = self._pools.get(node) is not pool
        if left:
            connection.disconnect()
        pool.release(connection)

    def _next(self, one: _Try, reply: Any, node: str) -> _Try | None:
        """How to try again what was not carried out; None: not at all."""
        if isinstance(reply, AskError):  # MOVED is one, too
            target = self.topology.redirected(f"{reply.host}:{reply.port}", node)
            moved = isinstance(reply, MovedError)  # to where the cluster is asked then, if that is not known
            return one._replace(node=target or None, asking=not moved, hops=one.hops + 1) if target or moved else None
        if isinstance(reply, NoScriptError) and not one.with_text:
            return one._replace(with_text=True)
        return _Try(one.place) if isinstance(reply, TryAgainError) else None

    def _outcome(self, reply: Any, command: Command) -> Any:
        if isinstance(reply, AskError):
            return away(self.address, NAMELESS)
        if isinstance(reply, Exception):
            return said_by(self.address, reply)
        name = "" if command.script else str(command.words[0])
        return self._callbacks[name](reply) if name in self._callbacks else reply

    def _pool(self, node: str) -> redis.ConnectionPool:
        if not node:
            raise RedisConnectionError("no node has its slot")
        with self._lock:
            pool = self._pools.get(node)
            if pool is None:
                pool = self._pools[node] = self.topology.pool(node, socket_timeout=self._timeout_s)
            return pool


class ClusterNode(NamedTuple):
    """One primary, for commands without a key. Those that have one go where that is."""

    client: ClusterClient
    name: str

    def ask(self, *words: Word) -> Any:
        """The node's reply."""
        return self.client.ask_node(self.name, *words)

    def ask_all(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """As `ClusterClient.ask_all`."""
        return self.client.ask_all(commands)


def _command(words: Sequence[Word]) -> Command:
    key = words[1]
    return Command(slot_of(key if isinstance(key, bytes) else str(key).encode()), words)


def _words(command: Command, one: _Try) -> list[Sequence[Word]]:
    """The command as it is sent, behind an ASKING where it is asked to."""
    words = command.words
    if command.script is not None:
        name = ("EVAL", command.script.text) if one.with_text else ("EVALSHA", command.script.sha)
        words = [*name, *words]
    return [("ASKING",), words] if one.asking else [words]


def _received(connection: Any, count: int) -> list[Any]:
    replies: list[Any] = []
    while len(replies) < count:
        try:
            replies.append(connection.read_response())
        except ResponseError as error:
            replies.append(error)
        except (RedisError, OSError) as error:  # nothing more will come
            replies += [error] * (count - len(replies))
    return replies


def _value(outcome: Any) -> Any:
    if isinstance(outcome, HotrowError):
        raise outcome
    return outcome
