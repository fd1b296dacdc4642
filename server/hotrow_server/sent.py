"""What a caller sends for transforms: request_data, made rows, so that they are checked and decoded as a view's are."""

import numpy as np
from hotrow.codec.fault import ROW_REASONS
from hotrow.codec.lookup import Keys
from hotrow.codec.pushed import AT_ANY_TIME, RowPlan, rows_from_request
from hotrow.codec.response import Sent
from hotrow.codec.wire import Scanned
from hotrow.errors import invalid

from hotrow_server.plan import ReadPlan


def sent_rows(plan: ReadPlan, expected: RowPlan, request: Scanned, keys: Keys) -> tuple[Keys, Sent]:
    """The rows of request_data, and the keys: as many as rows where no join key says how many.

    Raises INVALID, naming the column, for request data that are not what the transforms take, a row an entity.
    """
    encoded = rows_from_request(expected, request, AT_ANY_TIME)
    for row, fault, entry in encoded.refused():
        name = expected.expected.entries[entry][0]
        raise invalid(f"request_data: {name!r} in row {row}: {ROW_REASONS[fault]}", field=name)
    n = len(encoded)
    if not plan.keys.expected.entries:
        keys = Keys(keys.data, np.zeros(len(plan.wanted.view_ids) * n + 1, np.int64), n)
    elif n != keys.n:
        raise invalid(
            f"request_data has {n} rows, and there are {keys.n} entities; send a row an entity", field="request_data"
        )
    return keys, Sent(*encoded.packed())
