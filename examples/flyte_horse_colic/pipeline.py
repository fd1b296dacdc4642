"""The pipeline as a plain script.

python pipeline.py --strategy mean        run all steps on a branch, as one execution
python pipeline.py publish EXECUTION      make that execution's definitions the head
"""

import argparse
import secrets
import sqlite3

import steps
from hotrow import HotrowError


def main() -> None:
    """Run or publish, as the command line says."""
    parser = argparse.ArgumentParser(description="Predict which horse with colic lives.")
    parser.add_argument("--strategy", default="median", help="what a null becomes: mean or median")
    parser.add_argument("--features", type=int, default=5, help="how many the model gets (default: 5)")
    parser.add_argument("--horse", type=int, default=530101, help="hospital number of the horse (default: 530101)")
    parser.add_argument("--execution", default="", help="a name for this execution (default: a random one)")
    parser.add_argument("command", nargs="?", choices=["run", "publish"], default="run")
    parser.add_argument("published", nargs="?", metavar="EXECUTION", help="which one to publish")
    given = parser.parse_args()
    if given.command == "publish":
        if not given.published:
            parser.error("publish which execution? Its name stands in what its run printed")
        head = steps.publish(steps.REPOSITORY, given.published)
        print(f"published: the head is {head.snapshot().id[:12]}")
    else:
        run(given)


def run(given: argparse.Namespace) -> None:
    """All steps, one after another."""
    strategy = steps.checked_strategy(given.strategy)
    steps.setup()
    execution = given.execution or secrets.token_hex(4)
    raw = steps.start(steps.REPOSITORY, execution)
    print(f"execution {execution}: branch run-{execution}, R    {raw.snapshot().id[:12]}")
    imputed = steps.impute(raw, strategy)
    print(f"imputers fitted ({given.strategy}), R'   {imputed.snapshot().id[:12]}")
    stored = steps.store_offline(imputed)
    print(f"features in Parquet, R''  {stored.snapshot().id[:12]}")
    selected = steps.select(stored, given.features)
    print(f"features selected, R''' {selected.snapshot().id[:12]}")
    model = steps.train(selected)
    print(f"model trained: right of {model.accuracy:.0%} of the horses after it, always the same: {model.majority:.0%}")
    print(f"materialized: {steps.materialize(selected)} horses")
    prediction = steps.predict(selected, model, given.horse)
    print(f"horse {given.horse}: {prediction.features}")
    print(f"it lives with probability {prediction.lives:.2f}; publish with: python pipeline.py publish {execution}")


if __name__ == "__main__":
    try:
        main()
    except (HotrowError, LookupError, OSError, ValueError, sqlite3.Error) as error:
        raise SystemExit(f"pipeline: {error}") from None
