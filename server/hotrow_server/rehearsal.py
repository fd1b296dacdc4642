"""Reads that nobody asked for, before a worker is ready: what a first read costs is not for a caller to pay.

It is code that Python has not specialized yet, kernels whose pages are not in memory, and descriptors that protobuf
has not made: together three times what a read costs later.
"""

import itertools
import math
from collections.abc import Iterable

from hotrow.codec.column import encode_column
from hotrow.codec.protowire import length_delimited
from hotrow.errors import HotrowError
from hotrow.rpc.burst import Work
from hotrow.rpc.metadata import Metadata
from hotrow.schema.view import FeatureView
from hotrow.types import BOOL, BYTES, STRING
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest

from hotrow_server.plan import ENTITIES
from hotrow_server.service import ReadService

READS = 32  # Python has specialized code that ran some ten times
_VALUES = {STRING: "", BYTES: b"", BOOL: False}


class Nobody:
    """A call whose answer goes nowhere, see `hotrow.rpc.call.Call`."""

    method = peer = caller = request_id = ""
    metadata: Metadata = ()
    timer = None
    deadline_s = math.inf

    def cancelled(self) -> bool:
        return False

    def put_off(self, _work: Work) -> bool:
        return False

    def reply(self, message: bytes, trailers: Metadata = ()) -> None: ...
    def fail(self, error: HotrowError) -> None: ...


def rehearse(service: ReadService, views: Iterable[FeatureView]) -> None:
    """Read views in turn, all features of one entity each; whatever goes wrong is for the first caller to be told."""
    requests = [read_request(view) for view in itertools.islice(views, READS)]
    for request in itertools.islice(itertools.cycle(requests), READS):
        try:
            service.get_online_features(request, Nobody())
        except HotrowError:
            return


def read_request(view: FeatureView) -> bytes:
    """A GetOnlineFeaturesRequest of one entity, which need not be there."""
    names = FeatureNames(names=[f"{view.name}:{field.name}" for field in view.fields])
    entities = [
        length_delimited(ENTITIES, encode_column(key.name, [_VALUES.get(key.type.kind, 0)], type=key.type))
        for key in view.join_keys
    ]
    return GetOnlineFeaturesRequest(features=names).SerializeToString() + b"".join(entities)
