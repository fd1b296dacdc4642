"""The check of the signature that a reader states, and the words for how its model's features differ from these."""

from collections.abc import Callable
from itertools import islice

from hotrow import log
from hotrow.errors import Code, HotrowError
from hotrow.registry.name import ID_LENGTH
from hotrow.registry.signature import Signed, differences, feature_signature, signed_features
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.service import FeatureRef

FindSigned = Callable[[str], Signed]
"""What a signature stands for; empty where nobody knows."""

_MOST_TOLD = 8  # of 1,000 features, each may differ, and an error is a header of some KiB

_log = log.logger(__name__)


def unknown(_signature: str) -> Signed:
    """For plans without a reader."""
    return ()


def readable(find: FindSigned) -> FindSigned:
    """The same, empty where the registry cannot be read: a reader is to learn what it did, and not of that."""

    def found(signature: str) -> Signed:
        try:
            return find(signature)
        except HotrowError as error:
            _log.warning("what a signature stands for cannot be read", error=error.message)
            return ()

    return found


def check_signature(snapshot: Snapshot, features: tuple[FeatureRef, ...], stated: str, find: FindSigned) -> None:
    """Raise FAILED_PRECONDITION, with the difference, unless `stated` is empty or the signature of the features."""
    if not stated or stated == (ours := feature_signature(snapshot, features)):
        return
    trained = find(stated) if len(stated) == ID_LENGTH else ()
    if trained:
        told = list(differences(trained, signed_features(snapshot, features)))
        more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
        how = "; ".join(islice(told, _MOST_TOLD)) + more
    else:
        how = f"a name, type, unit, transform or the order differs (these have the signature {ours!r})"
    raise HotrowError(
        Code.FAILED_PRECONDITION,
        f"the caller's model was trained with other features (signature {stated[:ID_LENGTH]!r}): {how}. Ask for "
        "the features and the snapshot of the training, or train again with these",
        field="signature",
    )
