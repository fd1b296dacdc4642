"""The loop over rows that is compiled around a transform, as source."""

from hotrow.schema.transform import Transform

PARAMETERS = "cells, lengths, statuses, base, n, table, arena"
"""Addresses and the number of rows. `cells` and `lengths` are words and `statuses` bytes, column by column; `table` has
the numbers of the columns, of the inputs and then of the outputs; offsets of strings count from `base`; `arena` is
where the elements of lists go, those of outputs from its start and those of a row's inputs from its end: its address,
size, what is used, whether it was too small, and what is used of its end."""


def rows_source(transform: Transform) -> str:
    """The loop that calls the function with the values of each row.

    A row of which an input is not present is not called for; one that raises has TRANSFORM_ERROR.
    """
    outputs = range(len(transform.fields))
    lines = [f"def loop({PARAMETERS}):", "    for r in range(n):", "        status = PRESENT"]
    arguments = []
    for i, one in enumerate(transform.inputs):
        lines.append(f"        cell_{i} = word(table, {i}) * n + r")
        if one.is_mask:
            arguments.append(f"load_u8(statuses, cell_{i}) != PRESENT")
            continue
        if one.parameter not in transform.masked:
            lines.append(f"        status = worse(status, int(load_u8(statuses, cell_{i})))")
        arguments.append(f"load_{i}(cells, lengths, base, cell_{i}, arena)")
    lines += [f"        null_{o}, word_{o}, length_{o} = True, zero, zero" for o in outputs]
    if any(one.field.type.is_list for one in transform.inputs):
        lines.append("        set_word(arena, 4, 0)")
    lines += ["        if status == PRESENT:", "            try:"]
    lines.append(f"                value = function({', '.join(arguments)})")
    parts = ["value"] if len(transform.fields) == 1 else [f"part_{o}(value)" for o in outputs]
    lines += [
        f"                null_{o}, word_{o}, length_{o} = pack_{o}({part}, arena)" for o, part in enumerate(parts)
    ]
    lines += ["            except Exception:", "                status = TRANSFORM_ERROR"]
    for o, output in enumerate(transform.fields):
        word = f"word_{o} - base" if output.type.is_list or output.type.name == "String" else f"word_{o}"
        lines.append(f"        cell = word(table, {len(transform.inputs) + o}) * n + r")
        lines.append(f"        own = NULL_VALUE if status == PRESENT and null_{o} else status")
        lines.append(f"        put(cells, lengths, statuses, cell, own, {word}, length_{o})")
    lines.append("    return word(arena, 3)")
    return "\n".join(lines) + "\n"
