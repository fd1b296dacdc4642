"""Rows as far as a store looks at them, and reads of many threads at once."""

import threading
import time

from hotrow.errors import Code, HotrowError
from hotrow.stores.port import ABSENT, Write, read_rows

VIEW, OTHER = b"horses__", b"riders__"


def row(time_us, body=b""):
    """A row as far as a store looks at it."""
    return bytes(16) + (time_us + (1 << 63)).to_bytes(8) + bytes(8) + body


def put(store, keys, time_us=1, view=VIEW, **more):
    return store.write([Write(view, keys, [row(time_us, key) for key in keys], **more)])[0]


def eventually(act, timeout_s=30.0):
    """What `act` returns once it does not raise UNAVAILABLE any more."""
    until_s = time.monotonic() + timeout_s
    while True:
        try:
            return act()
        except HotrowError as error:
            if error.code is not Code.UNAVAILABLE or time.monotonic() > until_s:
                raise
            time.sleep(0.02)


def check_own_rows(store, meanwhile=lambda: None):
    """Threads read rows of many sizes; failures are UNAVAILABLE alone, and every row is the one that was asked for."""
    keys = [b"%d" % number for number in range(400)]
    rows = {key: row(1, key * (1 + int(key) * 40)) for key in keys}
    store.write([Write(VIEW, keys, [rows[key] for key in keys])])
    wrong, failures, read = [], [], []

    def look(start_at):
        for number in range(60):
            wanted = [keys[(start_at + number * step) % len(keys)] for step in range(1 + number % 30)]
            try:
                found = read_rows(store, [VIEW, OTHER], [wanted, wanted[:1]])
            except HotrowError as error:
                failures.append(error.code)
                time.sleep(0.05)
                continue
            read.append(number)
            if found != [*(rows[key] for key in wanted), ABSENT]:
                wrong.append(wanted)

    threads = [threading.Thread(target=look, args=(37 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    meanwhile()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert set(failures) <= {Code.UNAVAILABLE}
    assert len(read) > 100
