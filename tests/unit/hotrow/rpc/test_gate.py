"""The gate's checks, counted and answered; a call of the test's own stands for a door's."""

import pytest
from hotrow.clock import now_s
from hotrow.errors import Code, HotrowError
from hotrow.rpc.gate import Gate, passed_on


def test_a_call_is_claimed_once(kept_call):
    gate = Gate()
    call = kept_call(gate=gate)
    gate.admit(lambda _request, _call: None, b"", call)
    assert gate.counts().running == 1
    assert [gate.claim(call), gate.claim(call)] == [True, False]
    assert gate.counts().running == 0


def test_an_expired_call_does_not_reach_its_handler(kept_call):
    gate, reached = Gate(), []
    call = kept_call(deadline_s=now_s() - 0.01, gate=gate)
    gate.admit(lambda request, _call: reached.append(request), b"", call)
    assert call.wait().code is Code.DEADLINE
    assert reached == []


def test_a_handlers_error_is_the_answer(kept_call):
    gate, error = Gate(), HotrowError(Code.NOT_FOUND, "no such view")

    def raise_it(_request, _call):
        raise error

    call = kept_call(gate=gate)
    gate.admit(raise_it, b"", call)
    assert call.answers == [error]


def test_a_crash_is_logged_with_its_request_id_and_answered_without_internals(kept_call, caplog, capfd):
    gate = Gate()
    call = kept_call(gate=gate)
    gate.admit(lambda _request, _call: {}["secret"], b"", call)
    assert call.wait().code is Code.INTERNAL
    assert call.wait().message == "internal error; request id test-1"
    shown = capfd.readouterr()
    assert "secret" in shown.out + shown.err
    assert "test-1" in shown.out + shown.err


def test_over_the_limit_calls_are_refused_with_a_hint(kept_call):
    gate = Gate(max_running=1)
    first, second = kept_call(gate=gate), kept_call(gate=gate)
    for call in (first, second):
        gate.admit(lambda _request, _call: None, b"", call)
    assert first.answers == []
    assert (second.wait().code, second.wait().retry_after_s) == (Code.EXHAUSTED, 0.1)
    assert gate.counts().running == 1


def test_calls_that_run_are_failed_when_the_server_stops(kept_call):
    gate = Gate()
    calls = [kept_call(gate=gate) for _ in range(3)]
    for call in calls:
        gate.admit(lambda _request, _call: None, b"", call)
    gate.fail_running()
    assert {call.wait().code for call in calls} == {Code.UNAVAILABLE}
    assert calls[0].wait().retry_after_s is not None


@pytest.mark.parametrize("wanted", ["a", "order-17", "0AF.b:c/d+e=_", "x" * 128])
def test_a_sane_request_id_is_kept(wanted):
    assert Gate().request_id((("user-agent", "x"), ("x-request-id", wanted))) == wanted


@pytest.mark.parametrize("wanted", ["", "two words", "x" * 129, "line\nbreak", 'quote"', b"bytes", "é"])
def test_any_other_request_id_is_replaced(wanted):
    """Logs are read by people and programs: nothing goes in that could forge a line."""
    gate = Gate()
    made = [gate.request_id((("x-request-id", wanted),)) for _ in range(100)]
    assert len(set(made)) == 100
    assert wanted not in made
    assert not set(made) & {Gate().request_id(())}


def test_what_is_meant_for_the_worker_is_passed_on():
    metadata = (("user-agent", "x"), ("hotrow-timing", "1"), ("x-request-id", "a"))
    assert passed_on(metadata) == (("hotrow-timing", "1"),)
