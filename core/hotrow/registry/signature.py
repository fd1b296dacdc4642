"""The signature of a list of features: what a model was trained with, to compare with what a server would give it."""

import hashlib
from collections.abc import Iterable

from hotrow.registry.snapshot import Snapshot
from hotrow.schema.canonical import Document, canonical_json
from hotrow.schema.service import FeatureRef
from hotrow.schema.transform import Transform


def feature_signature(snapshot: Snapshot, features: Iterable[FeatureRef]) -> str:
    """SHA-256, 64 hexadecimal digits, over name, type and unit of the features, in their order. Raises NOT_FOUND."""
    described = [describe_feature(snapshot, reference) for reference in features]
    return hashlib.sha256(canonical_json(described)).hexdigest()


def describe_feature(snapshot: Snapshot, reference: FeatureRef) -> list[str]:
    """What a signature says of a feature: name, type, unit, and the hash of the certificate of its transform."""
    source = snapshot.source(reference.view)
    field = source.field(reference.feature)
    described = [str(reference), field.type.name, field.unit]
    if isinstance(source, Transform):
        described.append(hashlib.sha256(canonical_json(certified(source))).hexdigest())
    return described


def certified(transform: Transform) -> Document:
    """What decides the values of a transform: its certificate, and those of the transforms that it takes."""
    taken = [source for source in transform.sources if isinstance(source, Transform)]
    return {**transform.certificate, "takes": {source.name: certified(source) for source in taken}}
