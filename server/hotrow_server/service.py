"""The reads of the feature server: `GetOnlineFeatures`, in two halves around the store, and `GetServerInfo`."""

import dataclasses
from dataclasses import dataclass

from hotrow import clock
from hotrow.codec.entity import keys_from_request
from hotrow.codec.key import decode_key
from hotrow.codec.lookup import Keys, Rows
from hotrow.codec.response import NOTHING_SENT, RowFaultError, Sent, transformed, write_cells, write_response
from hotrow.codec.response_plan import ResponsePlan
from hotrow.codec.row import FAULTS
from hotrow.codec.token import decode_token
from hotrow.codec.wire import Scanned, Shape, bits, parse_message, scan_request
from hotrow.errors import Code, HotrowError, invalid, other_project
from hotrow.registry.derived import LARGEST_KEY_BYTES, Derived
from hotrow.registry.served import ServedSet
from hotrow.registry.signature import Signed
from hotrow.rpc.call import Call
from hotrow.rpc.timing import StageTimer
from hotrow.stores.port import LateReads, OnlineStore
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesRequest, GetServerInfoReply, ServedSnapshot

from hotrow_server.late import answer_late
from hotrow_server.plan import ENTITIES, MIN_TOKEN, REQUEST_DATA, CompiledSnapshot, ReadPlan, plan_read, with_layout
from hotrow_server.sent import sent_rows
from hotrow_server.signature import FindSigned, readable, unknown
from hotrow_server.wait import SequenceWaiter

READ = Shape(GetOnlineFeaturesRequest, columns=bits(ENTITIES, REQUEST_DATA), volatile=bits(MIN_TOKEN))
MAX_VALUES = 1 << 24  # of one read: each takes 40 bytes while the reply is made
_FINGERPRINT = slice(8, 16)


@dataclass(frozen=True, slots=True)
class About:
    """What `GetServerInfo` tells beside the snapshots. `lane` is "on", or "off" and why; `worker` is a process id."""

    version: str
    project: str
    store_type: str
    lane: str
    worker: int
    started_us: int


@dataclass(slots=True)
class Read:
    """A request between its two halves: what to ask the store for, and what to make of it. Not to be changed."""

    selection: bytes
    plan: ReadPlan
    keys: Keys
    sent: Sent = NOTHING_SENT
    timer: StageTimer | None = None


class ReadService:
    """Serves reads from a store. `served` are the snapshots; plans are kept for one generation of them.

    `find_signed` tells what a signature stands for, to readers who state another than the features have.
    """

    def __init__(
        self,
        store: OnlineStore,
        served: ServedSet[CompiledSnapshot],
        about: About,
        find_signed: FindSigned = unknown,
    ) -> None:
        self._store = store
        self._late = store if isinstance(store, LateReads) else None
        self._served = served
        self._about = about
        self._plans: Derived[ReadPlan] = Derived(served)
        self._find_signed = readable(find_signed)
        self._signed: Derived[Signed] = Derived(served)
        self._waiter = SequenceWaiter(store)

    def set_lane(self, lane: str) -> None:
        """Say how calls come in, which a listener knows once it serves the methods of this service."""
        self._about = dataclasses.replace(self._about, lane=lane)

    def get_online_features(self, request: bytes, call: Call) -> None:
        """`hotrow.v1.FeatureServer/GetOnlineFeatures`."""
        timer = call.timer
        scanned = scan_request(request, READ)
        if timer is not None:
            timer.ended("parse")
        read = self.begin(scanned)
        read.timer = timer
        if timer is not None:
            timer.ended("plan")
        token = scanned.bytes_field(MIN_TOKEN)
        if token:
            wanted = decode_token(token, store_id=self._store.id, epoch=self._store.epoch)
            if self._late is not None:
                self._late.sequence_later(
                    lambda found: answer_late(call, lambda: self._answer_at(read, call, wanted.sequence, found)),
                    call.put_off,
                )
                return
            self._answer_at(read, call, wanted.sequence, self._store.sequence())
            return
        self._answer(read, call)

    def get_server_info(self, _request: bytes, call: Call) -> None:
        """`hotrow.v1.FeatureServer/GetServerInfo`."""
        about = self._about
        reply = GetServerInfoReply(
            version=about.version,
            project=about.project,
            snapshot=self._served.head_id or "",
            served=[ServedSnapshot(id=snapshot, names=names) for snapshot, names in self._served.listing()],
            store_type=about.store_type,
            store_id=self._store.id,
            lane=about.lane,
            worker=about.worker,
            started_us=about.started_us,
        )
        call.reply(reply.SerializeToString())

    def begin(self, request: Scanned) -> Read:
        """Find the plan and encode the keys; raises HotrowError for a request that cannot be answered."""
        selection = request.selection
        if len(selection) > LARGEST_KEY_BYTES:
            plan = self._compile(selection)
        else:
            plan = self._plans.get(selection, self._compile, selection)
        if request.rows * plan.response.n_columns > MAX_VALUES:
            raise invalid(
                f"{request.rows} rows of {plan.response.n_columns} features are more than {MAX_VALUES} values; "
                "read them in several requests",
                field="entities",
            )
        keys = keys_from_request(plan.keys, request, ENTITIES)
        if plan.sent is not None:
            return Read(selection, plan, *sent_rows(plan, plan.sent, request, keys))
        if request.has_group(REQUEST_DATA):
            raise invalid("no transform of these features takes request_data; leave it out", field="request_data")
        return Read(selection, plan, keys)

    def finish(self, read: Read, rows: Rows) -> bytes:
        """The reply to a read, from the rows that the store gave; raises DATA_LOSS for a row nobody can decode."""
        plan = read.plan
        while True:
            try:
                return self._reply(plan.response, read, rows)
            except RowFaultError as fault:
                row = rows.one(fault.view * read.keys.n + fault.row)
                if not fault.unknown_schema:
                    raise self._undecodable(read, fault) from None
                wider = with_layout(plan, fault.view, row[_FINGERPRINT], self._store.schemas())
                self._plans.improve(read.selection, plan, wider)
                plan = wider

    def _reply(self, plan: ResponsePlan, read: Read, rows: Rows) -> bytes:
        n, timer = read.keys.n, read.timer
        if plan.transforms is None:
            return write_response(plan, rows, n, clock.now_us())
        cells = transformed(plan, rows, read.sent, n, clock.now_us())
        if timer is not None:
            timer.ended("transform")
        return write_cells(plan, rows, read.sent, cells, n)

    def _answer_at(self, read: Read, call: Call, sequence: int, found: int | HotrowError) -> None:
        """Once the store shows the commit that the caller names; `found` is what it shows now."""
        if isinstance(found, HotrowError):
            call.fail(found)
        elif found < sequence:
            self._waiter.when_visible(sequence, call, lambda: self._answer_waited(read, call))
        else:
            self._answer(read, call)

    def _answer_waited(self, read: Read, call: Call) -> None:
        if read.timer is not None:
            read.timer.ended("wait")
        self._answer(read, call)

    def _answer(self, read: Read, call: Call) -> None:
        late = self._late
        if late is None:
            self._answer_rows(read, call, self._store.read(read.plan.wanted, read.keys))
        else:
            late.read_later(
                read.plan.wanted,
                read.keys,
                lambda outcome: answer_late(call, lambda: self._answer_outcome(read, call, outcome)),
                call.put_off,
            )

    def _answer_outcome(self, read: Read, call: Call, outcome: Rows | HotrowError) -> None:
        """On the store's thread, or on that of the calls."""
        if isinstance(outcome, HotrowError):
            call.fail(outcome)
        elif not call.cancelled():
            self._answer_rows(read, call, outcome)

    def _answer_rows(self, read: Read, call: Call, rows: Rows) -> None:
        timer = read.timer
        if timer is None:
            call.reply(self.finish(read, rows))
            return
        timer.ended("store")
        reply = self.finish(read, rows)
        timer.ended("reply")  # decode and encode: one kernel does both
        call.reply(reply, timer.trailers())

    def _compile(self, selection: bytes) -> ReadPlan:
        request = parse_message(GetOnlineFeaturesRequest, selection)
        if request.project not in ("", self._about.project):
            raise other_project(request.project, self._about.project)
        return plan_read(self._served.get(request.snapshot).snapshot, request, self._signed_features)

    def _signed_features(self, signature: str) -> Signed:
        """Kept, because a reader that is refused often comes again at once, and the registry may be far away."""
        return self._signed.get(signature, self._find_signed, signature)

    def _undecodable(self, read: Read, fault: RowFaultError) -> HotrowError:
        view = read.plan.views[fault.view].stored_as
        key = decode_key(read.keys.one(read.plan.wanted.sets[fault.view], fault.row), view.join_keys)
        named = ", ".join(f"{name}={value!r}" for name, value in key.items()) or "its only row"
        return HotrowError(
            Code.DATA_LOSS,
            f"the stored row of view {view.name!r} for {named} cannot be decoded: {FAULTS[fault.code]}; "
            "write it again, and run `hotrow store verify`",
        )
