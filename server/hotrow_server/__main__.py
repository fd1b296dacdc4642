"""`python -m hotrow_server`: one server worker, as a supervisor starts it."""

import argparse
import sys

from hotrow.supervisor.control import Start
from hotrow.supervisor.worker import Worker, run_worker


def _build(start: Start) -> Worker:
    from hotrow_server.app import build_worker  # noqa: PLC0415 - loads the kernels, while the supervisor is watched

    return build_worker(start)


def main() -> int:
    """Run the worker; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m hotrow_server",
        description="A server worker. A supervisor starts it: run `hotrow serve` or `hotrow server`.",
    )
    parser.add_argument("--repo", required=True, help="the feature repository, for whoever lists processes")
    parser.add_argument("--control-fd", type=int, required=True, help="the inherited socket to the supervisor")
    parser.add_argument("--worker", type=int, required=True, help="the index among the server workers")
    return run_worker("server", parser.parse_args().control_fd, _build)


if __name__ == "__main__":
    sys.exit(main())
