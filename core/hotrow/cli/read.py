"""`hotrow get`: a read, over gRPC, from the running server."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hotrow.cli import option, render
from hotrow.cli.arguments import takes
from hotrow.cli.read_table import Table, print_rows, read_reply
from hotrow.cli.value import typed_values, value_from_text
from hotrow.cli.workspace import open_workspace
from hotrow.clock import text_from_us
from hotrow.errors import invalid, not_found
from hotrow.registry.needed import needed_columns
from hotrow.repo import link
from hotrow.schema.selected import reference_from_text
from hotrow.types import BYTES, STRING, UnixTimestamp, ValueType

if TYPE_CHECKING:
    from hotrow.registry.snapshot import Snapshot


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("get")(get)


@dataclass(frozen=True, slots=True)
class ReadArguments:
    """The arguments and options of `hotrow get`."""

    what: Annotated[
        list[str],
        typer.Argument(
            metavar="FEATURES... KEY=VALUE...",
            help="Features (view:feature), a view or transform for all of its features, or one feature service; the "
            "entities, and what transforms take of the caller.",
        ),
    ]
    repo: option.Repo = None
    snapshot: option.Ref = ""
    event_times: Annotated[bool, typer.Option("--event-times", help="Also the event time of each row.")] = False
    full_names: Annotated[
        bool, typer.Option("--full-names", help="Name columns view__feature. Done anyway where two are equal.")
    ] = False
    signature: Annotated[
        str,
        typer.Option(
            "--signature",
            metavar="HASH",
            help="What the model was trained with (`hotrow.signature` in a training set): other features are refused.",
        ),
    ] = ""
    explain: option.Explain = False
    json: option.Json = False
    server: option.Server = ""
    timeout: option.Timeout = 5.0


@takes(ReadArguments)
def get(arguments: ReadArguments) -> None:
    """Read features of some entities from the running server.

    Several rows: repeat the key, or give numbers separated by commas. A key given once goes with every row.

    \b
    Examples:
      hotrow get driver_activity driver_id=1001
      hotrow get fare_per_km driver_id=1001,1002 distance=12.5
      hotrow get driver_hourly_stats:fare driver_id=1001,1002 --event-times
      hotrow get clicks:count article_id=7 user_id=ann user_id=bo --json
    """  # noqa: D301
    workspace = open_workspace(arguments.repo)
    known = workspace.snapshot(arguments.snapshot)
    asked = parse_arguments(arguments.what, known)
    snapshot = known.id if arguments.snapshot else ""
    asked = replace(asked, signature=arguments.signature)

    def read(other: Asked) -> Table:
        request = encode_request(other, snapshot, event_times=arguments.event_times, full_names=arguments.full_names)
        reply = link.call_server(workspace.settings, arguments.server, "GetOnlineFeatures", request, arguments.timeout)
        return read_reply(other, reply)

    table = read(asked)
    from hotrow.cli.read_explain import explanations  # noqa: PLC0415 - imports this module

    found = explanations(asked, table, known, read) if arguments.explain else []
    if arguments.json:
        errors = {"transform_errors": [asdict(one) for one in found]} if arguments.explain else {}
        render.print_json(table.document() | errors)
        return
    print_rows(table)
    for one in found:
        render.note(f"row {one.row}: {one.reason}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A read as asked for.

    `project` is the one that is asked. `entities` has the values of each join key, and of each column in `sent`, which
    goes as request data; all are of one length, and `types` has their types. `views` are those that are read.
    `ambiguous`: two features of different views have one name, so that columns need full names.
    """

    project: str
    names: tuple[str, ...]
    service: str
    ambiguous: bool
    entities: dict[str, list[Any]]
    types: dict[str, ValueType]
    sent: frozenset[str] = frozenset()
    views: tuple[str, ...] = ()
    signature: str = ""

    @property
    def rows(self) -> int:
        return max((len(values) for values in self.entities.values()), default=1)

    def shown_entities(self) -> dict[str, list[Any]]:
        """The entities with times as times."""
        return {
            key: [text_from_us(value) for value in values] if self.types[key] == UnixTimestamp else values
            for key, values in self.entities.items()
        }


def parse_arguments(arguments: list[str], snapshot: Snapshot) -> Asked:
    """Tell features from entities and read the entities by the schema; raises HotrowError naming what is wrong."""
    selected = [argument for argument in arguments if "=" not in argument]
    pairs = [argument.partition("=")[::2] for argument in arguments if "=" in argument]
    if not selected:
        raise invalid("name what to read: view:feature, a view, or a feature service")
    asked = asked_features(selected, snapshot)
    types = asked.types
    entities: dict[str, list[Any]] = {}
    for key, text in pairs:
        if key not in types:
            raise not_found("join key or request data" if asked.sent else "join key", key, types)
        entities.setdefault(key, []).extend(_key_values(key, text, types[key], null=key in asked.sent))
    missing = sorted(types.keys() - entities.keys())
    if missing:
        what = "request data" if missing[0] in asked.sent else "join key"
        raise invalid(f"{what} {missing[0]} is missing; add {missing[0]}=...")
    return replace(asked, entities=_same_length(entities))


def asked_features(selected: list[str], snapshot: Snapshot) -> Asked:
    """A read of these features, views or one feature service, as yet without entities; raises HotrowError."""
    names, service = _selection(selected, snapshot)
    references = [reference_from_text(name) for name in names] or snapshot.services[service].features
    needed = needed_columns(snapshot, references, stored=True)
    types = {key.name: key.type for view in needed.of_views for key in snapshot.view(view).join_keys}
    sent = {field.name: field.type for _, field in needed.of_request}
    ambiguous = len({reference.name for reference in references}) < len(references)
    return Asked(snapshot.project, names, service, ambiguous, {}, types | sent, frozenset(sent), tuple(needed.of_views))


def _selection(selected: list[str], snapshot: Snapshot) -> tuple[tuple[str, ...], str]:
    """Feature names, or the name of a service."""
    if len(selected) == 1 and selected[0] in snapshot.services:
        return (), selected[0]
    names: list[str] = []
    for name in selected:
        view, colon, feature = name.partition(":")
        if not colon and name in snapshot.services:
            raise invalid(f"{name!r} is a feature service: ask for it alone, or for features by name")
        if not colon and name not in snapshot.read_views and name not in snapshot.transforms:
            known = [*snapshot.read_views, *snapshot.transforms, *snapshot.services]
            raise not_found("feature, view, transform or feature service", name, known)
        source = snapshot.source(view)
        if colon:
            source.field(feature)
        names += [name] if colon else [f"{view}:{field.name}" for field in source.fields]
    return tuple(dict.fromkeys(names)), ""


def _key_values(key: str, text: str, declared: ValueType, *, null: bool) -> list[Any]:
    """One value, or several of a type that cannot hold a comma; `null`: whether one may be null."""
    texts = [text] if declared.kind in (STRING, BYTES) or declared.is_list else text.split(",")
    values = [value_from_text(key, part, declared) for part in texts]
    if None in values and not null:
        raise invalid(f"{key}: a join key has a value, never null")
    return values


def _same_length(entities: dict[str, list[Any]]) -> dict[str, list[Any]]:
    rows = max((len(values) for values in entities.values()), default=0)
    for key, values in entities.items():
        if len(values) not in (1, rows):
            raise invalid(f"{key} has {len(values)} values and another join key {rows}; give one each, or a single one")
    return {key: values * rows if len(values) == 1 else values for key, values in entities.items()}


def encode_request(asked: Asked, snapshot: str, *, event_times: bool = False, full_names: bool = False) -> bytes:
    """The read as a serialized GetOnlineFeaturesRequest."""
    from hotrow.codec.column import encode_column  # noqa: PLC0415
    from hotrow.v1.column_pb2 import Column  # noqa: PLC0415
    from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest, ReadOptions  # noqa: PLC0415

    columns = {
        key: Column.FromString(encode_column(key, typed_values(values, asked.types[key]), type=asked.types[key]))
        for key, values in asked.entities.items()
    }
    options = ReadOptions(event_timestamps=event_times, full_names=full_names or asked.ambiguous)
    request = GetOnlineFeaturesRequest(
        project=asked.project,
        entities=[column for key, column in columns.items() if key not in asked.sent],
        request_data=[column for key, column in columns.items() if key in asked.sent],
        snapshot=snapshot,
        signature=asked.signature,
        options=options,
    )
    if asked.service:
        request.feature_service = asked.service
    else:
        request.features.CopyFrom(FeatureNames(names=asked.names))
    return bytes(request.SerializeToString())
