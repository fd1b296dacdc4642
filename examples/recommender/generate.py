"""Make the data of this example. It is synthetic: nobody bought any of it, and no figure says anything of a real shop.

A user likes some types of articles more than others, buys what is liked and cheap, and now and then anything. The same
seed gives the same rows, always.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 20240501
ARTICLES, USERS, SALES = 60, 80, 3000
FIRST = datetime(2024, 5, 1, tzinfo=UTC)
SEK_A_USD = 10.5
TYPES = {
    "boots": ["leather", "hiking", "winter", "rubber"],
    "jacket": ["rain", "down", "denim", "winter"],
    "lamp": ["reading", "desk", "brass", "paper"],
    "tea": ["green", "black", "winter", "herbal"],
}
TIME = pa.timestamp("us", tz="UTC")

Texts = npt.NDArray[np.str_]
Numbers = npt.NDArray[np.float64]


def generate(folder: Path) -> None:
    """Write articles.parquet, prices.parquet, prices_sek.parquet, article_user.parquet and sales.parquet."""
    random = np.random.default_rng(SEED)
    kinds = random.choice(list(TYPES), ARTICLES)
    titles = [f"{' '.join(random.choice(TYPES[kind], 2, replace=False))} {kind}" for kind in kinds]
    usd = np.round(random.uniform(5, 80, ARTICLES), 2)
    liking = random.dirichlet(np.full(len(TYPES), 0.6), USERS)  # of each user, a share a type
    numbers = np.arange(ARTICLES)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "articles.parquet", {"article_id": numbers, "title": titles})
    _write(folder / "prices.parquet", {"article_id": numbers, "price": usd}, unit="USD")
    _write(folder / "prices_sek.parquet", {"article_id": numbers, "price": np.round(usd * SEK_A_USD, 2)}, unit="SEK")
    _write(folder / "article_user.parquet", _pairs(random, kinds, liking))
    _write(folder / "sales.parquet", _sales(random, kinds, liking, usd))


def _pairs(random: np.random.Generator, kinds: Texts, liking: Numbers) -> dict[str, Any]:
    """Every article with every user."""
    article, user = (grid.ravel() for grid in np.meshgrid(np.arange(ARTICLES), np.arange(USERS)))
    place = _places(kinds)[article]
    return {
        "article_id": article,
        "user_id": user,
        "article_type": kinds[article],
        "previous_purchases": random.poisson(6 * liking)[user, place],
        "affinity": np.round(liking[user, place], 4),
    }


def _sales(random: np.random.Generator, kinds: Texts, liking: Numbers, usd: Numbers) -> dict[str, Any]:
    """Which user was shown which article when, and whether it was bought: the entity rows and what is learnt."""
    article, user = random.integers(0, ARTICLES, SALES), random.integers(0, USERS, SALES)
    logit = 5 * liking[user, _places(kinds)[article]] - 0.06 * usd[article]
    minutes = np.sort(random.integers(1, 60 * 24 * 30, SALES))
    return {
        "article_id": article,
        "user_id": user,
        "event_timestamp": pa.array([FIRST + timedelta(minutes=int(minute)) for minute in minutes], TIME),
        "bought": random.random(SALES) < 1 / (1 + np.exp(-logit)),
    }


def _places(kinds: Texts) -> npt.NDArray[np.int64]:
    """The place of each article's type in a user's shares."""
    return np.array([list(TYPES).index(kind) for kind in kinds])


def _write(path: Path, columns: dict[str, Any], unit: str = "") -> None:
    """A file of these columns; unless they tell the time, all of it was so from FIRST on. `unit` is the price's."""
    table = pa.table(columns)
    if "event_timestamp" not in columns:
        table = table.append_column("at", pa.array([FIRST] * table.num_rows, TIME))
    if unit:
        place = table.schema.get_field_index("price")
        stated = table.schema.field(place).with_metadata({"unit": unit})
        table = table.set_column(place, stated, table.column(place))
    pq.write_table(table, path)
