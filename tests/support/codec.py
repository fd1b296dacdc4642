"""Drives the codecs as the services do, without services: pushes to rows, entities to keys, rows to replies."""

from hotrow.codec.entity import keys_from_request, plan_keys
from hotrow.codec.layout import layout_from_schema
from hotrow.codec.lookup import rows_from_list
from hotrow.codec.pushed import EncodedRows, Times, plan_rows, rows_from_request
from hotrow.codec.response import write_response
from hotrow.codec.response_plan import ReplyShape, ResponsePlan, ViewColumns, plan_response
from hotrow.codec.wire import Shape, bits, scan_request
from hotrow.schema.view import FeatureView
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesRequest
from reference.reply import Asked, AskedView
from reference.row import encode_row, encode_tombstone, fingerprint

from support.schema import TYPES, join_keys
from support.schema import view as feature_view

NOW_US = 1_700_000_000_000_000
ROWS, ENTITIES = 4, 4
PUSH = Shape(PushFeaturesRequest, columns=bits(ROWS), volatile=bits(5, 8))
READ = Shape(GetOnlineFeaturesRequest, columns=bits(ENTITIES, 5), volatile=bits(8))


def push_rows(
    view: FeatureView, request: PushFeaturesRequest | bytes, *, delete: bool = False, view_id: bytes = bytes(8)
) -> EncodedRows:
    """What a push at `NOW_US` to the view stores; a second ahead is the future."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    plan = plan_rows(view, ROWS, delete=delete, view_id=view_id)
    return rows_from_request(plan, scan_request(data, PUSH), Times(NOW_US, NOW_US + 1_000_000))


def read_keys(keys: dict[str, str], request: GetOnlineFeaturesRequest | bytes) -> list[bytes]:
    """The entity keys of a read, for views of these join keys."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    plan = plan_keys(join_keys(keys), [join_keys(keys)])
    found = keys_from_request(plan, scan_request(data, READ), ENTITIES)
    return [found.one(0, row) for row in range(found.n)]


def stored_rows(view: AskedView, *, created_us: int = 0) -> list[bytes]:
    """The rows of a view as a store has them, made by the twin."""
    rows = []
    for row in view.rows:
        schema = view.schema if row is None or row.schema is None else row.schema
        mark = fingerprint(schema, view.units)
        if row is None:
            rows.append(b"")
        elif row.tombstone:
            rows.append(encode_tombstone(fingerprint=mark, event_us=row.event_us, created_us=created_us))
        else:
            times = {"event_us": row.event_us, "created_us": created_us}
            rows.append(encode_row(schema, row.values, fingerprint=mark, **times))
    return rows


def plan_of(asked: Asked) -> ResponsePlan:
    """The plan of a read, which knows the schema of every row."""
    views = list({view.name: view for _, view, _ in asked.columns}.values())
    shape = ReplyShape(
        tuple(name for name, _, _ in asked.columns),
        asked.snapshot,
        event_timestamps=asked.event_timestamps,
        matrix=asked.matrix,
    )
    return plan_response([_columns(view, asked) for view in views], shape)


def kernel_reply(asked: Asked) -> bytes:
    """The reply to a read by the kernel, from rows by the twin."""
    views = list({view.name: view for _, view, _ in asked.columns}.values())
    rows = [row for view in views for row in stored_rows(view)]
    return write_response(plan_of(asked), rows_from_list(rows), len(views[0].rows), asked.now_us)


def _columns(view: AskedView, asked: Asked) -> ViewColumns:
    wanted = [(place, field) for place, (_, of, field) in enumerate(asked.columns) if of.name == view.name]
    declared = feature_view({}, view.schema, units=view.units, defaults=view.defaults, name=view.name)
    schemas = [view.schema, *(row.schema for row in view.rows if row is not None and row.schema is not None)]
    layouts = {}
    for schema in schemas:
        one = feature_view({}, schema, units={k: v for k, v in view.units.items() if k in schema})
        layouts[one.fingerprint] = layout_from_schema(one.schema_bytes, one.fingerprint)
    assert all(TYPES[type_] == declared.field(name).type for name, type_ in view.schema.items())
    return ViewColumns(
        name=view.name,
        ttl_us=view.ttl_us,
        layouts=tuple(layouts.values()),
        fields=tuple(declared.field(field) for _, field in wanted),
        columns=tuple(place for place, _ in wanted),
    )
