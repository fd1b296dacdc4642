"""The steps of the pipeline, once: `workflow.py` (Flyte), `pipeline.py` (a script) and `pipeline.ipynb` call them.

A step takes a `FeatureStore` and returns one. What it defines is applied on the execution's own branch, so each store
is on the next snapshot: R, from which an execution starts, then R' and so on. No other execution sees any of them.
"""

import contextlib
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from build_database import build_database
from hotrow import Code, FeatureService, FeatureStore, FeatureView, Field, Float64, HotrowError, ParquetSource, encoders
from repository.features import treatments
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.naive_bayes import GaussianNB

Strategy = Literal["mean", "median"]

REPOSITORY = Path(__file__).resolve().parent / "repository"
DATABASE = "data/clinic.db"
KEY, TIME, LIVED = "hospital_number", "event_timestamp", "lived"
RAW, FEATURES, SERVICE = "treatments", "horse_features", "colic_model"
SPLIT = datetime(1989, 8, 14, 18, tzinfo=UTC)
"""The imputers, the selection and the model learn from the 210 treatments before it; the others are what they meet."""


class Model:
    """A classifier with what belongs to it: the signature of the features that it was trained with, and how good it is.

    `accuracy` is the share of horses after SPLIT of which it says rightly whether they lived, `majority` that of the
    answer which was the more frequent one before it. A plain class, which flytekit pickles: of a dataclass it would
    make JSON, and a classifier has none.
    """

    def __init__(self, classifier: GaussianNB, signature: str, *, accuracy: float, majority: float) -> None:
        self.classifier = classifier
        self.signature = signature
        self.accuracy = accuracy
        self.majority = majority


@dataclass(frozen=True)
class Prediction:
    """What was read online of a horse, and the probability that it lives."""

    features: dict[str, float]
    lives: float


def checked_strategy(text: str) -> Strategy:
    """What an imputer puts in the place of a null; raises ValueError."""
    for one in get_args(Strategy):
        if one == text:
            strategy: Strategy = one
            return strategy
    raise ValueError(f"strategy is {text!r}; give one of {', '.join(get_args(Strategy))}")


def setup(repo: Path = REPOSITORY) -> FeatureStore:
    """Build the database where there is none, and bring what repository/features.py says into the head.

    As objects: `apply` of the files would take away what was published. Where the head has them nothing changes.
    """
    if not (repo / DATABASE).exists():
        build_database(repo / DATABASE)
    return FeatureStore(repo).apply([treatments])


def start(repo: Path, execution: str) -> FeatureStore:
    """R: the head as it is now, on a branch of the execution's own.

    The prefix is there because flytekit names executions by hexadecimal digits, as snapshots are named.
    """
    return FeatureStore(repo).on_branch(f"run-{execution}")


def impute(store: FeatureStore, strategy: Strategy) -> FeatureStore:
    """R': with an imputer a raw feature, fitted on the treatments before SPLIT. Codes are ordered, and get a median."""
    raw = store.snapshot().views[RAW]
    names = [field.name for field in raw.fields]
    rows = _treatments(store)
    known = store.get_historical_features(rows[rows[TIME] < SPLIT], [f"{RAW}:{name}" for name in names])
    imputers = [
        encoders.impute(_filled(field.name), raw[field.name], strategy=strategy if field.type is Float64 else "median")
        for field in raw.fields
    ]
    return store.apply([encoders.fit(imputer, known) for imputer in imputers])


def store_offline(store: FeatureStore) -> FeatureStore:
    """R'': with a view of the imputed features, whose rows are in a Parquet file of the execution's own."""
    snapshot = store.snapshot()
    raw = snapshot.views[RAW]
    names = [field.name for field in raw.fields]
    rows = pa.Table.from_pandas(_treatments(store)[[KEY, TIME]], preserve_index=False)
    table = store.get_historical_features(rows, [f"{_filled(name)}:{_filled(name)}" for name in names])
    path = f"data/runs/{snapshot.namespace}/{FEATURES}.parquet"
    (store.repo / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.rename_columns([KEY, TIME, *names]), store.repo / path)
    view = FeatureView(
        FEATURES,
        entities=raw.entities,
        schema=[Field(field.name, Float64, unit=field.unit, description=field.description) for field in raw.fields],
        source=ParquetSource(path, event_time=TIME),
        description="Treatments without nulls",
    )
    return store.apply([view])


def select(store: FeatureStore, count: int) -> FeatureStore:
    """R''': with the model's feature service, of the `count` features that alone tell most (ANOVA's F)."""
    view = store.snapshot().views[FEATURES]
    names = [field.name for field in view.fields]
    if not 1 <= count <= len(names):
        raise ValueError(f"{count} features are asked for, and there are 1 to {len(names)} to choose")
    rows = _treatments(store).dropna(subset=[LIVED])
    known = store.get_historical_features(rows[rows[TIME] < SPLIT], [f"{FEATURES}:{name}" for name in names])
    best = SelectKBest(f_classif, k=count).fit(known[names], known[LIVED])
    chosen = [name for name, kept in zip(names, best.get_support(), strict=True) if kept]
    return store.apply([FeatureService(SERVICE, features=[view[chosen]])])


def train(store: FeatureStore) -> Model:
    """A Gaussian naive Bayes of the service's features, as they were when each horse came in."""
    frame = store.get_historical_features(_treatments(store).dropna(subset=[LIVED]), SERVICE)
    names = _names(store)
    known, later = frame[frame[TIME] < SPLIT], frame[frame[TIME] >= SPLIT]
    classifier = GaussianNB().fit(known[names], known[LIVED])
    majority = known[LIVED].mode()[0]
    return Model(
        classifier,
        frame.attrs["hotrow.signature"],
        accuracy=float(classifier.score(later[names], later[LIVED])),
        majority=float((later[LIVED] == majority).mean()),
    )


def materialize(store: FeatureStore) -> int:
    """Load the imputed features into the online store, for this store's branch alone; returns how many horses."""
    (report,) = store.materialize("1989-08-06", "now", views=[FEATURES])
    return report.written + report.stale


def predict(store: FeatureStore, model: Model, horse: int) -> Prediction:
    """Read a horse's features online, with the signature of the training, and ask the model.

    Where no server runs, one is started for it. Raises LookupError for a horse that has no row.
    """
    with store.serving():
        reply = store.get_online_features(SERVICE, {KEY: [horse]}, signature=model.signature)
    (features,) = reply.to_rows()
    if None in features.values():
        raise LookupError(f"no horse has the hospital number {horse}: {features}")
    frame = pd.DataFrame([features])[_names(store)]
    return Prediction(features, float(model.classifier.predict_proba(frame)[0, 1]))


def publish(repo: Path, execution: str) -> FeatureStore:
    """Make an execution's definitions the head, and load the head's rows.

    Raises HotrowError CONFLICT where the head is no longer R, because another was published since.
    """
    try:
        head = FeatureStore(repo, snapshot=f"run-{execution}").publish()
    except HotrowError as error:
        if error.code is not Code.CONFLICT:
            raise
        remedy = "run the pipeline again: it starts from the head as it is now; then publish that execution"
        message = f"execution {execution} is not published: {error.message}. Of a pipeline that is one step: {remedy}"
        raise HotrowError(error.code, message) from None
    materialize(head)
    return head


def _treatments(store: FeatureStore) -> pd.DataFrame:
    """The entity rows: which horse came in when, and whether it lived (null where nobody knows)."""
    query = f"SELECT {KEY}, admitted_at, outcome = 1 FROM {RAW} ORDER BY admitted_at"
    database = store.repo / DATABASE
    if not database.is_file():
        raise FileNotFoundError(f"there is no database {database}; `steps.setup` builds it")
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute(query).fetchall()
    frame = pd.DataFrame(rows, columns=[KEY, TIME, LIVED])
    return frame.assign(**{TIME: pd.to_datetime(frame[TIME])})


def _names(store: FeatureStore) -> list[str]:
    """The features of the model, in its order."""
    return [one.feature for one in store.snapshot().services[SERVICE].features]


def _filled(name: str) -> str:
    return f"{name}_filled"
