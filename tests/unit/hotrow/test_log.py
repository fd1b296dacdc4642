"""The log: what a line holds, and that other libraries' loggers go the same way."""

import json
import logging
import subprocess
import sys

import pytest
import structlog
from hotrow import log


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_an_event_is_a_line_of_json_with_what_is_bound_to_the_process(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure_log(json=True, role="server", worker=3)
    log.logger("hotrow.x").info("started", rows=7)
    (line,) = lines(capfd)
    assert str(line.pop("time")).endswith("Z")
    assert line == {
        "role": "server",
        "worker": 3,
        "source": "hotrow.x",
        "rows": 7,
        "event": "started",
        "level": "info",
    }


def test_events_below_the_level_are_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure_log(level="warning", json=True)
    out = log.logger("hotrow.x")
    out.info("no")
    out.warning("yes")
    assert [line["event"] for line in lines(capfd)] == ["yes"]


def test_an_exception_comes_with_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure_log(json=True)
    try:
        int("inner")
    except ValueError:
        log.logger("hotrow.x").exception("failed")
    (line,) = lines(capfd)
    assert "ValueError: invalid literal" in str(line["exception"])


def test_loggers_of_the_standard_library_come_along_from_warnings_on(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure_log(json=True)
    logging.getLogger("grpc._server").info("chatter")
    logging.getLogger("grpc._server").error("trouble %d", 7)
    (line,) = lines(capfd)
    assert (line["source"], line["event"], line["level"]) == ("grpc._server", "trouble 7", "error")


def test_a_record_that_cannot_be_formatted_does_not_raise(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure_log(json=True)
    logging.getLogger("grpc").error("trouble %d", "x")
    assert "trouble %d" in capfd.readouterr().err


def test_text_is_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure_log(json=False)
    log.logger("hotrow.x").info("started", rows=7)
    text = capfd.readouterr().err
    assert "started" in text
    assert "rows=7" in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_without_a_terminal_it_is_json() -> None:
    program = "from hotrow import log; log.configure_log(); log.logger('x').info('hello')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert json.loads(done.stderr)["event"] == "hello"
    assert done.stdout == ""
