"""The signature of a list of features: what a model was trained with, to compare with what a server would give it.

The hash of a description tells that two lists differ, and not how. So the registry keeps the descriptions, as objects
whose ids are the signatures: of every feature service that is applied, and of every training set.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from hotrow.registry.name import ID_LENGTH, is_id_prefix
from hotrow.registry.port import RegistryBackend
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.canonical import Document, canonical_json
from hotrow.schema.service import FeatureRef
from hotrow.schema.transform import Transform

Signed = tuple[tuple[str, ...], ...]
"""A description: for each feature what `describe_feature` gives."""

_TRAINED = "when the model was trained"


def feature_signature(snapshot: Snapshot, features: Iterable[FeatureRef]) -> str:
    """SHA-256, 64 hexadecimal digits, over the description of the features, in their order. Raises NOT_FOUND."""
    return _signature(signed_features(snapshot, features))


def signed_features(snapshot: Snapshot, features: Iterable[FeatureRef]) -> Signed:
    """The description of features, in their order; raises NOT_FOUND."""
    return tuple(describe_feature(snapshot, reference) for reference in features)


def describe_feature(snapshot: Snapshot, reference: FeatureRef) -> tuple[str, ...]:
    """What a signature says of a feature: name, type, unit, and the hash of the certificate of its transform."""
    source = snapshot.source(reference.view)
    field = source.field(reference.feature)
    described = (str(reference), field.type.name, field.unit)
    if isinstance(source, Transform):
        return (*described, hashlib.sha256(canonical_json(certified(source))).hexdigest())
    return described


def certified(transform: Transform) -> Document:
    """What decides the values of a transform: its certificate, and those of the transforms that it takes."""
    taken = [source for source in transform.sources if isinstance(source, Transform)]
    return {**transform.certificate, "takes": {source.name: certified(source) for source in taken}}


def keep_signed(backend: RegistryBackend, signed: Signed) -> None:
    """Keep a description under its signature."""
    if not kept_signed(backend, _signature(signed)):  # a write takes the registry's lock, and waits for the disk
        backend.put_object(_signature(signed), canonical_json(signed))


def kept_signed(backend: RegistryBackend, signature: str) -> Signed:
    """The description kept under a signature; empty where there is none, or it is damaged."""
    if len(signature) != ID_LENGTH or not is_id_prefix(signature):
        return ()
    data = backend.get_object(signature)
    if data is None or hashlib.sha256(data).hexdigest() != signature:
        return ()
    described = json.loads(data)
    return tuple(map(tuple, described)) if isinstance(described, list) else ()  # a snapshot has an id of that kind too


def differences(trained: Signed, now: Signed) -> Iterator[str]:
    """How the features of a model's training and those of now differ, a clause a feature; none where they are equal."""
    gone, come = ({one[0]: one for one in signed} for signed in (trained, now))
    for name in [name for name in gone if name in come]:
        yield from _changed(gone.pop(name), come.pop(name))
    successors = _successors(gone, come)
    for name, successor in successors.items():  # a view that was given a new name, for another unit perhaps
        one, other = gone.pop(name), come.pop(successor)
        if one[1:3] == other[1:3]:
            yield f"in the place of {name} is {successor} now, of the same type and unit"
        else:
            yield f"{name} was {_shown(one)} {_TRAINED}, and in its place is {successor}, {_shown(other)}, now"
    yield from (f"{name}, {_shown(one)}, was there {_TRAINED} and is not now" for name, one in gone.items())
    yield from (f"{name}, {_shown(one)}, is there now and was not {_TRAINED}" for name, one in come.items())
    if not gone and not come:
        for place, (one, other) in enumerate(zip(trained, now, strict=True), 1):
            if other[0] not in (one[0], successors.get(one[0])):
                yield f"the order is another: feature {place} was {one[0]} {_TRAINED} and is {other[0]} now"
                return


def _successors(gone: Mapping[str, tuple[str, ...]], come: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Of features that are gone, the one of the same name in another view, where there is one of each."""
    pairs = {}
    for name in gone:
        others = [other for other in come if _feature(other) == _feature(name)]
        if len(others) == 1 and sum(_feature(name) == _feature(one) for one in gone) == 1:
            pairs[name] = others[0]
    return pairs


def _changed(one: tuple[str, ...], other: tuple[str, ...]) -> Iterator[str]:
    if one[1:3] != other[1:3]:
        yield f"{one[0]} was {_shown(one)} {_TRAINED} and is {_shown(other)} now"
    elif one != other:
        yield f"{one[0]} is computed otherwise now than {_TRAINED}"


def _signature(signed: Signed) -> str:
    return hashlib.sha256(canonical_json(signed)).hexdigest()


def _feature(reference: str) -> str:
    return reference.partition(":")[2]


def _shown(one: tuple[str, ...]) -> str:
    return f"{one[1]} in {one[2]}" if one[2] else f"{one[1]} without a unit"
