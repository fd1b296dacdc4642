"""Bad input to every RPC: the right status, a message that names the field, live processes, an untouched store."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable

import grpc
import pytest
from hotrow.codec.column import encode_column
from hotrow.codec.key import decode_key
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsReply
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest, ReadOptions
from hotrow.v1.push_pb2 import PushFeaturesReply

from .definitions import SNAPSHOT, VIEWS
from .inputs import ANY, NOT_FOUND, OK, REFUSED, Input, Inputs
from .load import INGEST_PUSH, PUSH, READ, dial
from .read_inputs import read_inputs
from .row_inputs import materialize_inputs, push_inputs
from .serving import Repository, Serve, digest

MATERIALIZE = "/hotrow.v1.FeatureIngest/MaterializeRows"
_ROUND = 2000  # inputs, after which the content of the store is looked at
_TIMEOUT_S = 60.0

Start = Callable[..., Serve]


@dataclasses.dataclass(frozen=True)
class Target:
    """An RPC: where it is served, its inputs, and its reply where that tells of rows."""

    path: str
    inputs: Callable[[int], Inputs]
    ingest: bool = False
    reply: type[PushFeaturesReply | MaterializeRowsReply] | None = None


TARGETS = {
    "read": Target(READ, read_inputs),
    "push": Target(PUSH, push_inputs, reply=PushFeaturesReply),
    "ingest-push": Target(INGEST_PUSH, push_inputs, ingest=True, reply=PushFeaturesReply),
    "materialize": Target(MATERIALIZE, materialize_inputs, ingest=True, reply=MaterializeRowsReply),
}


class Fuzz:
    """Sends inputs, one after another, and checks each answer and what it did to the store."""

    def __init__(self, target: Target, call: grpc.UnaryUnaryMultiCallable, store: LmdbStore) -> None:
        self.answers: Counter[str] = Counter()
        self.sent = 0
        self._target = target
        self._call = call
        self._store = store

    def send(self, one: Input) -> None:
        before = self._store.sequence()
        code, message = self._answer(one.data)
        self.sent += 1
        self.answers[code.name] += 1
        about = f"{one.kind}: {code.name} {message[:300]!r} for {one.data[:2000].hex()}"
        assert code in one.codes, about
        if code is not OK:
            assert message, about
            assert len(message) <= 1024, about
        assert one.names in message, about
        if code is not OK:
            assert self._store.sequence() == before, about

    def _answer(self, data: bytes) -> tuple[grpc.StatusCode, str]:
        """The status, the message (of rows that were refused: theirs)."""
        try:
            reply = self._call(data, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            return error.code(), error.details() or ""
        if self._target.reply is None:
            return OK, ""
        told = self._target.reply.FromString(reply)
        return OK, "; ".join(f"{one.field}: {one.reason}" for one in told.rejections)


@pytest.mark.parametrize(
    ("count", "large_rounds"),
    [
        pytest.param(3_000, 1, id="short", marks=pytest.mark.timeout(300)),
        pytest.param(100_000, 10, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
@pytest.mark.parametrize("name", TARGETS)
def test_bad_input_is_refused_and_changes_nothing(
    repository: Repository, serve: Start, name: str, count: int, large_rounds: int
) -> None:
    began = time.monotonic()
    target = TARGETS[name]
    inputs = target.inputs(20_260_000 + count)
    with (repository.path / "hotrow.toml").open("a") as file:
        file.write("[offline_store]\nflush_interval_s = 3600\n")  # what takes rows to the log commits, too, at any time
    running = serve(repository).ready()
    pids = sorted(running.pids())
    settings = repository.settings
    store = repository.open_store()
    with dial(settings.ingest.address if target.ingest else settings.server.address) as channel:
        fuzz = Fuzz(target, channel.unary_unary(target.path, None, None), store)
        for one in (*inputs.good(), *inputs.all_faults()):
            fuzz.send(one)
        for _ in range(large_rounds):
            for one in inputs.large():
                fuzz.send(one)
        while fuzz.sent < count:
            for one in inputs.mixed(min(_ROUND, count - fuzz.sent)):
                fuzz.send(one)
            before = digest(store)
            for _ in range(_ROUND // 10):
                one = inputs.fault()
                if OK not in one.codes:
                    fuzz.send(one)
            assert digest(store) == before
            assert sorted(running.pids()) == pids
    with dial(settings.server.address) as channel:
        rows = read_all(store, channel)
    assert store.verify() == []
    store.close()
    assert set(fuzz.answers) <= {code.name for code in ANY}
    assert "Traceback" not in running.log()
    assert running.stop() == 0
    spent_s = time.monotonic() - began
    print(f"\n{name}: {fuzz.sent} inputs in {spent_s:.0f} s, {rows} rows in the end: {dict(fuzz.answers)}")


def read_all(store: LmdbStore, channel: grpc.Channel) -> int:
    """Read every row that the store holds by its key: whatever was accepted can be served. Returns how many."""
    call = channel.unary_unary(READ, None, None)
    total = 0
    for view in VIEWS:
        names = [f"{view.name}:{field.name}" for field in view.fields]
        keys = [decode_key(row.key, view.join_keys) for row in store.scan(SNAPSHOT.view_id(view.name))]
        total += len(keys)
        for start in range(0, len(keys), 2000):
            part = keys[start : start + 2000]
            request = GetOnlineFeaturesRequest(
                features=FeatureNames(names=names), options=ReadOptions(event_timestamps=True)
            ).SerializeToString()
            for key in view.join_keys:
                column = encode_column(key.name, [row[key.name] for row in part], type=key.type)
                request += b"\x22" + _length(len(column)) + column
            call(request, timeout=_TIMEOUT_S)
    return total


def _length(number: int) -> bytes:
    """As protobuf has it before a message."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def test_what_is_expected_of_inputs_can_fail() -> None:
    """No input allows every status, and those with one thing wrong name one status, or a row to be rejected."""
    for target in TARGETS.values():
        for one in target.inputs(1).all_faults():
            assert one.codes < ANY
            assert one.codes <= REFUSED or OK in one.codes
    assert NOT_FOUND in REFUSED
