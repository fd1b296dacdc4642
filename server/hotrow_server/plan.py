"""Read plans: everything about a read that does not depend on its entities, made once for a selection."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hotrow.codec.entity import KeyPlan, plan_keys
from hotrow.codec.layout import RowLayout, layout_from_schema
from hotrow.codec.lookup import Wanted, wanted_views
from hotrow.codec.pushed import RowPlan, plan_rows
from hotrow.codec.response_plan import (
    MATRIX_KINDS,
    NOTHING_COMPUTED,
    Computed,
    ReplyShape,
    ResponsePlan,
    ViewColumns,
    plan_response,
    view_columns,
)
from hotrow.errors import Code, HotrowError, invalid, not_found
from hotrow.registry.needed import Needed, needed_columns
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.selected import all_join_keys, column_names, reference_from_text
from hotrow.schema.service import FeatureRef
from hotrow.schema.view import FeatureView
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest, ReadOptions

from hotrow_server.signature import FindSigned, check_signature, unknown

ENTITIES, REQUEST_DATA, MIN_TOKEN = 4, 5, 8
"""Fields of a GetOnlineFeaturesRequest."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A selection, compiled: what to make keys of, what to ask the store for, and what to make of its rows.

    `sent` is what becomes of request_data: rows like those of a view; None where no transform takes any.
    """

    views: tuple[FeatureView, ...]
    keys: KeyPlan
    wanted: Wanted
    columns: tuple[ViewColumns, ...]
    shape: ReplyShape
    computed: Computed
    sent: RowPlan | None
    response: ResponsePlan


@dataclass(frozen=True, slots=True)
class CompiledSnapshot:
    """A snapshot that is served; its plans are made as requests come."""

    snapshot: Snapshot


def compile_snapshot(snapshot: Snapshot) -> CompiledSnapshot:
    """Check that every feature service of the snapshot can be served, and that transforms compute what they must.

    Raises HotrowError for one that cannot.
    """
    if snapshot.transforms:
        from hotrow.transforms.certificate import verify  # noqa: PLC0415 - loads the compiler

        verify(snapshot.transforms.values())
    for name in snapshot.services:
        plan_read(snapshot, GetOnlineFeaturesRequest(feature_service=name, options=ReadOptions(full_names=True)))
    for view in snapshot.read_views.values():
        names = FeatureNames(names=[f"{view.name}:{field.name}" for field in view.fields])
        plan_read(snapshot, GetOnlineFeaturesRequest(features=names))
    for transform in snapshot.transforms.values():
        names = FeatureNames(names=[f"{transform.name}:{field.name}" for field in transform.fields])
        plan_read(snapshot, GetOnlineFeaturesRequest(features=names))
    return CompiledSnapshot(snapshot)


def plan_read(snapshot: Snapshot, request: GetOnlineFeaturesRequest, find_signed: FindSigned = unknown) -> ReadPlan:
    """The plan of what `request` selects; its entities are not looked at.

    Raises NOT_FOUND for unknown names, INVALID for a selection that is wrong in itself, FAILED_PRECONDITION for a
    signature that is not that of the features.
    """
    features = _features(snapshot, request)
    check_signature(snapshot, features, request.signature, find_signed)
    names = column_names(
        features,
        full_names=request.options.full_names,
        remedy="set options.full_names",
        field="options.full_names",
    )
    needed = needed_columns(snapshot, features, stored=True)
    views = tuple(snapshot.stored_read_views[name] for name in needed.of_views)
    shape = ReplyShape(
        names, snapshot.id, event_timestamps=request.options.event_timestamps, matrix=request.options.matrix
    )
    if shape.matrix:
        _check_matrix(snapshot, features)
    columns = tuple(view_columns(view, needed.of_views[view.name]) for view in views)
    sent = _sent_view(needed)
    if sent is not None:
        columns = (*columns, view_columns(sent, needed.of_request))
    computed = _computed(needed)
    sets = tuple(dict.fromkeys(view.join_keys for view in views))
    return ReadPlan(
        views=views,
        keys=plan_keys(all_join_keys(views, remedy="read them in two requests", field="features"), sets),
        wanted=wanted_views(
            [snapshot.view_id(view.name) for view in views], [sets.index(view.join_keys) for view in views]
        ),
        columns=columns,
        shape=shape,
        computed=computed,
        sent=None if sent is None else plan_rows(sent, REQUEST_DATA, delete=False, where="request_data"),
        response=plan_response(columns, shape, computed),
    )


def with_layout(plan: ReadPlan, view: int, fingerprint: bytes, schemas: Mapping[bytes, bytes]) -> ReadPlan:
    """The plan, able to decode rows of one more schema of a view, of those that the store keeps.

    Raises DATA_LOSS when the store does not know the schema, FAILED_PRECONDITION when a type or unit of a wanted
    feature differs there: such a row must be written again, and never read as something else.
    """
    name = plan.views[view].stored_as.name
    schema = schemas.get(fingerprint)
    if schema is None:
        raise HotrowError(
            Code.DATA_LOSS,
            f"view {name!r} has rows of schema {fingerprint.hex()}, which the store does not know; materialize it "
            "again",
        )
    layout = layout_from_schema(schema, fingerprint)
    _check_layout(name, plan.columns[view], layout)
    wider = replace(plan.columns[view], layouts=(*plan.columns[view].layouts, layout))
    columns = (*plan.columns[:view], wider, *plan.columns[view + 1 :])
    return replace(plan, columns=columns, response=plan_response(columns, plan.shape, plan.computed))


def _check_layout(name: str, view: ViewColumns, layout: RowLayout) -> None:
    for field in view.fields:
        slot = layout.slots.get(field.name)
        if slot is not None and (slot.type, slot.unit) != (field.type, field.unit):
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"view {name!r}: stored rows have {field.name!r} as {slot.type} {slot.unit!r}, and the view "
                f"declares {field.type} {field.unit!r}; apply it with --replace {name}, or under a new name, and "
                "materialize it",
                field=field.name,
            )


def _features(snapshot: Snapshot, request: GetOnlineFeaturesRequest) -> tuple[FeatureRef, ...]:
    which = request.WhichOneof("selection")
    if which == "feature_service":
        service = snapshot.services.get(request.feature_service)
        if service is None:
            raise not_found("feature service", request.feature_service, snapshot.services, field="feature_service")
        return service.features
    if which is None or not request.features.names:
        raise invalid('nothing is selected; name features ("view:feature") or a feature_service', field="features")
    # Each name is looked up once: a request can repeat one millions of times, and would hold up the others for seconds.
    features = tuple(_feature(snapshot, name) for name in dict.fromkeys(request.features.names))
    if len(features) < len(request.features.names):
        name, times = Counter(request.features.names).most_common(1)[0]
        raise invalid(f"feature {name!r} is asked {times} times; ask it once", field="features.names")
    return features


def _feature(snapshot: Snapshot, name: str) -> FeatureRef:
    reference = reference_from_text(name, field="features.names")
    view = snapshot.read_views.get(reference.view) or snapshot.transforms.get(reference.view)
    if view is None:
        known_names = [*snapshot.read_views, *snapshot.transforms]
        raise not_found("feature view or transform", reference.view, known_names, field="features.names")
    known = [field.name for field in view.fields]
    if reference.feature not in known:
        raise not_found("feature", name, [f"{view.name}:{one}" for one in known], field="features.names")
    return reference


def _check_matrix(snapshot: Snapshot, features: Sequence[FeatureRef]) -> None:
    for reference in features:
        type_ = snapshot.feature(reference).type
        if type_.kind not in MATRIX_KINDS:
            raise invalid(f"'{reference}' is {type_}, and a matrix holds numbers; leave it out", field="options.matrix")


def _sent_view(needed: Needed) -> FeatureView | None:
    """What callers send, as a view: so request data are checked, and decoded, as pushed rows are."""
    fields = [field for _, field in needed.of_request]
    return FeatureView("request_data", schema=fields) if fields else None


def _computed(needed: Needed) -> Computed:
    if not needed.transforms:
        return NOTHING_COMPUTED
    from hotrow.transforms.program import plan_program  # noqa: PLC0415 - loads the compiler, for transforms alone

    program = plan_program(needed.transforms, needed.column_of)
    return Computed(needed.outputs, program, sent=bool(needed.of_request))
