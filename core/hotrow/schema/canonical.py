"""Canonical JSON: the bytes that are hashed, and so may never change for the same definitions.

Keys sorted by code point, no white space, UTF-8 without escapes, floats in their shortest form that reads back the
same, no NaN or infinity (`hotrow.schema.default` writes those as strings). A document leaves out what has its default
value, so that a later version can add keys without changing the bytes of definitions that do not use them.
"""

import json
from typing import Any

Document = dict[str, Any]
"""A JSON object as Python holds it."""


def canonical_json(value: object) -> bytes:
    """The one spelling of a JSON value; raises ValueError for NaN, infinity and text that is no Unicode."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def without_empty(document: Document) -> Document:
    """The document without the keys whose value is None, or an empty string, list or object."""
    return {key: value for key, value in document.items() if value is not None and value not in ("", [], {})}
