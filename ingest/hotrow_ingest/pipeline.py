"""The way of a push: find its plan, encode and check its rows, and hand them to the batcher."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from hotrow import clock, log
from hotrow.codec.logged import describe_view
from hotrow.codec.pushed import NO_LIMIT, EncodedRows, RowPlan, Times, no_rows, plan_rows, rows_from_request
from hotrow.codec.token import Token
from hotrow.codec.wire import Scanned, Shape, bits, parse_message, scan_request
from hotrow.errors import Code, HotrowError, invalid, not_found, other_project
from hotrow.registry.derived import LARGEST_KEY_BYTES, Derived
from hotrow.registry.served import ServedSet
from hotrow.registry.snapshot import Snapshot
from hotrow.rpc.call import Call
from hotrow.schema.view import FeatureView
from hotrow.stores.maintenance import kept_us
from hotrow.stores.port import SKIPPED_STALE, VERSION, WRITTEN, Mark, OnlineStore, Written, read_rows
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest
from hotrow.v1.push_pb2 import DELETE, OFFLINE, ONLINE, UPSERT, Destination, PushFeaturesReply, PushFeaturesRequest

from hotrow_ingest.answer import (
    Draft,
    draft,
    filled,
    materialize_reply,
    push_reply,
    reply_from_note,
    transform_errors,
)
from hotrow_ingest.batcher import Batcher, Pending
from hotrow_ingest.extended import ROWS, Raised, RequestTransforms, push_transforms

EVENT_TIME, CREATED_TIME, REQUEST_ID, WATERMARK = 5, 6, 8, 12
PUSH = Shape(PushFeaturesRequest, columns=bits(ROWS), volatile=bits(EVENT_TIME, REQUEST_ID))
MATERIALIZE = Shape(
    MaterializeRowsRequest, columns=bits(ROWS), volatile=bits(EVENT_TIME, CREATED_TIME), fixed=bits(WATERMARK)
)
MAX_REQUEST_ID_BYTES = 256

_log = log.logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a batch goes and how: everything about it that its rows do not say.

    `transforms` are those that run now; `rest` is what every reply says, serialized; `scope` is that of request ids.
    `logged` describes the view in the log of pushed rows, None for rows that do not go there; `online` says whether
    they go to the store, which may need them for `kept_us`.
    """

    snapshot: str
    rest: bytes
    view_id: bytes
    rows: RowPlan
    scope: bytes
    atomic: bool
    dry_run: bool
    transforms: RequestTransforms | None
    online: bool
    logged: bytes | None
    kept_us: int | None


class Pipeline:
    """Serves pushes. Thread-safe; `max_future_us` bounds how far ahead of the clock an event time may lie."""

    def __init__(
        self, store: OnlineStore, served: ServedSet[Snapshot], batcher: Batcher, *, project: str, max_future_us: int
    ) -> None:
        self._store = store
        self._served = served
        self._batcher = batcher
        self._project = project
        self._max_future_us = max_future_us
        self._targets: Derived[Target] = Derived(served)

    def push_features(self, request: bytes, call: Call) -> None:
        """`hotrow.v1.FeatureIngest/PushFeatures`; answered when the rows are durable."""
        timer = call.timer
        scanned = scan_request(request, PUSH)
        if timer is not None:
            timer.ended("parse")
        target = self._target(scanned, PUSH)
        if timer is not None:
            timer.ended("plan")
        payload = scanned.data
        raised: Sequence[Raised] = ()
        if target.transforms is not None:
            extended = target.transforms.extended(scanned)
            scanned, raised = scan_request(extended.data, PUSH), extended.raised
            if timer is not None:
                timer.ended("transform")
        now_us = clock.now_us()
        encoded = rows_from_request(target.rows, scanned, Times(now_us, now_us + self._max_future_us))
        keys = encoded.keys()
        drafted = self._draft(target, encoded, keys)
        if raised:
            drafted = drafted._replace(raised=transform_errors(raised))
        mark = self._mark(scanned, payload, target, drafted, call)
        if timer is not None:
            timer.ended("encode")
        if target.dry_run:
            outcomes = self._compare(target, encoded.stamped(now_us), keys, drafted)
            if timer is not None:
                timer.ended("compare")
            _reply(call, push_reply(filled(drafted.results, outcomes), _rest(drafted, target), None))
        elif drafted.rejections and drafted.all_rejected():
            _reply(call, push_reply(drafted.results, _rest(drafted, target), self._token(self._store.sequence())))
        else:
            pending = Pending(
                view_id=target.view_id,
                keys=_chosen(keys, drafted),
                encoded=encoded,
                done=lambda outcome: self._answer(outcome, target, drafted, call),
                chosen=drafted.chosen,
                mark=mark,
                timer=timer,
                logged=target.logged,
                kept_us=target.kept_us,
            )
            self._batcher.submit(pending, call.put_off)

    def materialize_rows(self, request: bytes, call: Call) -> None:
        """`hotrow.v1.FeatureIngest/MaterializeRows`: rows of a source, with created times of their own."""
        scanned = scan_request(request, MATERIALIZE)
        target = self._target(scanned, MATERIALIZE)
        raised: Sequence[Raised] = ()
        if target.transforms is not None and scanned.has_group(ROWS):
            extended = target.transforms.extended(scanned)
            scanned, raised = scan_request(extended.data, MATERIALIZE), extended.raised
        times = Times(clock.now_us(), NO_LIMIT, with_created=True)
        # A request without columns carries a watermark alone: the source was read to its end, and nothing is left.
        has_rows = scanned.has_group(ROWS) or scanned.field(EVENT_TIME)[1] > 0
        encoded = rows_from_request(target.rows, scanned, times) if has_rows else no_rows()
        block = encoded.block() is not None
        keys = [] if block else encoded.keys()
        drafted = draft(encoded, keys, target.rows.expected)
        if raised:
            drafted = drafted._replace(raised=transform_errors(raised))
        if target.dry_run:
            outcomes = self._compare(target, encoded, keys or encoded.keys(), drafted)
            call.reply(materialize_reply(filled(drafted.results, outcomes), drafted))
            return
        at, length = scanned.field(WATERMARK)
        watermark_us = int.from_bytes(scanned.data[at : at + length], "little", signed=True) if length else None

        def done(outcome: Written | HotrowError) -> None:
            if isinstance(outcome, HotrowError):
                _fail(call, outcome)
            else:
                call.reply(materialize_reply(filled(drafted.results, outcome.outcomes), drafted))

        self._batcher.submit(
            Pending(
                view_id=target.view_id,
                keys=None if block else _chosen(keys, drafted),
                encoded=encoded,
                done=done,
                chosen=drafted.chosen,
                created_at_commit=False,
                watermark_us=watermark_us,
                kept_us=target.kept_us,
            )
        )

    def _draft(self, target: Target, encoded: EncodedRows, keys: list[bytes]) -> Draft:
        drafted = draft(encoded, keys, target.rows.expected)
        if target.atomic and drafted.rejections:
            first = drafted.rejections[0]
            reason = f"row {first.row}: {first.field}: {first.reason} (atomic: no row was written)"
            raise invalid(reason, field=first.field)
        if target.atomic and not self._store.atomic_across_entities and len(set(keys)) > 1:
            raise invalid(
                f"atomic: rows of {len(set(keys))} entities cannot be written all or none, for the online store is "
                "spread over several servers; push each entity by itself, or leave atomic out",
                field="atomic",
            )
        return drafted if target.online else drafted.offline()

    def _answer(self, outcome: Written | HotrowError, target: Target, drafted: Draft, call: Call) -> None:
        if call.timer is not None:
            call.timer.ended("commit")
        if isinstance(outcome, HotrowError):
            _fail(call, outcome)
            return
        if outcome.conflict:
            call.fail(invalid("request_id was used for another payload; use a new one", field="request_id"))
            return
        token = self._token(outcome.sequence)
        if outcome.replayed:
            reply = reply_from_note(outcome.note, outcome.outcomes, token)
        else:
            reply = push_reply(filled(drafted.results, outcome.outcomes), _rest(drafted, target), token)
        _reply(call, reply)

    def _compare(self, target: Target, encoded: EncodedRows, keys: list[bytes], drafted: Draft) -> bytes:
        """The outcomes that a write would have now."""
        rows = encoded.rows()
        chosen = range(len(rows)) if drafted.chosen is None else drafted.chosen
        stored = read_rows(self._store, [target.view_id], [_chosen(keys, drafted)])
        return bytes(
            WRITTEN if rows[row][VERSION] > held[VERSION] else SKIPPED_STALE
            for row, held in zip(chosen, stored, strict=True)
        )

    def _mark(self, request: Scanned, sent: bytes, target: Target, drafted: Draft, call: Call) -> Mark | None:
        at, length = request.field(REQUEST_ID)
        if not length:
            return None
        if length > MAX_REQUEST_ID_BYTES:
            raise invalid(f"request_id is longer than {MAX_REQUEST_ID_BYTES} bytes", field="request_id")
        request_id = request.data[at : at + length]
        if request_id.decode("utf-8", "replace").encode() != request_id:
            raise invalid("request_id is not UTF-8", field="request_id")
        scope = hashlib.blake2b(target.scope + call.caller.encode() + b"\0" + request_id, digest_size=16)
        payload = hashlib.blake2b(sent, digest_size=16)
        return Mark(scope.digest(), payload.digest(), drafted.to_note(_rest(drafted, target)))

    def _token(self, sequence: int) -> Token:
        return Token(self._store.id, self._store.epoch, sequence)

    def _target(self, request: Scanned, shape: Shape) -> Target:
        selection = request.selection
        if len(selection) > LARGEST_KEY_BYTES:
            return self._compile(selection, shape)
        return self._targets.get((shape, selection), self._compile, selection, shape)

    def _compile(self, selection: bytes, shape: Shape) -> Target:
        request = parse_message(shape.message, selection)
        assert isinstance(request, PushFeaturesRequest | MaterializeRowsRequest)  # noqa: S101 - the shapes above
        if request.project not in ("", self._project):
            raise other_project(request.project, self._project)
        snapshot = self._served.get(request.snapshot)
        push = request if isinstance(request, PushFeaturesRequest) else PushFeaturesRequest()
        view, target = _view(snapshot, request)
        if push.to not in Destination.values():
            raise invalid(f"to {push.to} is not known; send ONLINE, OFFLINE or BOTH", field="to")
        if request.op not in (UPSERT, DELETE):
            raise invalid(f"op {request.op} is not known; send UPSERT or DELETE", field="op")
        view_id, stored = snapshot.view_id(view.name), snapshot.stored_views[view.name]
        return Target(
            snapshot=snapshot.id,
            rest=PushFeaturesReply(snapshot=snapshot.id).SerializeToString(),
            view_id=view_id,
            rows=plan_rows(stored, ROWS, delete=request.op == DELETE, view_id=view_id),
            scope=f"{self._project}\0{target}\0".encode(),
            atomic=push.atomic,
            dry_run=request.dry_run,
            transforms=push_transforms(snapshot, view) if request.op != DELETE else None,
            online=push.to != OFFLINE,
            logged=describe_view(stored) if push.to != ONLINE else None,
            kept_us=kept_us(self._served.compiled(), view),
        )


def _view(snapshot: Snapshot, request: PushFeaturesRequest | MaterializeRowsRequest) -> tuple[FeatureView, str]:
    """The view that a request names, and the name of what it names."""
    if isinstance(request, PushFeaturesRequest) and request.push_source:
        source = snapshot.push_sources.get(request.push_source)
        if source is None:
            raise not_found("push source", request.push_source, snapshot.push_sources, field="push_source")
        return source.view, f"push_source:{source.name}"
    if not request.view:
        raise invalid("no target is named; name a push_source or a view", field="view")
    view = snapshot.stored_view(request.view, field="view")
    return view, f"view:{view.name}"


def _reply(call: Call, message: bytes) -> None:
    timer = call.timer
    if timer is None:
        call.reply(message)
    else:
        timer.ended("reply")
        call.reply(message, timer.trailers())


def _fail(call: Call, error: HotrowError) -> None:
    """Answer with the error of a commit; an unforeseen one names the request, and so does the log, by the cause."""
    if error.code is Code.INTERNAL:
        _log.error("a push was not committed", method=call.method, request_id=call.request_id)
        error = HotrowError(Code.INTERNAL, f"{error.message}; request id {call.request_id}")
    call.fail(error)


def _chosen(keys: list[bytes], drafted: Draft) -> list[bytes]:
    return keys if drafted.chosen is None else [keys[row] for row in drafted.chosen]


def _rest(drafted: Draft, target: Target) -> bytes:
    if not (drafted.rejections or drafted.raised):
        return target.rest
    return PushFeaturesReply(
        rejections=drafted.rejections, snapshot=target.snapshot, transform_errors=drafted.raised
    ).SerializeToString()
