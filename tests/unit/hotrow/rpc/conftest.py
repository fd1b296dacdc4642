"""A listener with small methods on it, and raw bytes in and out: what the tests of this folder share."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import grpc
import pytest
from hotrow.clock import monotonic_s, sleep_s
from hotrow.errors import Code, HotrowError
from hotrow.rpc.call import Call, Handler
from hotrow.rpc.gate import Gate
from hotrow.rpc.listener import Endpoint, Listener, ListenerOptions, serve
from hotrow.rpc.metadata import Metadata
from hotrow.rpc.timing import StageTimer
from support.pki import Pki, make_pki

SERVICE = "/hotrow.test.Echo/"
Unary = grpc.UnaryUnaryMultiCallable


@dataclass
class Methods:
    """Handlers that answer in every way there is; `held` are the calls whose answer a test gives itself."""

    held: list[Call] = field(default_factory=list)
    seen: list[Call] = field(default_factory=list)

    def echo(self, request: bytes, call: Call) -> None:
        self.seen.append(call)
        call.reply(b"re:" + request, (("server-timing", "a;dur=1"), ("echo-bin", request[:8])))

    def late(self, request: bytes, call: Call) -> None:
        threading.Timer(0.03, lambda: call.reply(b"late:" + request, (("late", "yes"),))).start()

    def late_fail(self, _request: bytes, call: Call) -> None:
        threading.Timer(0.03, lambda: call.fail(HotrowError(Code.UNAVAILABLE, "later", retry_after_s=2.5))).start()

    def refuse(self, request: bytes, _call: Call) -> None:
        raise HotrowError(Code[request.decode()], "refused: näme", field="rows.x", retry_after_s=0.25)

    def plain(self, _request: bytes, _call: Call) -> None:
        raise HotrowError(Code.NOT_FOUND, "no such view")

    def crash(self, _request: bytes, _call: Call) -> None:
        raise ZeroDivisionError("the password is 1234")

    def twice(self, request: bytes, call: Call) -> None:
        call.reply(request)
        call.reply(b"again")
        call.fail(HotrowError(Code.INVALID, "and again"))
        raise RuntimeError("after the answer")

    def hold(self, _request: bytes, call: Call) -> None:
        self.held.append(call)

    def bad_trailer(self, request: bytes, call: Call) -> None:
        call.reply(request, (("Not Allowed", "x"),))

    def by_path(self) -> dict[str, Handler]:
        names = ("echo", "late", "late_fail", "refuse", "plain", "crash", "twice", "hold", "bad_trailer")
        return {SERVICE + name: getattr(self, name) for name in names}


@dataclass
class Serving:
    """A listener that serves `methods` and a channel to it."""

    listener: Listener
    gate: Gate
    methods: Methods
    channel: grpc.Channel

    def unary(self, name: str) -> Unary:
        return self.channel.unary_unary(SERVICE + name, None, None)


@dataclass(frozen=True)
class Outcome:
    """All that a caller sees of a call."""

    reply: bytes | None
    code: grpc.StatusCode
    details: str | None
    trailers: tuple[tuple[str, str | bytes], ...]


def outcome(method: Unary, request: bytes, metadata: Metadata = ()) -> Outcome:
    try:
        reply, call = method.with_call(request, timeout=10, metadata=metadata)
    except grpc.RpcError as error:
        return Outcome(None, error.code(), error.details(), trailers(error))
    return Outcome(reply, call.code(), call.details() or "", trailers(call))


def trailers(call: grpc.Call) -> tuple[tuple[str, str | bytes], ...]:
    return tuple((key, value) for key, value in call.trailing_metadata() or ())


@contextmanager
def serving(
    lane: str,
    *,
    gate: Gate | None = None,
    methods: Mapping[str, Handler] | None = None,
    options: Mapping[str, object] | None = None,
) -> Iterator[Serving]:
    gate, own = gate or Gate(), Methods()
    listening = ListenerOptions(lane=lane, **(options or {}))
    listener = serve(Endpoint("127.0.0.1:0"), methods or own.by_path(), gate=gate, options=listening)
    assert (listener.lane == "on") == (lane == "auto"), listener.lane
    arguments = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
    with grpc.insecure_channel(f"127.0.0.1:{listener.port}", arguments) as channel:
        try:
            yield Serving(listener, gate, own, channel)
        finally:
            listener.stop(0)


def wait_until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Fail unless `condition` comes true in time."""
    end_s = monotonic_s() + timeout_s
    while not condition():
        assert monotonic_s() < end_s, "did not come true in time"
        sleep_s(0.005)


class KeptCall:
    """A `Call` of a test's own, which keeps its answer."""

    caller = ""
    peer = "test"
    timer: StageTimer | None = None

    def __init__(
        self, method: str = SERVICE + "echo", *, deadline_s: float = math.inf, gate: Gate | None = None
    ) -> None:
        self.method = method
        self.metadata: Metadata = ()
        self.deadline_s = deadline_s
        self.request_id = "test-1"
        self.answers: list[bytes | HotrowError] = []
        self.trailers: Metadata = ()
        self.answered = threading.Event()
        self._gate = gate

    def cancelled(self) -> bool:
        return False

    def put_off(self, work) -> bool:
        return False

    def reply(self, message: bytes, trailers: Metadata = ()) -> None:
        self.trailers = trailers
        self._set(message)

    def fail(self, error: HotrowError) -> None:
        self._set(error)

    def wait(self) -> bytes | HotrowError:
        assert self.answered.wait(5)
        return self.answers[0]

    def _set(self, answer: bytes | HotrowError) -> None:
        if self._gate is not None and not self._gate.claim(self):
            return
        self.answers.append(answer)
        self.answered.set()


@pytest.fixture(params=["auto", "off"])
def door(request: pytest.FixtureRequest) -> str:
    """The lane's setting: every test with it runs by both doors."""
    return str(request.param)


@pytest.fixture
def served(door: str) -> Iterator[Serving]:
    """The methods above, by one door."""
    with serving(door) as made:
        yield made


@pytest.fixture(name="serving")
def serving_fixture() -> Callable[..., AbstractContextManager[Serving]]:
    return serving


@pytest.fixture(name="outcome")
def outcome_fixture() -> Callable[..., Outcome]:
    return outcome


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def kept_call() -> type[KeptCall]:
    return KeptCall


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates of a test authority and of a stranger."""
    return make_pki(tmp_path_factory.mktemp("pki"))
