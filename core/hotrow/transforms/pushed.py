"""Transforms that run when rows are pushed: their outputs join the columns of the request, and are stored with the row.

The columns that come are made rows, the rows cells, and what the transforms make of these is written as more columns
behind the request. Whatever checks and stores columns then sees no difference.
"""

from dataclasses import dataclass, replace

import numpy as np

from hotrow.codec.kernel_decode import NULL_VALUE
from hotrow.codec.lookup import rows_from_list
from hotrow.codec.pushed import AT_ANY_TIME, RowPlan, plan_rows, rows_from_request
from hotrow.codec.response import NOTHING_SENT, block_of, transformed, write_cells
from hotrow.codec.response_plan import Computed, ReplyShape, ResponsePlan, plan_response, view_columns
from hotrow.codec.wire import Scanned
from hotrow.registry.needed import needed_columns
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.service import FeatureRef
from hotrow.transforms.program import plan_program
from hotrow.transforms.raised import Raised, raised_in
from hotrow.transforms.values import Cells


@dataclass(frozen=True, slots=True)
class Extended:
    """A request with the outputs as columns; `raised` says what transforms raised for some of its rows."""

    data: bytes
    raised: tuple[Raised, ...] = ()


class PushTransforms:
    """The transforms of one view that run at push, planned for requests whose columns stand in the field `group`."""

    def __init__(self, snapshot: Snapshot, view_name: str, group: int) -> None:
        view = snapshot.view(view_name)
        transforms = snapshot.push_transforms(view_name)
        references = [FeatureRef(one.name, output.name) for one in transforms for output in one.fields]
        needed = needed_columns(snapshot, references, stored=False)
        columns = replace(view_columns(view, needed.of_views[view_name]), ttl_us=None)  # of rows that are just coming
        names = tuple(reference.feature for reference in references)
        shape = ReplyShape(names, "", event_timestamps=False, matrix=False, columns_field=group)
        self._needed = needed
        program = plan_program(needed.transforms, needed.column_of)
        self._rows: RowPlan = plan_rows(view, group, delete=False)
        self._plan: ResponsePlan = plan_response([columns], shape, Computed(needed.outputs, program))

    def extended(self, request: Scanned) -> Extended:
        """The request with the outputs as columns, null in a row of which an input is, or that raises.

        Raises INVALID as a push to the view without transforms does.
        """
        encoded = rows_from_request(self._rows, request, AT_ANY_TIME)
        n = len(encoded)
        rows = rows_from_list(encoded.rows())
        cells = transformed(self._plan, rows, NOTHING_SENT, n, 0)
        statuses = cells[1][: self._plan.n_replied * n]
        raised: tuple[Raised, ...] = ()
        if statuses.max(initial=NULL_VALUE) > NULL_VALUE:
            held = Cells(block_of(self._plan, cells[0], n), self._plan.n_columns)
            raised = tuple(raised_in(self._needed.transforms, self._needed.column_of, held))
            np.minimum(statuses, NULL_VALUE, out=statuses)
        return Extended(request.data + write_cells(self._plan, rows, NOTHING_SENT, cells, n), raised)
