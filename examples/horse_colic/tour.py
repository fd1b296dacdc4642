"""The tour of this repository: build its data, apply, materialize, serve, read, push, and read what was pushed.

    python tour.py           and serve until Ctrl-C
    python tour.py --once    and stop; `hotrow serve` in this folder then serves what was materialized

It can be run again: what is applied and materialized stays as it is, and each tour's push is newer than the last.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import build_parquet
from hotrow_client import Client, HotrowError, Reply

FOLDER = Path(__file__).resolve().parent
LOG = FOLDER / "data" / "serve.log"
READ_HORSE = 530101
PUSHED_HORSE = 534817
VITALS = ["rectal_temp", "pulse", "respiratory_rate", "packed_cell_volume", "total_protein"]
START, END = "1989-08-06", "1989-09-01"
READY_TIMEOUT_S = 300  # the first start compiles the kernels
STOP_TIMEOUT_S = 60
CALLS = 200


def main() -> None:
    once = "--once" in sys.argv[1:] or os.environ.get("ONCE", "") not in ("", "0")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    settings = tomllib.loads((FOLDER / "hotrow.toml").read_text(encoding="utf-8"))
    address, ingest_address = settings["server"]["address"], settings["ingest"]["address"]
    check_free(address)
    check_free(ingest_address)

    began = time.monotonic()
    table = build_parquet.build()
    horses = len(set(table["hospital_number"].to_pylist()))
    tell(f"build: {table.num_rows} rows of {horses} horses, {table.num_columns - 1} columns", began)
    began = time.monotonic()
    tell(f"hotrow apply: {hotrow('apply').splitlines()[-1]}", began)
    began = time.monotonic()
    (view,) = json.loads(hotrow("materialize", START, END, "--json"))
    tell(
        f"hotrow materialize {START} {END}: {view['read']} rows read, {view['written']} written, {view['stale']} not "
        f"newer than what is stored, {view['superseded']} earlier ones of a horse treated twice",
        began,
    )
    with serving() as server:
        with Client(address) as client:
            read_and_push(client)
        print(f"\nTry it:\n  {grpcurl(address)}\n")
        if not once:
            print(f"Serving on {address} until Ctrl-C; its log is {LOG.relative_to(FOLDER)}", flush=True)
            wait(server)
    print(f"Stopped; `hotrow serve` in {FOLDER} serves it again" if once else "Stopped")


def read_and_push(client: Client) -> None:
    """One read, one push for another horse, and its new value read back."""
    began = time.monotonic()
    reply = client.read(feature_service="horse_triage", entities={"hospital_number": [READ_HORSE]})
    tell(f"read horse {READ_HORSE}: {shown(reply)}", began)

    vitals = client.read([f"horse_vitals:{name}" for name in VITALS], {"hospital_number": [PUSHED_HORSE]})
    row = {"hospital_number": PUSHED_HORSE, **vitals.to_rows()[0]}
    before, row["pulse"] = row["pulse"], 72.0 if row["pulse"] != 72.0 else 68.0
    began = time.monotonic()
    pushed = client.push("horse_vitals_push", [row], event_time=datetime.now(UTC))
    if pushed.written != 1:
        raise TourError(f"the push of horse {PUSHED_HORSE} was not written: {pushed}")
    tell(f"push horse {PUSHED_HORSE}: pulse {before:g} is now {row['pulse']:g}, on disk", began)

    began = time.monotonic()
    again = client.read("horse_vitals:pulse", {"hospital_number": [PUSHED_HORSE]}, min_token=pushed.token)
    if again["pulse"].tolist() != [row["pulse"]]:
        raise TourError(f"the read after the push answers {again.to_dict()}")
    tell(f"read horse {PUSHED_HORSE}: pulse {again['pulse'][0]:g}", began)

    began = time.monotonic()
    for _ in range(CALLS):
        client.read("horse_vitals:pulse", {"hospital_number": [READ_HORSE]})
    each_ms = (time.monotonic() - began) / CALLS * 1000
    tell(f"{CALLS} reads, one after another: {each_ms:.2f} ms each", began)


@contextmanager
def serving() -> Iterator[subprocess.Popen[str]]:
    """`hotrow serve`, ready; it is stopped with SIGTERM at the end, and has to exit with 0."""
    began = time.monotonic()
    with LOG.open("w", encoding="utf-8") as log:
        # In a process group of its own, so that Ctrl-C reaches the tour alone, which then asks it to stop, once.
        server = subprocess.Popen(
            command("serve"), cwd=FOLDER, stdout=subprocess.PIPE, stderr=log, text=True, process_group=0
        )
    try:
        tell(wait_until_ready(server), began)
        yield server
    finally:
        began = time.monotonic()
        server.terminate()
        try:
            code = server.wait(STOP_TIMEOUT_S)
        except (subprocess.TimeoutExpired, Stop):  # a second Ctrl-C does not wait
            server.kill()
            code = server.wait()
    if code:
        raise TourError(f"`hotrow serve` ended with exit code {code}\n{log_tail()}")
    tell("hotrow serve: drained, exit code 0", began)


def wait_until_ready(server: subprocess.Popen[str]) -> str:
    """The line with which it says so."""
    watchdog = threading.Timer(READY_TIMEOUT_S, server.kill)
    watchdog.start()
    try:
        for line in server.stdout or ():
            if "ready" in line:
                return line.strip()
    finally:
        watchdog.cancel()
    raise TourError(f"`hotrow serve` did not become ready (exit code {server.wait()})\n{log_tail()}")


def wait(server: subprocess.Popen[str]) -> None:
    try:
        code = server.wait()
    except Stop:
        print()
        return
    raise TourError(f"`hotrow serve` ended by itself, with exit code {code}\n{log_tail()}")


def hotrow(*arguments: str) -> str:
    """Run a `hotrow` command; returns what it says."""
    done = subprocess.run(command(*arguments), cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TourError(f"`hotrow {' '.join(arguments)}` failed\n{done.stdout}{done.stderr}")
    return done.stdout


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hotrow.cli.main", *arguments]


def check_free(address: str) -> None:
    """Fail where somebody listens at the address."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            reason = f"{address} is taken ({error.strerror}): stop what listens there, or change hotrow.toml"
            raise TourError(reason) from error


def grpcurl(address: str) -> str:
    """The same read by hand; the server's reflection makes a proto file unnecessary."""
    request = (
        '{"features":{"names":["horse_vitals:pulse"]},'
        f'"entities":[{{"name":"hospital_number","int64":{{"values":["{READ_HORSE}"]}}}}]}}'
    )
    return f"grpcurl -plaintext -d '{request}' {address} hotrow.v1.FeatureServer/GetOnlineFeatures"


def shown(reply: Reply) -> str:
    return ", ".join(f"{name} {'null' if value is None else value}" for name, value in reply.to_rows()[0].items())


def tell(text: str, began: float) -> None:
    print(f"{time.monotonic() - began:7.3f} s  {text}", flush=True)


def log_tail() -> str:
    return "".join(LOG.read_text(encoding="utf-8").splitlines(keepends=True)[-20:])


class TourError(Exception):
    """Something did not go as it should; the message says what."""


class Stop(Exception):  # noqa: N818 - a signal, not an error
    """A signal asks the tour to end."""


def stop(number: int, frame: object) -> NoReturn:
    del frame
    raise Stop(number)


if __name__ == "__main__":
    try:
        main()
    except (HotrowError, TourError) as error:
        raise SystemExit(f"tour: {error}") from None
    except Stop as ended:
        raise SystemExit(128 + ended.args[0]) from None
