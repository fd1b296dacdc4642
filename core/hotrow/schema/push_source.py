"""Push sources: names under which producers push rows to a view."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotrow.errors import invalid
from hotrow.feast import explains_keywords
from hotrow.schema.canonical import Document
from hotrow.schema.check import check_name
from hotrow.schema.definition import Definition
from hotrow.schema.view import FeatureView


@explains_keywords
@dataclass(frozen=True, eq=False)
class PushSource(Definition):
    """`PushSource("driver_stats_push", view=driver_hourly_stats)`; raises INVALID."""

    name: str
    view: FeatureView = field(kw_only=True)

    def __post_init__(self) -> None:
        check_name("push source", self.name)
        if not isinstance(self.view, FeatureView):
            raise invalid(f"{self.label}: view is {self.view!r}; give a FeatureView")
        if self.view.stored_as is not self.view:
            raise invalid(f"{self.label}: rows are pushed to {self.view.stored_as.label}, not to {self.view.label}")

    @property
    def label(self) -> str:
        return f"push source {self.name!r}"

    def document(self) -> Document:
        return {"view": self.view.name}


def push_source_from_document(name: str, document: Document, views: Mapping[str, FeatureView]) -> PushSource:
    """The inverse of `PushSource.document`; raises INVALID, KeyError or TypeError for anything else."""
    values = dict(document)
    return PushSource(name, view=views[values.pop("view")], **values)
