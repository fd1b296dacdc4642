"""The pipeline as a Flyte workflow, a task a step.

pyflyte run workflow.py colic --strategy mean
pyflyte run workflow.py publish --execution EXECUTION
"""

import secrets
from pathlib import Path

import flyte_store  # noqa: F401 - tells flytekit how a FeatureStore is handed on
import steps
from flytekit import current_context, task, workflow
from hotrow import FeatureStore
from steps import Model

REPOSITORY = str(steps.REPOSITORY)


@task
def start(repo: str, execution: str) -> FeatureStore:
    """On a branch of this execution's name, or, where flytekit runs it here and names each "local", a random one."""
    name = execution or current_context().execution_id.name
    if name == "local":
        name = f"local-{secrets.token_hex(4)}"
    steps.setup(Path(repo))
    print(f"execution {name}")
    return steps.start(Path(repo), name)


@task
def impute(store: FeatureStore, strategy: str) -> FeatureStore:
    """R to R'."""
    return steps.impute(store, steps.checked_strategy(strategy))


@task
def store_offline(store: FeatureStore) -> FeatureStore:
    """R' to R''."""
    return steps.store_offline(store)


@task
def select(store: FeatureStore, features: int) -> FeatureStore:
    """R'' to R'''."""
    return steps.select(store, features)


@task
def train(store: FeatureStore) -> Model:
    """The model, with the signature of its features."""
    model = steps.train(store)
    print(f"right of {model.accuracy:.0%} of the horses after the training, always the same: {model.majority:.0%}")
    return model


@task
def materialize(store: FeatureStore) -> FeatureStore:
    """The same store, of which the rows are online."""
    print(f"materialized: {steps.materialize(store)} horses")
    return store


@task
def predict(store: FeatureStore, model: Model, horse: int) -> float:
    """The probability that the horse lives."""
    prediction = steps.predict(store, model, horse)
    print(f"horse {horse}: {prediction.features}; it lives with probability {prediction.lives:.2f}")
    return prediction.lives


@workflow
def colic(
    strategy: str = "median", features: int = 5, horse: int = 530101, execution: str = "", repo: str = REPOSITORY
) -> float:
    """One execution, from R to a prediction."""
    imputed = impute(store=start(repo=repo, execution=execution), strategy=strategy)
    selected = select(store=store_offline(store=imputed), features=features)
    model = train(store=selected)
    online = materialize(store=selected)
    return predict(store=online, model=model, horse=horse)


@task
def publish(execution: str, repo: str = REPOSITORY) -> FeatureStore:
    """Make an execution's definitions the head; run it by itself, when the execution has been looked at."""
    return steps.publish(Path(repo), execution)
