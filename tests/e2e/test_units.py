"""A model trained on prices in dollars meets prices in kronor: real processes, from the definitions to the prediction.

docs/units.md tells the same story, and what it shows is what is said here.
"""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow.errors import Code
from hotrow.settings import load_settings
from hotrow_client import Client, HotrowRpcError
from support.ports import free_ports

from .processes import Program

PAGE = (Path(__file__).parents[2] / "docs/units.md").read_text(encoding="utf-8")
DOLLARS = next(block for block in PAGE.split("```python\n")[1:] if "ParquetSource" in block).split("```")[0]
KRONOR = (
    DOLLARS.replace('"USD"', '"SEK"')
    .replace("prices =", "prices_sek =")
    .replace('"prices"', '"prices_sek"')
    .replace("prices.parquet", "prices_sek.parquet")
    .replace("[prices]", "[prices_sek]")
    .replace("view=prices)", "view=prices_sek)")
    .replace("prices_push", "prices_sek_push")
)
TIME = pa.timestamp("us", tz="UTC")
IDS, DOLLAR_PRICES, WEIGHTS = [1, 2, 3, 4], [4.0, 8.0, 2.0, 6.0], [1.0, 0.5, 2.0, 3.0]
SEK_PER_USD = 10.5


class Shop:
    """A feature repository, as `Program` wants it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        server, ingest = free_ports(2)
        self.address = f"127.0.0.1:{server}"
        (path / "hotrow.toml").write_text(
            f'project = "shop"\n[server]\naddress = "{self.address}"\nworkers = 1\n'
            f'[ingest]\naddress = "127.0.0.1:{ingest}"\ndurability = "os"\n[online_store]\nsize_gib = 1\n'
        )
        (path / "features.py").write_text(DOLLARS)

    @property
    def settings(self):
        return load_settings(self.path)

    def run(self, *arguments):
        command = [sys.executable, "-m", "hotrow.cli.main", *arguments]
        return subprocess.run(command, cwd=self.path, capture_output=True, text=True, timeout=100, check=False)

    def hotrow(self, *arguments) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write_prices(self, name, prices, unit):
        fields = [
            pa.field("product_id", pa.int64()),
            pa.field("at", TIME),
            pa.field("price", pa.float64(), metadata={"unit": unit}),
            pa.field("weight", pa.float64()),
        ]
        columns = [pa.array(IDS), pa.array([datetime(2026, 1, 5, tzinfo=UTC)] * 4, TIME), prices, WEIGHTS]
        pq.write_table(pa.table(columns, schema=pa.schema(fields)), self.path / name)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Prices in dollars, applied, materialized and served."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.write_prices("prices.parquet", DOLLAR_PRICES, "USD")
    shop.hotrow("apply")
    shop.hotrow("materialize", "2026-01-01", "now")
    server = Program(shop, "serve")
    try:
        server.wait_ready()
        yield shop
        assert server.stop() == 0
    finally:
        server.end()


def _trained(shop):
    """The weights of a model, and the signature of what it was trained with."""
    times = pa.array([datetime(2026, 1, 6, tzinfo=UTC)] * 4, TIME)
    sold = [100 - 9 * price - 2 * weight for price, weight in zip(DOLLAR_PRICES, WEIGHTS, strict=True)]
    pq.write_table(pa.table({"product_id": IDS, "event_timestamp": times, "sold": sold}), shop.path / "sales.parquet")
    shop.hotrow("historical", "sales.parquet", "--service", "demand", "-o", "training.parquet")
    training = pq.read_table(shop.path / "training.parquet")
    features = np.column_stack([training["price"], training["weight"], np.ones(4)])
    model, *_ = np.linalg.lstsq(features, training["sold"].to_numpy(), rcond=None)
    return model, training.schema.metadata[b"hotrow.signature"].decode()


def _predicted(model, client, **options):
    reply = client.read(feature_service="demand", entities={"product_id": [1]}, **options)
    return float(np.dot(model, [*reply.to_rows()[0].values(), 1.0])), reply.snapshot


def _refusal(call):
    with pytest.raises(HotrowRpcError) as caught:
        call()
    return caught.value


def test_a_model_trained_on_dollars_meets_kronor(shop):
    """Each door tells what is wrong in the words of docs/units.md, and without them the prediction is nonsense."""
    model, signature = _trained(shop)
    assert signature in PAGE
    assert signature in shop.hotrow("features", "show", "demand")
    with Client(shop.address, timeout_s=30) as client:
        right, dollars = _predicted(model, client, signature=signature)
        assert right == pytest.approx(100 - 9 * 4 - 2)

        # The source is to be in kronor. The view in dollars cannot become one.
        (shop.path / "features.py").write_text(DOLLARS.replace('"USD"', '"SEK"'))
        planned = shop.run("plan", "--offline")  # the file is in dollars yet, which plan would say too
        assert planned.returncode == 1
        for line in (planned.stdout + planned.stderr).splitlines():
            assert line in PAGE

        # So there is a new one, and the service has its price.
        _apply_kronor(shop)
        shop.hotrow("apply", "--wait")
        shop.hotrow("materialize", "2026-01-01", "now", "--views", "prices_sek")
        wrong, _ = _predicted(model, client)
        assert wrong == pytest.approx(100 - 9 * 4 * SEK_PER_USD - 2)

        # A reader who says what its model was trained with is not answered.
        read = _refusal(lambda: _predicted(model, client, signature=signature))
        assert read.code is Code.FAILED_PRECONDITION
        assert read.message in PAGE
        got = shop.run("get", "demand", "product_id=1", "--signature", signature)
        assert got.returncode == 1
        assert read.message in got.stderr
        assert _predicted(model, client, signature=signature, snapshot=dollars) == (pytest.approx(right), dollars)

        # A producer of kronor is not let into the view in dollars.
        rows = {"product_id": [1], "price": [42.0], "weight": [1.0]}
        pushed = _refusal(lambda: client.push("prices_push", rows, units={"price": "SEK"}))
        assert pushed.code is Code.INVALID
        assert pushed.message in PAGE
        assert client.push("prices_sek_push", rows, units={"price": "SEK"}).written == 1

    # Nor is a file of kronor, wherever it is read.
    shop.write_prices("prices.parquet", [price * SEK_PER_USD for price in DOLLAR_PRICES], "SEK")
    for command in (
        ("materialize", "2026-01-01", "now", "--views", "prices"),
        ("historical", "sales.parquet", "prices:price", "-o", "other.parquet"),
    ):
        done = shop.run(*command)
        assert done.returncode == 1
        assert done.stderr.replace(f"{shop.path}/", "").strip() in PAGE
    assert not (shop.path / "other.parquet").exists()


def _apply_kronor(shop):
    definitions = DOLLARS.partition("demand =")[0] + KRONOR[KRONOR.index("prices_sek =") :]
    (shop.path / "features.py").write_text(definitions)
    shop.write_prices("prices_sek.parquet", [price * SEK_PER_USD for price in DOLLAR_PRICES], "SEK")
