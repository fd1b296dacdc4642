"""A training set for the newest time is what the server answers: the demo's data, real processes, the real client."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import FeatureStore
from hotrow.settings import load_settings
from hotrow_client import Client
from support.ports import free_ports

from .processes import Program

EXAMPLE = Path(__file__).parents[2] / "examples/horse_colic"


class Demo:
    """A copy of the demo with addresses of its own, as `Program` wants it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", "registry", "__pycache__"))
        file = folder / "hotrow.toml"
        text = file.read_text()
        server, ingest = free_ports(2)
        file.write_text(text.replace(":6565", f":{server}").replace(":6566", f":{ingest}"))
        self.address = f"127.0.0.1:{server}"
        subprocess.run([sys.executable, folder / "build_parquet.py"], check=True, capture_output=True)

    @property
    def settings(self):
        return load_settings(self.path)

    def hotrow(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "hotrow.cli.main", *arguments]
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    made = Demo(tmp_path_factory.mktemp("training") / "horse_colic")
    features = made.path / "features.py"
    text = features.read_text()
    # A view that expires, on the same file: half of the horses are too old for it when the test reads.
    hours = int((datetime.now(UTC) - datetime(1989, 8, 6, tzinfo=UTC)) / timedelta(hours=1)) - 150
    text += (
        "\nfrom datetime import timedelta\n\nrecent = FeatureView(\n    'recent', entities=[horse], "
        f"ttl=timedelta(hours={hours}),\n    schema=[Field('pulse', Float64), Field('outcome', String, default='?')],\n"
        "    source=horse_vitals.source,\n)\n"
    )
    features.write_text(text)
    made.hotrow("apply")
    made.hotrow("materialize", "1989-08-06", "now")
    server = Program(made, "serve")
    try:
        server.wait_ready()
        yield made
        assert server.stop() == 0
    finally:
        server.end()


def test_the_newest_is_what_the_server_answers(demo):
    """Every horse of the file and some that are not in it, every feature of two views, values and what is missing."""
    store = FeatureStore(demo.path)
    names = [f"{view.name}:{field.name}" for view in store.snapshot().views.values() for field in view.fields]
    horses = sorted(set(pq.read_table(demo.path / "data/horse_vitals.parquet")["hospital_number"].to_pylist()))
    horses += [1, 2]
    with Client(demo.address) as client:
        reply = client.read(features=names, entities={"hospital_number": horses}, full_names=True)
    now = datetime.now(UTC)
    entities = pa.table({"hospital_number": horses, "event_timestamp": pa.array([now] * len(horses))})
    training = store.get_historical_features(entities, names, full_names=True)
    online = reply.to_dict()
    assert list(online) == training.column_names[2:]
    assert {name: training[name].to_pylist() for name in online} == online
    assert 100 < training["recent__pulse"].null_count < 200
    assert training.schema.metadata[b"hotrow.snapshot"].decode() == reply.snapshot


def test_the_signature_of_the_training_set_is_taken_by_the_server(demo):
    """The model's features are those of the service, in its order."""
    entities = pa.table({"hospital_number": [530101], "event_timestamp": pa.array([datetime.now(UTC)])})
    training = FeatureStore(demo.path).get_historical_features(entities, "horse_triage")
    signature = training.schema.metadata[b"hotrow.signature"].decode()
    with Client(demo.address) as client:
        reply = client.read(feature_service="horse_triage", entities={"hospital_number": [530101]}, signature=signature)
    assert reply.to_rows() == training.drop(["hospital_number", "event_timestamp"]).to_pylist()


def test_a_horse_treated_twice_is_told_apart_by_time(demo, tmp_path):
    """Between its treatments the first one's values, and before the first none: in pandas, and on the command line."""
    table = pq.read_table(demo.path / "data/horse_vitals.parquet").to_pandas()
    twice = table[table["hospital_number"].duplicated(keep=False)].sort_values("event_timestamp")
    horse, rows = next(iter(twice.groupby("hospital_number")))
    first, second = rows["event_timestamp"]
    times = [first - pd.Timedelta("1us"), first, second - pd.Timedelta("1us"), second]
    entities = pd.DataFrame({"hospital_number": horse, "event_timestamp": times})
    wanted = ["horse_vitals:lesion_1", "horse_vitals:surgical_lesion"]
    expected = rows[["lesion_1", "surgical_lesion"]].iloc[[0, 0, 1]].to_numpy().tolist()
    training = FeatureStore(demo.path).get_historical_features(entities, wanted)
    assert training.iloc[0, 2:].isna().all()
    assert training.iloc[1:, 2:].to_numpy().tolist() == expected

    entities.to_csv(tmp_path / "entities.csv", index=False)
    output = demo.hotrow("historical", str(tmp_path / "entities.csv"), *wanted, "-o", str(tmp_path / "out.parquet"))
    assert "4 rows with 2 features" in output
    written = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [[row["lesion_1"], row["surgical_lesion"]] for row in written] == [[None, None], *expected]
