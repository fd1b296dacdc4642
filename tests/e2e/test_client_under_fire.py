"""The clients while the server is killed and started again: what was acknowledged is there, once; and its workers."""

import asyncio
import os
import signal
import threading
import time

import pytest
from hotrow.v1.push_pb2 import WRITTEN
from hotrow_client import AsyncClient, Client, HotrowError, HotrowRpcError, Status

from .processes import until

READ_BACK_S = 60


def _push_until(client, producer, end_s, log):
    """Push rows of drivers of its own, each value once; `log` gets what was acknowledged."""
    number = 0
    while time.monotonic() < end_s:
        number += 1
        ids = [producer * 1000 + number % 7, producer * 1000 + 100 + number % 7]
        reply = client.push("stats_push", {"driver_id": ids, "value": [float(number)] * 2}, event_time=[number] * 2)
        log.append((producer, number, ids, reply.results.tolist()))


def _check(client, log):
    """Every acknowledged push was written, not found stale or twice, and the last of each driver is what reads see."""
    assert [entry for entry in log if entry[3] != [WRITTEN] * 2] == []
    last = {}
    for _, number, ids, _ in log:
        last |= dict.fromkeys(ids, float(number))
    reply = client.read("stats:value", {"driver_id": list(last)}, timeout_s=READ_BACK_S)
    assert reply["value"].tolist() == list(last.values())


@pytest.mark.timeout(300)
def test_kills_under_load_lose_nothing_and_apply_nothing_twice(run, repository):
    """A push whose answer was lost is sent again under its id: it is answered WRITTEN and not SKIPPED_STALE."""
    serve = run("serve")
    serve.wait_ready()
    log, failures, counts = [], [], {"reads": 0}
    with Client(repository.settings.server.address, timeout_s=60, coalesce=1) as client:
        end_s = time.monotonic() + 8

        def produce(producer):
            try:
                _push_until(client, producer, end_s, log)
            except HotrowError as error:
                failures.append(error)

        def read():
            try:
                while time.monotonic() < end_s:
                    client.read("stats:value", {"driver_id": [1000, 5]})
                    counts["reads"] += 1
            except HotrowError as error:
                failures.append(error)

        threads = [threading.Thread(target=produce, args=(n,)) for n in range(1, 4)]
        threads += [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for role in ("ingest", "server", "ingest", "server"):
            time.sleep(1.2)
            pid = serve.worker(role).pid
            os.kill(pid, signal.SIGKILL)
            until(lambda role=role, pid=pid: serve.worker(role).pid != pid)
        for thread in threads:
            thread.join(120)
        assert failures == []
        assert counts["reads"] > 20
        assert len(log) > 20
        _check(client, log)


@pytest.mark.timeout(300)
async def test_a_restart_is_ridden_out_by_coroutines(run, repository):
    """The whole server stops and comes again; calls within their deadline do not fail."""
    serve = run("serve")
    serve.wait_ready()
    log = []
    async with AsyncClient(repository.settings.server.address, timeout_s=90, coalesce=1) as client:
        stop = asyncio.Event()

        async def produce(producer):
            number = 0
            while not stop.is_set():
                number += 1
                ids = [producer * 1000, producer * 1000 + 1]
                rows = {"driver_id": ids, "value": [float(number)] * 2}
                reply = await client.push("stats_push", rows, event_time=[number] * 2)
                log.append((producer, number, ids, reply.results.tolist()))

        async def read():
            while not stop.is_set():
                await client.read("stats:value", {"driver_id": [1000]})

        tasks = [asyncio.create_task(produce(n)) for n in range(1, 4)]
        tasks += [asyncio.create_task(read()) for _ in range(8)]
        await asyncio.sleep(1)
        await asyncio.to_thread(serve.stop)
        again = run("serve")
        await asyncio.to_thread(again.wait_ready)
        before = len(log)
        await asyncio.sleep(1)
        stop.set()
        await asyncio.gather(*tasks)
        assert len(log) > before
    with Client(repository.settings.server.address) as client:
        _check(client, log)


def test_calls_are_spread_over_the_workers(run, repository):
    """A port is shared by two; sixteen connections do not all go to one of them."""
    serve = run("serve")
    serve.wait_ready()
    with Client(repository.settings.server.address, connections=16) as client:
        workers = [client.server_info().worker for _ in range(32)]
        assert workers[:16] == workers[16:]
        assert len(set(workers)) == 2
        with pytest.raises(HotrowRpcError, match="driver_id"):
            client.read("stats:value", {"driver": [1]})
    assert {worker.pid for worker in serve.state().workers if worker.role == "server"} == set(workers)


def test_many_callers_share_calls(run, repository):
    """Each gets the rows it asked for, in its order; one that asks wrongly gets its own error."""
    serve = run("serve")
    serve.wait_ready()
    with Client(repository.settings.server.address, coalesce=1) as client:
        ids = list(range(200))
        client.push("stats_push", {"driver_id": ids, "value": [i / 2 for i in ids]})
        wrong = []

        def read(first):
            for turn in range(40):
                asked = [(first * 7 + turn * 3) % 200, 1000 + turn, (first + turn) % 200]
                reply = client.read("stats:value", {"driver_id": asked})
                expected = [asked[0] / 2, None, asked[2] / 2]
                if reply["value"].tolist() != expected or reply.statuses("value")[1] != Status.NOT_FOUND:
                    wrong.append((asked, reply.to_dict()))

        def mistake():
            for _ in range(40):
                try:
                    client.read("stats:value", {"driver_id": ["x"]})
                    wrong.append("no error")
                except HotrowRpcError as error:
                    if "driver_id" not in str(error):
                        wrong.append(error)

        threads = [threading.Thread(target=read, args=(n,)) for n in range(16)] + [threading.Thread(target=mistake)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert wrong == []
