"""Section `cluster`: what a request costs with the rows on a Redis Cluster of three nodes, beside one server."""

import contextlib

from tests.bench.dataset import workload_requests
from tests.bench.measure import interleaved, ratio, summary
from tests.bench.peer_process import redis
from tests.bench.process import Setup, hotrow
from tests.bench.record import Figures, Section, Table, Value, rounded
from tests.bench.section import Bench, say
from tests.bench.workload import contenders_of, yardsticks_of
from tests.support.redis_cluster import RedisCluster

_NAMES = ("R1", "R2", "R3", "W1", "W1000")


def measure_cluster(bench: Bench) -> Section:
    """CPU time of the worker that answers, without that of Redis, which keeps its rows in memory alone."""
    requests = {name: workload_requests(name) for name in _NAMES}
    figures: Figures = {}
    rows: list[tuple[Value, ...]] = []
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(redis(bench.folder))
        cluster = RedisCluster(bench.folder / "nodes").start()
        stack.callback(cluster.kill)
        single = stack.enter_context(hotrow(bench.folder / "one", Setup(redis=f"redis://{one.address}/0")))
        spread = stack.enter_context(hotrow(bench.folder / "spread", Setup(redis=cluster.url, redis_mode="cluster")))
        yardsticks = stack.enter_context(yardsticks_of(single, requests, ("echo",)))
        for name, asked in requests.items():
            contenders = {
                "single": contenders_of(name, single, {}, asked)["hotrow"],
                "cluster": contenders_of(name, spread, {}, asked)["hotrow"],
                "echo": contenders_of(name, single, yardsticks, asked)["echo"],
            }
            for callers in bench.callers:
                runs = interleaved(bench.load, contenders, callers=callers, seconds=bench.seconds, pairs=bench.pairs)
                found = ratio(runs["cluster"], runs["single"])
                costs = [rounded(summary(runs[kind]).cpu_us) for kind in ("cluster", "single")]
                rows.append((name, callers, *costs, found, ratio(runs["cluster"], runs["echo"])))
                figures[f"{name} on a cluster x on one server, {callers} callers"] = found
                say(f"  {name}, {callers} callers: x one server {found}; CPU us a request: {costs}")
    columns = ("workload", "callers", "cluster CPU us", "one server CPU us", "x one server", "x echo")
    return Section([Table("Requests with the rows on a Redis Cluster", columns, rows)], figures)
