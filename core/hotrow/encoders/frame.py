"""Fitting in Python, on a table at hand."""

from typing import Any

from hotrow.schema.transform import Transform


def fit(transform: Transform, frame: Any) -> Transform:
    """The transform fitted on a pandas or Polars DataFrame or a pyarrow Table, with every encoder that it takes.

    The frame has a column for each field of a view or of a request source that the transform is made of, by the name
    of the field. What was fitted before is fitted anew. Needs `hotrow[server]`. Raises INVALID for a column that is
    missing or of another type, and for data that nothing can be fitted on.
    """
    from hotrow.encoders.fitting import fit_frame  # noqa: PLC0415 - `import hotrow` stays light

    return fit_frame(transform, frame)
