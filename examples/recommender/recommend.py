"""The whole of it, once: data, definitions, a model, recommendations from features that are read online, a purchase,
and what happens when prices in kronor meet a model that learnt from dollars.

    python recommend.py

It can be run again: it starts from the definitions in repository/, and what was bought stays bought.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from generate import ARTICLES, SEED, generate
from hotrow import FeatureService, FeatureStore, FeatureView, Field, Float64, HotrowError, ParquetSource
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

REPOSITORY = Path(__file__).resolve().parent / "repository"
SERVICE, USER, ARTICLE_SHOWN, BEST = "ranking", 7, 0, 3
SHARE_TRAINED = 0.8


@dataclass(frozen=True)
class Model:
    """A classifier and the signature of the features that it was trained with."""

    classifier: Pipeline
    signature: str

    def scores(self, features: pd.DataFrame) -> npt.NDArray[np.float64]:
        """The probability that each article is bought."""
        scores: npt.NDArray[np.float64] = self.classifier.predict_proba(_numbers(features))[:, 1]
        return scores


def main() -> None:
    """All steps."""
    generate(REPOSITORY / "data")
    store = FeatureStore(REPOSITORY).apply(allow_removals=True)
    print(f"synthetic data of seed {SEED}; definitions applied: snapshot {store.snapshot().id[:12]}")
    model = train(store)
    store.materialize("2024-01-01", "now")
    with store.serving():
        bought = recommend(store, model)
        buy(store, bought)
        recommend(store, model)
        meet_kronor(store, model)


def train(store: FeatureStore) -> Model:
    """Learn from the first part of the sales, with the features as they were then, and say how it does on the rest."""
    sales = pd.read_parquet(REPOSITORY / "data" / "sales.parquet")
    frame = store.get_historical_features(sales, SERVICE)
    cut = int(len(frame) * SHARE_TRAINED)
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(_numbers(frame[:cut]), frame["bought"][:cut])
    right = classifier.score(_numbers(frame[cut:]), frame["bought"][cut:])
    majority = max(frame["bought"][cut:].mean(), 1 - frame["bought"][cut:].mean())
    print(
        f"trained on {cut} sales: right about {right:.0%} of the {len(frame) - cut} after, the majority {majority:.0%}"
    )
    return Model(classifier, frame.attrs["hotrow.signature"])


def recommend(store: FeatureStore, model: Model) -> int:
    """Score all articles for a user, from one read; returns the best one's id."""
    entities = {"article_id": list(range(ARTICLES)), "user_id": [USER] * ARTICLES}
    reply = store.get_online_features(SERVICE, entities, signature=model.signature)
    scores = model.scores(reply.to_pandas())
    best = np.argsort(-scores)[:BEST]
    titles = store.get_online_features(["articles:title"], {"article_id": best})["title"]
    print(f"recommended to user {USER}:")
    for place, title in zip(best, titles, strict=True):
        print(f"  {scores[place]:.3f}  article {place}, {title}, {reply['price'][place]:.2f} USD")
    return int(best[0])


def buy(store: FeatureStore, article: int) -> None:
    """The user buys an article: the pair's row is pushed, and the next read sees it."""
    pair = {"article_id": [article], "user_id": [USER]}
    names = ["article_type", "previous_purchases", "affinity"]
    features = [f"article_user:{name}" for name in names]
    (before,) = store.get_online_features(features, pair).to_rows()
    row = {"article_id": article, "user_id": USER, **before}
    row["previous_purchases"] += 1
    row["affinity"] = round(before["affinity"] / 2, 4)  # who has one needs no second
    pushed = store.push("article_user_push", [row], units={"previous_purchases": "count"})
    (after,) = store.get_online_features(features, pair, min_token=pushed.token).to_rows()
    print(f"user {USER} buys article {article}:")
    for name in names:
        print(f"  {name}: {before[name]} is now {after[name]}")
    if after != {name: row[name] for name in names}:
        raise RuntimeError(f"what was pushed is not what is read: {after}")


def meet_kronor(store: FeatureStore, model: Model) -> None:
    """Somebody gives the service prices in kronor, and the model's signature tells."""
    snapshot = store.snapshot()
    kronor = FeatureView(
        "prices_sek",
        entities=snapshot.views["prices"].entities,
        schema=[Field("price", Float64, unit="SEK")],
        source=ParquetSource("data/prices_sek.parquet", event_time="at"),
    )
    pair = snapshot.views["article_user"][["previous_purchases", "affinity"]]
    texts = [snapshot.transforms[name] for name in ("title_words", "type_hot")]
    changed = store.apply([FeatureService(SERVICE, features=[kronor, pair, *texts])])
    with changed.serving():  # the same server, as soon as it serves this snapshot
        changed.materialize("2024-01-01", "now", views=["prices_sek"])
    print(f"prices are in kronor now: snapshot {changed.snapshot().id[:12]}")

    entities = {"article_id": [ARTICLE_SHOWN], "user_id": [USER]}
    unchecked = changed.get_online_features(SERVICE, entities).to_pandas()
    print(f"without the signature the model would say {model.scores(unchecked)[0]:.6f} of article {ARTICLE_SHOWN}")
    try:
        changed.get_online_features(SERVICE, entities, signature=model.signature)
    except HotrowError as error:
        print(f"with it the read is refused: {error.code.name}: {error.message}")
    else:
        raise RuntimeError("a model that learnt from dollars was given kronor")
    right = store.get_online_features(SERVICE, entities, signature=model.signature).to_pandas()
    print(f"on the snapshot of the training it says {model.scores(right)[0]:.6f}")


def _numbers(features: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The features as a matrix, a row an article: single numbers first, then the vectors."""
    singles = features[["price", "previous_purchases", "affinity"]].to_numpy(np.float64)
    vectors = [np.vstack(features[name].to_list()) for name in ("title_words", "type_hot")]
    return np.hstack([singles, *vectors])


if __name__ == "__main__":
    try:
        main()
    except (HotrowError, RuntimeError, OSError) as error:
        raise SystemExit(f"recommend: {error}") from None
