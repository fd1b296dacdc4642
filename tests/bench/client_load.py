"""A process with many callers of one client, for section `client`: a line of JSON in, a line of JSON out.

In: address, facade ("threads" or "asyncio"), coalesce, callers, seconds. Out: CPU time of this process and the latency
of each read, in microseconds. A caller reads R1 of a random driver and looks at every value, then at once again.
"""

import asyncio
import json
import random
import sys
import threading
from typing import Any

from hotrow import clock
from hotrow_client import AsyncClient, Client, Reply

from tests.bench.dataset import DRIVERS, READS

_NAMES = READS["R1"].names


def _use(reply: Reply) -> None:
    for name in reply.names:
        if not reply.columns[name].present.all():
            raise ValueError(f"{name} is not there")
        _ = reply.columns[name].values


def _entities() -> dict[str, list[int]]:
    return {"driver_id": [random.randrange(DRIVERS)]}


def _threads(client: Client, callers: int, end_ns: int) -> list[float]:
    taken: list[float] = []

    def call() -> None:
        while (begun_ns := clock.monotonic_ns()) < end_ns:
            _use(client.read(_NAMES, _entities()))
            taken.append((clock.monotonic_ns() - begun_ns) / 1e3)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


async def _coroutines(client: AsyncClient, callers: int, end_ns: int) -> list[float]:
    taken: list[float] = []

    async def call() -> None:
        while (begun_ns := clock.monotonic_ns()) < end_ns:
            _use(await client.read(_NAMES, _entities()))
            taken.append((clock.monotonic_ns() - begun_ns) / 1e3)

    await asyncio.gather(*(call() for _ in range(callers)))
    return taken


async def _asyncio(order: dict[str, Any]) -> dict[str, Any]:
    async with AsyncClient(order["address"], coalesce=order["coalesce"], timeout_s=60) as client:
        await client.read(_NAMES, _entities())
        begun_ns = clock.own_cpu_ns()
        end_ns = clock.monotonic_ns() + int(order["seconds"] * 1e9)
        taken = await _coroutines(client, order["callers"], end_ns)
        return {"cpu_s": (clock.own_cpu_ns() - begun_ns) / 1e9, "latencies_us": taken}


def _sync(order: dict[str, Any]) -> dict[str, Any]:
    with Client(order["address"], coalesce=order["coalesce"], timeout_s=60) as client:
        client.read(_NAMES, _entities())
        begun_ns = clock.own_cpu_ns()
        end_ns = clock.monotonic_ns() + int(order["seconds"] * 1e9)
        taken = _threads(client, order["callers"], end_ns)
        return {"cpu_s": (clock.own_cpu_ns() - begun_ns) / 1e9, "latencies_us": taken}


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        outcome = asyncio.run(_asyncio(order)) if order["facade"] == "asyncio" else _sync(order)
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
