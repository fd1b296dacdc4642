"""The signature of a list of features: what a model was trained with, to compare with what a server would give it."""

import hashlib
from collections.abc import Iterable

from hotrow.registry.snapshot import Snapshot
from hotrow.schema.canonical import canonical_json
from hotrow.schema.service import FeatureRef


def feature_signature(snapshot: Snapshot, features: Iterable[FeatureRef]) -> str:
    """SHA-256, 64 hexadecimal digits, over name, type and unit of the features, in their order. Raises NOT_FOUND."""
    described = []
    for reference in features:
        field = snapshot.view(reference.view).field(reference.feature)
        described.append([str(reference), field.type.name, field.unit])
    return hashlib.sha256(canonical_json(described)).hexdigest()
