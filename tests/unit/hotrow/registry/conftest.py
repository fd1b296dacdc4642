"""Definitions to make snapshots of."""

import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64
from hotrow.registry.snapshot import snapshot_from_definitions
from hotrow.schema.definitions import Found, collect_definitions


@pytest.fixture(scope="session")
def make_snapshot():
    """A snapshot of definitions and what they refer to."""

    def make(*definitions, project="rides", namespace=""):
        found = collect_definitions(Found(definition, "here") for definition in definitions)
        return snapshot_from_definitions(project, found, namespace)

    return make


@pytest.fixture(scope="session")
def make_view():
    """A view of drivers, with a field `fare` in SEK where no fields are given."""

    def make(name="stats", *fields, **options):
        options.setdefault("entities", [Entity("driver", join_keys={"driver_id": Int64})])
        return FeatureView(name, schema=fields or [Field("fare", Float64, unit="SEK")], **options)

    return make
