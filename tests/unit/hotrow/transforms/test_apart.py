"""Certificates from a process of its own: as they are here, with the places of functions, and never for ever."""

import contextlib
import json
import os
import signal
import time

import numpy as np
import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64, transform
from hotrow.errors import Code, HotrowError
from hotrow.registry.snapshot import Snapshot
from hotrow.transforms.apart import with_certificates
from hotrow.transforms.certificate import certificate_of

DRIVER = Entity("driver", join_keys={"driver_id": Int64})
VIEW = FeatureView("rides", entities=[DRIVER], schema=[Field("fare", Float64)])
LIMIT = np.array([3.0])


@transform(sources=[VIEW], outputs=[Field("half", Float64)])
def half(fare):
    return fare / 2 + LIMIT[0]


@transform(sources=[VIEW], outputs=[Field("endless", Float64)])
def endless(fare):
    while fare == fare:  # noqa: PLR0124 - for ever
        fare = fare * 0.5
    return fare


@transform(sources=[VIEW], outputs=[Field("endless", Float64)], mode="python")
def endless_python(fare):
    print("not a line of the process")
    while fare == fare:  # noqa: PLR0124
        fare = fare * 0.5
    return fare


@transform(sources=[VIEW], outputs=[Field("slow", Float64)], mode="python")
def slow_python(fare):
    return fare


@transform(sources=[VIEW], outputs=[Field("killed", Float64)], mode="python")
def killed(fare):
    if fare == -1.0:
        os.kill(os.getpid(), signal.SIGFPE)
    return fare


def rounded(fare):
    return round(fare, 2)


@transform(sources=[VIEW], outputs=[Field("wrong", Float64)])
def calls_what_cannot_be_compiled(fare):
    return rounded(fare)


def _snapshot(*functions):
    transforms = {function.transform.name: function.transform for function in functions}
    return Snapshot("rides", entities={"driver": DRIVER}, views={"rides": VIEW}, transforms=transforms)


def test_the_certificate_is_that_of_this_process():
    """With constants that are arrays; all else of the snapshot is as it was."""
    made = with_certificates(_snapshot(half))
    assert made.transforms["half"].certificate == certificate_of(half.transform)
    without = json.loads(made.to_json())
    del without["transforms"]["half"]["certificate"]
    assert without == json.loads(_snapshot(half).to_json())


def test_each_transform_is_shown_while_it_is_compiled():
    """By name and number, one after the other, and left before the next."""
    shown = []

    @contextlib.contextmanager
    def show_step(text):
        shown.append(text)
        yield
        shown.append("done")

    with_certificates(_snapshot(half, slow_python), show_step=show_step)
    assert shown == [
        "compiling half and comparing it with plain Python (transform 1 of 2)",
        "done",
        "trying slow_python (transform 2 of 2)",
        "done",
    ]


@pytest.mark.parametrize("function", [endless, endless_python])
def test_a_loop_without_an_end_is_told_by_name(function):
    """After the time that is given, and not when the loop ends."""
    begun_s = time.monotonic()
    with pytest.raises(HotrowError, match=r"test_apart.py:\d+: endless\w* takes longer than 3 s.*loop") as caught:
        with_certificates(_snapshot(function), longest_s=3)
    assert caught.value.code is Code.INVALID
    assert time.monotonic() - begun_s < 100


def test_a_row_that_ends_the_process_is_an_error_of_the_transform():
    """By name and signal: a worker would end as that process did."""
    with pytest.raises(HotrowError, match=r"test_apart.py:\d+: killed ends the process.*SIGFPE.*mode=") as caught:
        with_certificates(_snapshot(killed))
    assert caught.value.code is Code.INVALID


def test_what_is_wrong_is_told_with_the_line_of_the_helper():
    """Of a function that it calls, which a snapshot has without its place."""
    line = rounded.__code__.co_firstlineno + 1
    with pytest.raises(HotrowError, match=rf"test_apart.py:{line}: round\(\) to digits"):
        with_certificates(_snapshot(calls_what_cannot_be_compiled))
