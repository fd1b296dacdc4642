"""What differs between two forms of one definition, in lines to read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hotrow.schema.definition import Definition
from hotrow.schema.entity import Entity, JoinKey
from hotrow.schema.field import Field
from hotrow.schema.push_source import PushSource
from hotrow.schema.request_source import RequestSource
from hotrow.schema.service import FeatureService
from hotrow.schema.transform import Transform
from hotrow.schema.view import FeatureView, JoinedView


@dataclass(frozen=True, slots=True)
class Detail:
    """A line, and whether rows stored before can still be read after what it says."""

    text: str
    compatible: bool = True


def added_details(definition: Definition) -> Iterator[Detail]:  # noqa: C901 - a branch a kind
    """What a new definition consists of."""
    if isinstance(definition, Entity):
        yield Detail(f"join keys {_keys_text(definition.keys)}")
    elif isinstance(definition, JoinedView):
        yield Detail(f"view {definition.of.name} by {_key_names_text(definition)}")
    elif isinstance(definition, FeatureView):
        yield Detail(f"join keys {_keys_text(definition.join_keys)}")
        for field in definition.fields:
            yield Detail(f"field {field.name}: {_field_text(field)}")
    elif isinstance(definition, RequestSource):
        for field in definition.fields:
            yield Detail(f"field {field.name}: {_field_text(field)}")
    elif isinstance(definition, Transform):
        yield Detail(f"inputs {_inputs_text(definition)}")
        for output in definition.fields:
            yield Detail(f"output {output.name}: {_field_text(output)}")
        yield Detail(f"mode {definition.mode}, at {definition.at}")
        if definition.encoder:
            yield Detail(f"encoder {_encoder_text(definition)}")
    elif isinstance(definition, PushSource):
        yield Detail(f"view {definition.view.name}")
    elif isinstance(definition, FeatureService):
        for reference in definition.features:
            yield Detail(f"feature {reference.shown}")


def changed_details(old: Definition, new: Definition) -> Iterator[Detail]:
    """What is different in `new`, which has the kind and name of `old`; nothing when they are the same."""
    if isinstance(old, Entity) and isinstance(new, Entity):
        if old.keys != new.keys:
            yield Detail(f"join keys: {_keys_text(old.keys)} -> {_keys_text(new.keys)}")
    elif isinstance(old, FeatureView) and isinstance(new, FeatureView):
        yield from _view_details(old, new)
    elif isinstance(old, RequestSource) and isinstance(new, RequestSource):
        for detail in _fields_details(old.fields, new.fields):
            yield Detail(detail.text)
    elif isinstance(old, Transform) and isinstance(new, Transform):
        yield from _transform_details(old, new)
    elif isinstance(old, PushSource) and isinstance(new, PushSource):
        if old.view.name != new.view.name:
            yield Detail(f"view: {old.view.name} -> {new.view.name}")
    elif isinstance(old, FeatureService) and isinstance(new, FeatureService):
        yield from _service_details(old, new)
    yield from _text_details(old, new)


def same_encoding(old: FeatureView, new: FeatureView) -> bool:
    """Whether the keys of the two views have the same bytes for the same values."""
    return _encodings(old) == _encodings(new)


def _view_details(old: FeatureView, new: FeatureView) -> Iterator[Detail]:
    if isinstance(old, JoinedView) and isinstance(new, JoinedView):
        if old != new:  # all else is said of the view itself
            before, after = (f"{one.of.name} by {_key_names_text(one)}" for one in (old, new))
            yield Detail(f"view: {before} -> {after}")
        return
    if old.generation == new.generation:
        yield from _kept_view_details(old, new)
        return
    if new.generation > old.generation:
        what = "rows that are stored are no longer read; materialize it again"
    else:
        what = "the rows of that generation are read again, those that `hotrow store gc` has left"
    yield Detail(f"replaces the view, generation {old.generation} -> {new.generation}: {what}")
    yield from (Detail(detail.text) for detail in _kept_view_details(old, new))


def _kept_view_details(old: FeatureView, new: FeatureView) -> Iterator[Detail]:
    if old.join_keys != new.join_keys:
        line = f"join keys: {_keys_text(old.join_keys)} -> {_keys_text(new.join_keys)}"
        yield Detail(line, same_encoding(old, new))
    old_entities, new_entities = ([entity.name for entity in view.entities] for view in (old, new))
    if old_entities != new_entities:
        yield Detail(f"entities: {', '.join(old_entities) or 'none'} -> {', '.join(new_entities) or 'none'}")
    yield from _fields_details(old.fields, new.fields)
    if old.ttl != new.ttl:
        yield Detail(f"ttl: {_ttl_text(old.ttl)} -> {_ttl_text(new.ttl)}")
    if old.source != new.source:
        yield from _source_details(old, new)


def _transform_details(old: Transform, new: Transform) -> Iterator[Detail]:
    if _inputs_text(old) != _inputs_text(new):
        yield Detail(f"inputs: {_inputs_text(old)} -> {_inputs_text(new)}")
    for detail in _fields_details(old.fields, new.fields):
        stored = old.at == new.at == "push" and old.views[0].generation == new.views[0].generation
        yield Detail(detail.text, compatible=detail.compatible or not stored)
    for what in ("mode", "at"):
        if getattr(old, what) != getattr(new, what):
            yield Detail(f"{what}: {getattr(old, what)} -> {getattr(new, what)}")
    if old.encoder != new.encoder:
        before, after = _encoder_text(old), _encoder_text(new)
        yield Detail(f"encoder: {before} -> {after}" if before != after else f"encoder: {after}, fitted otherwise")
    if old.code != new.code:
        yield Detail(
            "code: changed" + (", and rows stored before keep what the old code made" if new.at == "push" else "")
        )
    elif old.certificate != new.certificate:
        yield Detail("certificate: changed, though the code is the same: it computes something else")


def _fields_details(fields: tuple[Field, ...], others: tuple[Field, ...]) -> Iterator[Detail]:
    before = {field.name: field for field in fields}
    after = {field.name: field for field in others}
    for name in sorted({*before, *after}):
        if name not in after:
            yield Detail(f"field {name}: removed")
        elif name not in before:
            yield Detail(f"field {name}: added, {_field_text(after[name])}")
        else:
            yield from _field_details(before[name], after[name])
    if sorted(before) == sorted(after) and list(before) != list(after):
        yield Detail(f"order of fields: {', '.join(after)}")


def _field_details(old: Field, new: Field) -> Iterator[Detail]:
    line = f"field {old.name}:"
    if old.type != new.type:
        yield Detail(f"{line} type {old.type.name} -> {new.type.name}", compatible=False)
    if old.unit != new.unit:
        yield Detail(f"{line} unit {old.unit or 'none'} -> {new.unit or 'none'}", compatible=False)
    old_default, new_default = _default_text(old), _default_text(new)
    if old_default != new_default:
        yield Detail(f"{line} default {old_default} -> {new_default}")
    for detail in _text_details(old, new):
        yield Detail(f"{line} {detail.text}")


def _source_details(old: FeatureView, new: FeatureView) -> Iterator[Detail]:
    before = {} if old.source is None else old.source.document()
    after = {} if new.source is None else new.source.document()
    if not before or not after:
        yield Detail(f"source: {before.get('path', 'none')} -> {after.get('path', 'none')}")
        return
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Detail(f"source {name}: {before.get(name, 'none')} -> {after.get(name, 'none')}")


def _service_details(old: FeatureService, new: FeatureService) -> Iterator[Detail]:
    for reference in old.features:
        if reference not in new.features:
            yield Detail(f"feature {reference.shown}: removed")
    for reference in new.features:
        if reference not in old.features:
            yield Detail(f"feature {reference.shown}: added")
    kept = [reference for reference in old.features if reference in new.features]
    if kept != [reference for reference in new.features if reference in old.features]:
        yield Detail(f"order of features: {', '.join(map(str, new.features))}")


def _text_details(old: Definition, new: Definition) -> Iterator[Detail]:
    if isinstance(new, JoinedView):
        return
    for name in ("description", "owner"):
        before, after = getattr(old, name, ""), getattr(new, name, "")
        if before != after:
            yield Detail(f"{name}: {before!r} -> {after!r}")
    before_tags: Mapping[str, str] = getattr(old, "tags", {})
    after_tags: Mapping[str, str] = getattr(new, "tags", {})
    for key in sorted({*before_tags, *after_tags}):
        if before_tags.get(key) != after_tags.get(key):
            yield Detail(f"tag {key}: {before_tags.get(key, 'none')} -> {after_tags.get(key, 'none')}")


def _encodings(view: FeatureView) -> list[tuple[str, str]]:
    return [(key.name, key.encoding_class) for key in view.join_keys]


def _inputs_text(transform: Transform) -> str:
    return ", ".join(
        f"{one.source.name}:{one.field.name}" + (" (where null)" if one.is_mask else "") for one in transform.inputs
    )


def _encoder_text(transform: Transform) -> str:
    fitted = transform.encoder.get("fitted")
    until = f" until {fitted['until']}" if fitted and fitted.get("until") else ""
    given = f", fitted on {_rows_text(fitted)}{until}" if fitted else ""
    return str(transform.encoder.get("kind", "none")) + given


def _rows_text(fitted: Mapping[str, Any]) -> str:
    rows, pushed = fitted.get("rows", "some"), fitted.get("pushed_rows", 0)
    if not fitted["source"]:
        return f"{rows} pushed rows"
    return f"{rows} rows of {fitted['source']}" + (f", {pushed} of them pushed" if pushed else "")


def _keys_text(keys: tuple[JoinKey, ...]) -> str:
    return ", ".join(f"{key.name} {key.type.name}" for key in keys) or "none"


def _key_names_text(view: JoinedView) -> str:
    return ", ".join(f"{name} as {new}" for name, new in view.key_names.items())


def _field_text(field: Field) -> str:
    unit = f", unit {field.unit}" if field.unit else ""
    default = f", default {_default_text(field)}" if field.has_default else ""
    return f"{field.type.name}{unit}{default}"


def _default_text(field: Field) -> str:
    if not field.has_default:
        return "none"
    return "null" if field.default is None else repr(field.default)


def _ttl_text(ttl: timedelta | None) -> str:
    return "never expires" if ttl is None else str(ttl).removesuffix(", 0:00:00")
