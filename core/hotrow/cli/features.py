"""`hotrow features`: what exists, so that people find it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hotrow.cli import option, render
from hotrow.cli.workspace import open_workspace
from hotrow.errors import not_found
from hotrow.registry.signature import feature_signature
from hotrow.schema.transform import Transform

if TYPE_CHECKING:
    from hotrow.registry.snapshot import Snapshot
    from hotrow.schema.entity import Entity
    from hotrow.schema.field import Field
    from hotrow.schema.request_source import RequestSource
    from hotrow.schema.service import FeatureService
    from hotrow.schema.view import FeatureView


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Find features: names, descriptions, tags, owners, types, units.")
    group.command("list")(list_features)
    group.command("show")(show)
    group.command("search")(search)
    app.add_typer(group, name="features")


def list_features(
    *,
    repo: option.Repo = None,
    view: Annotated[str, typer.Option("--view", metavar="NAME", help="Only those of this view, or transform.")] = "",
    snapshot: option.Ref = "",
    json: option.Json = False,
) -> None:
    """List every feature that is applied.

    \b
    Examples:
      hotrow features list
      hotrow features list --view driver_hourly_stats --json
    """  # noqa: D301
    applied = open_workspace(repo).snapshot(snapshot)
    if view:
        applied.source(view)
    print_features([f for f in feature_documents(applied) if not view or f["view"] == view], json=json)


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="All must be found, in any case and place.")],
    *,
    repo: option.Repo = None,
    snapshot: option.Ref = "",
    json: option.Json = False,
) -> None:
    """Find features by words in their names, descriptions, tags, owners, units, entities and sources.

    \b
    Examples:
      hotrow features search fare
      hotrow features search driver team=rides
    """  # noqa: D301
    found = [
        feature
        for feature in feature_documents(open_workspace(repo).snapshot(snapshot))
        if all(word.casefold() in _searched(feature) for word in words)
    ]
    if not found and not json:
        render.note(f"no feature has {' and '.join(map(repr, words))}; `hotrow features list` shows all")
        return
    print_features(found, json=json)


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A view, transform, feature, entity, source or service.")],
    *,
    repo: option.Repo = None,
    snapshot: option.Ref = "",
    json: option.Json = False,
) -> None:
    """Show all that is known of one view, transform, feature, entity, source or feature service.

    \b
    Examples:
      hotrow features show driver_hourly_stats
      hotrow features show driver_hourly_stats:fare
    """  # noqa: D301
    document, fields = describe(open_workspace(repo).snapshot(snapshot), name)
    if json:
        render.print_json(document | ({"features": fields} if fields else {}))
        return
    render.print_pairs((key.replace("_", " "), _text(key, value)) for key, value in document.items())
    if fields:
        print()
        print_features(fields, json=False)


def describe(  # noqa: PLR0911 - a branch a kind
    snapshot: Snapshot, name: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is known of `name`, and the features that belong to it; raises NOT_FOUND with the nearest names."""
    view_name, colon, feature = name.partition(":")
    if colon:
        source = snapshot.source(view_name)
        return feature_document(source, source.field(feature)), []
    features = feature_documents(snapshot)
    if name in snapshot.read_views:
        view = snapshot.read_views[name]
        return _view_document(snapshot, view), [f for f in features if f["view"] == name]
    if name in snapshot.transforms:
        return _transform_document(snapshot, snapshot.transforms[name]), [f for f in features if f["view"] == name]
    if name in snapshot.request_sources:
        return _request_document(snapshot, snapshot.request_sources[name]), []
    if name in snapshot.services:
        service = snapshot.services[name]
        wanted = {str(reference) for reference in service.features}
        return _service_document(snapshot, service), [f for f in features if f["name"] in wanted]
    if name in snapshot.entities:
        return _entity_document(snapshot, snapshot.entities[name]), []
    if name in snapshot.push_sources:
        push_source = snapshot.push_sources[name]
        return {"kind": "push source", "name": name, "view": push_source.view.name}, []
    known = [*snapshot.read_views, *snapshot.transforms, *snapshot.services, *snapshot.entities]
    known += [*snapshot.push_sources, *snapshot.request_sources]
    raise not_found("name", name, known + [f["name"] for f in features])


def feature_documents(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Every feature of every view and transform, in the order of their names and then as declared."""
    sources: list[FeatureView | Transform] = [*snapshot.read_views.values(), *snapshot.transforms.values()]
    return [feature_document(source, declared) for source in sources for declared in source.fields]


def feature_document(source: FeatureView | Transform, declared: Field) -> dict[str, Any]:
    """One feature as JSON; its tags are those of its view or transform with its own over them."""
    views = list(source.views) if isinstance(source, Transform) else [source]
    return {
        "name": f"{source.name}:{declared.name}",
        "view": source.name,
        "type": declared.type.name,
        "unit": declared.unit,
        "description": declared.description or (source.description if isinstance(source, Transform) else ""),
        "entities": list(dict.fromkeys(entity.name for view in views for entity in view.entities)),
        "join_keys": {key.name: key.type.name for view in views for key in view.join_keys},
        "tags": {**source.tags, **declared.tags},
        "owner": source.owner,
        "source": _source_text(source),
    } | ({"default": declared.default} if declared.has_default else {})


def _source_text(source: FeatureView | Transform) -> str:
    if isinstance(source, Transform):
        return "transform of " + ", ".join(one.name for one in source.sources)
    return source.source.path if source.source else "pushed only"


def print_features(features: list[dict[str, Any]], *, json: bool) -> None:
    """Features as JSON, or as a table with the columns that say something."""
    if json:
        render.print_json(features)
        return
    heads = ["feature", "type", "unit", "entities", "owner", "tags", "description"]
    rows = [
        [
            f["name"],
            f["type"],
            f["unit"],
            ", ".join(f["entities"]),
            f["owner"],
            render.tags_text(f["tags"]),
            f["description"],
        ]
        for f in features
    ]
    kept = [i for i, head in enumerate(heads) if head in ("feature", "type") or any(row[i] for row in rows)]
    render.print_table([heads[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _view_document(snapshot: Snapshot, view: FeatureView) -> dict[str, Any]:
    source, stored = view.source, view.stored_as
    joined = {} if stored is view else {"rows_of": stored.name}
    return {
        "kind": "joined view" if joined else "feature view",
        "name": view.name,
        **joined,
        "description": view.description,
        "owner": view.owner,
        "tags": dict(view.tags),
        "entities": [entity.name for entity in view.entities],
        "join_keys": {key.name: key.type.name for key in view.join_keys},
        "ttl": str(view.ttl) if view.ttl is not None else "none: rows never expire",
        "source": source.document() if source else "pushed only",
        "push_sources": [p.name for p in snapshot.push_sources.values() if p.view.name == stored.name],
        "feature_services": [
            s.name for s in snapshot.services.values() if any(ref.view == view.name for ref in s.features)
        ],
        "view_id": snapshot.view_id(view.name).hex(),
    }


def _transform_document(snapshot: Snapshot, transform: Transform) -> dict[str, Any]:
    return {
        "kind": "transform",
        "name": transform.name,
        "description": transform.description,
        "owner": transform.owner,
        "tags": dict(transform.tags),
        "inputs": [f"{one.source.name}:{one.field.name}" for one in transform.inputs],
        "mode": transform.mode,
        "at": transform.at,
        "signature": transform.certificate.get("signature", ""),
        "feature_services": [s.name for s in snapshot.services.values() if transform in s.transforms],
        **_encoder_document(transform.encoder),
        "code": transform.code.source,
    }


def _encoder_document(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """Of an encoder what it is given, what was fitted, and on what."""
    if not encoder:
        return {}
    fitted = {key: encoder[key] for key in ("statistics", "fitted") if key in encoder}
    return {"encoder": encoder["kind"], "parameters": encoder["parameters"], **fitted}


def _request_document(snapshot: Snapshot, source: RequestSource) -> dict[str, Any]:
    return {
        "kind": "request source",
        "name": source.name,
        "description": source.description,
        "fields": {field.name: f"{field.type.name} {field.unit}".strip() for field in source.fields},
        "transforms": [t.name for t in snapshot.transforms.values() if source in t.sources],
    }


def _service_document(snapshot: Snapshot, service: FeatureService) -> dict[str, Any]:
    return {
        "kind": "feature service",
        "name": service.name,
        "description": service.description,
        "owner": service.owner,
        "tags": dict(service.tags),
        "signature": feature_signature(snapshot, service.features),  # what a read sends to be sure of the features
    }


def _entity_document(snapshot: Snapshot, entity: Entity) -> dict[str, Any]:
    return {
        "kind": "entity",
        "name": entity.name,
        "description": entity.description,
        "owner": entity.owner,
        "tags": dict(entity.tags),
        "join_keys": {key.name: key.type.name for key in entity.keys},
        "views": [v.name for v in snapshot.read_views.values() if entity.name in [e.name for e in v.entities]],
    }


def _text(key: str, value: Any) -> str:
    return render.statistics_text(value) if key in ("parameters", "statistics") else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items() if item is not None)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _searched(feature: dict[str, Any]) -> str:
    texts = [str(feature[key]) for key in ("name", "type", "unit", "description", "owner", "source")]
    texts += feature["entities"] + list(feature["join_keys"]) + [render.tags_text(feature["tags"])]
    return " ".join(texts).casefold()
