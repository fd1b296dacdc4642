"""The entities of a read, from the columns of the request to entity keys."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hotrow.codec.fault import Expected, request_fault
from hotrow.codec.kernel_key import encode_keys
from hotrow.codec.kernel_match import UNKNOWN
from hotrow.codec.kernel_scan import COUNT, GROUP, NAME_LENGTH
from hotrow.codec.layout import Constants
from hotrow.codec.lookup import Keys
from hotrow.codec.wire import Octets, Scanned, Table
from hotrow.schema.entity import JoinKey

_KEY_BYTES = 10  # of a join key of fixed width, tag included


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """The join keys of some views and, for each distinct set of them that makes a key, that set."""

    expected: Expected
    n_sets: int
    table: Table
    constants: Octets


def plan_keys(join_keys: Sequence[JoinKey], sets: Sequence[Sequence[JoinKey]]) -> KeyPlan:
    """Tables for the kernel: `join_keys` are all, sorted by name; `sets` are the key sets, each sorted likewise."""
    constants = Constants()
    table = [len(join_keys), len(sets)]
    for key in join_keys:
        (name,) = constants.put_all([key.name.encode()])
        table += [*name, key.type.kind, 0, 0, 0, 0, 0]
    position = {key.name: i for i, key in enumerate(join_keys)}
    for keys in sets:
        table += [len(keys), *(position[key.name] for key in keys)]
    expected = Expected([(key.name, key.type, "") for key in join_keys], len(join_keys), "entities")
    return KeyPlan(expected, len(sets), int_table(table), byte_table(constants))


def keys_from_request(plan: KeyPlan, request: Scanned, group: int) -> Keys:
    """The keys of every row for every key set; `group` is the field of the columns. Raises INVALID."""
    most = max(request.rows, 1) * plan.n_sets
    out = np.empty(most * _KEY_BYTES * (len(plan.expected.entries) + 1) + 3 * plan.n_sets * len(request.data), np.uint8)
    start = 2 * len(plan.expected.entries)
    offsets = np.empty(start + most + 2, np.int64)
    rows = encode_keys(request.data, request.columns, group, plan.table, plan.constants, out, offsets)
    if rows == UNKNOWN and _without_names(request, group):
        offsets[start:] = 0
        return Keys(out, offsets[start:], 0)
    if rows < 0:
        raise request_fault(rows, int(offsets[0]), int(offsets[1]), plan.expected, request)
    return Keys(out, offsets[start:], rows)


def _without_names(request: Scanned, group: int) -> bool:
    """Whether the one column of the group has neither a name nor rows, by which a caller says that there are no rows
    without knowing the names of the join keys.
    """
    columns = request.columns[request.columns[:, GROUP] == group]
    return len(columns) == 1 and not columns[0, NAME_LENGTH] and not columns[0, COUNT]


def int_table(values: Sequence[int]) -> Table:
    """A table that kernels only read."""
    table = np.array(values, np.int64)
    table.setflags(write=False)
    return table


def byte_table(constants: Constants) -> Octets:
    """Constants as kernels read them; never empty, so that there is an address."""
    return np.frombuffer(bytes(constants) or b"\0", np.uint8)
