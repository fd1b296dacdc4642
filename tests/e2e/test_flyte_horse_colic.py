"""The pipeline of the example: as Flyte workflows side by side, as a notebook and as a script, with real processes."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pyarrow.parquet as pq
import pytest
from hotrow import Code, FeatureStore, HotrowError

from .example import EXAMPLES, Example, ended

pytestmark = pytest.mark.skipif(find_spec("flytekit") is None, reason="flytekit is not for this version of Python")

HORSE = 530101
PYFLYTE = ("-m", "flytekit.clis.sdk_in_container.pyflyte", "run", "workflow.py")
EXECUTE = ("-c", "from nbclient.cli import main; main()")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example after a run of the script alone, which builds the database, and starts a server and stops it."""
    made = Example("flyte_horse_colic", tmp_path_factory.mktemp("flyte"))
    done = made.run("pipeline.py", "--execution", "script")
    assert done.returncode == 0, done.stderr
    assert "materialized: 284 horses" in done.stdout
    assert "right of 69% of the horses" in done.stdout
    return made


def outcome(example, strategy, features):
    """A workflow execution that is named after its strategy."""
    arguments = ("--strategy", strategy, "--features", features, "--execution", strategy)
    with example.start(*PYFLYTE, "colic", *arguments) as process:
        return ended(process)


@pytest.fixture(scope="module")
def executed(example):
    """A server, and beside it two workflow executions and the notebook, at once."""
    with FeatureStore(example.repo).serving(), ThreadPoolExecutor(3) as pool:
        runs = [
            pool.submit(outcome, example, "mean", "4"),
            pool.submit(outcome, example, "median", "6"),
            pool.submit(example.run, *EXECUTE, "pipeline.ipynb", "--output=executed.ipynb"),
        ]
        for run in runs:
            done = run.result()
            assert done.returncode == 0, done.stdout + done.stderr
        yield example


def test_executions_do_not_see_one_another(executed):
    """Each has its own imputers, file, service and rows under the same names; the head has none of them."""
    read = {}
    for name, count in (("mean", 4), ("median", 6)):
        store = FeatureStore(executed.repo, snapshot=f"run-{name}")
        fitted = {transform.name: transform.encoder["statistics"] for transform in store.list_transforms()}
        assert {"mean", "percentiles"} & {*fitted["pulse_filled"]} == {"mean" if name == "mean" else "percentiles"}
        (service,) = store.list_feature_services()
        assert len(service.features) == count
        rows = pq.read_table(executed.repo / f"data/runs/run-{name}/horse_features.parquet")
        keys = rows["hospital_number"].to_pylist()
        features = [f"horse_features:{column}" for column in rows.schema.names[2:]]
        read[name] = store.get_online_features(features, {"hospital_number": keys}).to_rows()
        latest = {row.pop("hospital_number"): row for row in rows.drop_columns(["event_timestamp"]).to_pylist()}
        assert read[name] == [latest[key] for key in keys]
    assert read["mean"] != read["median"]
    head = FeatureStore(executed.repo)
    assert [view.name for view in head.list_feature_views()] == ["treatments"]
    with pytest.raises(HotrowError, match="horse_features") as caught:
        head.get_online_features(["horse_features:pulse"], {"hospital_number": [HORSE]})
    assert caught.value.code is Code.NOT_FOUND


def test_snapshots_follow_one_another(executed):
    """R, R', R'' and R''': four moves of the branch, made on the head of the start."""
    log = FeatureStore(executed.repo)._workspace.registry.log("colic")
    moves = [(entry.id, entry.parent) for entry in reversed(log) if (entry.ref, entry.action) == ("run-mean", "apply")]
    assert [parent for _, parent in moves] == [None, *(made for made, _ in moves[:-1])]
    assert len(moves) == 4


def test_the_notebook_is_run_and_kept_clean(executed):
    """With outputs in the copy; what is committed has none, and names no machine."""
    cells = json.loads((executed.path / "executed.ipynb").read_text())["cells"]
    assert "Prediction(features=" in json.dumps(cells[-2]["outputs"])
    kept = json.loads((EXAMPLES / "flyte_horse_colic/pipeline.ipynb").read_text())
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in kept["cells"])


def test_publishing_is_a_step_of_its_own(executed):
    """The first moves the head and loads its rows; the second is told of it, and what to do."""
    first = executed.run(*PYFLYTE, "publish", "--execution", "mean")
    assert first.returncode == 0, first.stdout + first.stderr
    head = FeatureStore(executed.repo)
    (row,) = head.get_online_features("colic_model", {"hospital_number": [HORSE]}).to_rows()
    assert len(row) == 4
    assert row["pulse"] == 66.0
    second = executed.run("pipeline.py", "publish", "median")
    assert second.returncode == 1
    assert (
        f"execution median is not published: the head of project 'colic' is {head.snapshot().id[:12]}" in second.stderr
    )
    assert "run the pipeline again" in second.stderr
    assert "Traceback" not in second.stderr


def test_what_is_published_is_where_the_next_execution_starts(executed):
    """After the above: an execution with other definitions of the same names is published too."""
    assert executed.run("pipeline.py", "--execution", "next", "--features", "3").returncode == 0
    published = executed.run("pipeline.py", "publish", "next")
    assert published.returncode == 0, published.stderr
    assert len(FeatureStore(executed.repo).list_feature_services()[0].features) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--strategy", "meen"), "strategy is 'meen'; give one of mean, median"),
        (("--features", "99"), "99 features are asked for, and there are 1 to 9 to choose"),
        (("publish", "nobody"), "unknown snapshot, branch or pin of project 'colic': 'run-nobody'"),
    ],
)
def test_wrong_arguments_are_told(example, arguments, said):
    """In a line, not in a traceback."""
    done = example.run("pipeline.py", *arguments)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_query_and_a_taken_port_are_told(tmp_path):
    """The view and the file, or the address, are named."""
    broken = Example("flyte_horse_colic", tmp_path)
    definitions = broken.repo / "features.py"
    right = definitions.read_text()
    definitions.write_text(right.replace("FROM treatments", "FROM treatment"))
    done = broken.run("pipeline.py")
    assert done.returncode == 1
    assert "view treatments" in done.stderr
    assert "no such table: treatment" in done.stderr
    definitions.write_text(right)
    FeatureStore(broken.repo).apply()
    host, _, port = broken.address.rpartition(":")
    with socket.create_server((host, int(port))):
        done = broken.run("pipeline.py")
    assert done.returncode == 1
    assert broken.address in done.stderr
    assert "Traceback" not in done.stderr
