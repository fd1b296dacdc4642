"""Who comes from Feast is told what things are called here."""

import importlib
import pickle
import subprocess
import sys

import hotrow
import pytest
from hotrow import Entity, FeatureStore, FeatureView, Field, Float64, HotrowError, Int64, ParquetSource, feast
from hotrow.settings import load_settings


@pytest.mark.parametrize("name", sorted(feast.NAMES))
def test_names_that_are_imported(name):
    """The error of the import itself names what to import."""
    with pytest.raises(ImportError, match=f"hotrow has no '{name}'; that is Feast's word, and here it is ") as caught:
        exec(f"from hotrow import {name}", {})
    assert feast.NAMES[name] in str(caught.value)


def test_other_names_are_as_ever():
    """An unknown one is an AttributeError with the nearest, and submodules are found."""
    with pytest.raises(AttributeError, match="did you mean ParquetSource"):
        _ = hotrow.ParquetSorce
    assert not hasattr(hotrow, "__wrapped__")
    assert importlib.import_module("hotrow.schema.view").FeatureView is FeatureView
    with pytest.raises(ImportError, match="cannot import name"):
        exec("from hotrow import Nothing", {})


def test_arguments():
    """Of each definition; what is no word of Feast's is Python's to say."""
    driver = Entity("driver", join_keys={"driver_id": Int64})
    with pytest.raises(HotrowError, match=r"ParquetSource has no argument 'timestamp_field'.*here it is event_time"):
        ParquetSource("a.parquet", timestamp_field="at")
    with pytest.raises(HotrowError, match=r"FeatureView has no argument 'batch_source'.*here it is source"):
        FeatureView("v", entities=[driver], schema=[Field("x", Float64)], batch_source=None)
    with pytest.raises(HotrowError, match="Field has no argument 'dtype'"):
        Field("x", dtype=Float64)
    with pytest.raises(HotrowError, match="Entity has no argument 'value_type'"):
        Entity("driver", join_keys={"driver_id": Int64}, value_type=Int64)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        ParquetSource("a.parquet", nonsense=1)


def test_methods_of_the_store(tmp_path):
    """As Feast calls them; what a store has, it has."""
    (tmp_path / "hotrow.toml").write_text('project = "rides"\n')
    store = FeatureStore(tmp_path)
    for name, here in feast.METHODS.items():
        with pytest.raises(AttributeError) as caught:
            getattr(store, name)
        assert here in str(caught.value)
    assert not hasattr(store, "nonsense")
    assert pickle.loads(pickle.dumps(store)).repo == store.repo
    with pytest.raises(HotrowError, match="repo_path"):
        FeatureStore(repo_path=tmp_path)


def test_settings(tmp_path):
    """A key of feature_store.yaml, and that file itself where hotrow.toml is missing."""
    (tmp_path / "feature_store.yaml").write_text("project: rides\n")
    with pytest.raises(HotrowError, match=r"no hotrow\.toml.*feature_store\.yaml is Feast's"):
        load_settings(tmp_path)
    command = [sys.executable, "-m", "hotrow.cli.main", "plan", "-C", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, "feature_store.yaml is Feast's" in run.stderr) == (1, True)
    for text, key in (('provider = "local"\n', "provider"), ("[online_store]\nconnection_string = 1\n", "connection")):
        (tmp_path / "hotrow.toml").write_text('project = "rides"\n' + text)
        with pytest.raises(HotrowError, match=f"unknown key '.*{key}.*that is Feast's word, and here it is"):
            load_settings(tmp_path)
