"""A supervisor in the foreground ends by signals, and leaves the signals as they were."""

import os
import signal

from hotrow.supervisor import run


def test_signals_stop_within_the_block_and_are_restored_after_it() -> None:
    stops: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    with run._stopped_by_signals(lambda: stops.append(1)):
        for number in before:
            os.kill(os.getpid(), number)
    assert len(stops) == 3
    assert {number: signal.getsignal(number) for number in before} == before


def test_under_nohup_a_closed_terminal_changes_nothing() -> None:
    stops: list[int] = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with run._stopped_by_signals(lambda: stops.append(1)):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert stops == []
