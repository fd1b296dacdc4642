"""How flytekit hands a `FeatureStore` from task to task: as its folder and the id of its snapshot, in JSON.

Without this flytekit would pickle it, which works as well. So the console shows which snapshot a task was given, a task
in another version of Python can take it, and a store that is on the head stays on what the head was.
"""

import json
from pathlib import Path

from flytekit import FlyteContext
from flytekit.core.type_engine import TypeEngine, TypeTransformer
from flytekit.models.literals import Literal, Primitive, Scalar
from flytekit.models.types import LiteralType, SimpleType
from hotrow import FeatureStore


class FeatureStoreTransformer(TypeTransformer[FeatureStore]):
    """A string of JSON, {"repo": folder, "snapshot": id}."""

    def __init__(self) -> None:
        super().__init__("hotrow.FeatureStore", FeatureStore)

    def get_literal_type(self, t: type[FeatureStore]) -> LiteralType:
        """As a string."""
        del t
        return LiteralType(simple=SimpleType.STRING)

    def to_literal(
        self, ctx: FlyteContext, python_val: FeatureStore, python_type: type[FeatureStore], expected: LiteralType
    ) -> Literal:
        """Raises HotrowError as `FeatureStore.snapshot` does."""
        del ctx, python_type, expected
        text = json.dumps({"repo": str(python_val.repo), "snapshot": python_val.snapshot().id})
        return Literal(scalar=Scalar(primitive=Primitive(string_value=text)))

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: type[FeatureStore]) -> FeatureStore:
        """Raises HotrowError where the task's machine has no such folder."""
        del ctx, expected_python_type
        given = json.loads(lv.scalar.primitive.string_value)
        return FeatureStore(Path(given["repo"]), snapshot=given["snapshot"])


TypeEngine.register(FeatureStoreTransformer())
