"""All kinds of encoders, by name."""

from hotrow.encoders import categorical, date, numeric, text
from hotrow.encoders.definition import Kind
from hotrow.schema.transform import Transform

KINDS: dict[str, Kind] = {kind.name: kind for module in (numeric, categorical, text, date) for kind in module.KINDS}


def statistic_of(transform: Transform) -> str:
    """The name of the statistic that a transform is fitted with; empty for one that is given all, or is no encoder."""
    kind = KINDS.get(transform.encoder.get("kind", ""))
    if kind is None:
        return ""
    return kind.statistic(transform.inputs[0].field, transform.encoder.get("parameters", {}))
