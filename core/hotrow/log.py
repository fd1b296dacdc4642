"""The log: structlog to stderr, a line of JSON an event, or coloured text on a terminal.

A module takes its logger once, at its top: `_log = log.logger(__name__)`. Loggers are cached at their first use, a
level below the configured one costs an empty call, and JSON is written as bytes. Log nothing per request at the
default level that is not sampled.
"""

import logging
import sys
from typing import Any

import msgspec
import structlog

from hotrow import clock

Logger = structlog.typing.FilteringBoundLogger

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_encode = msgspec.json.Encoder(enc_hook=str).encode


def logger(name: str) -> Logger:
    """The logger of a module; it takes the configuration that stands at its first use."""
    made: Logger = structlog.get_logger(source=name)
    return made


def configure_log(*, level: str = "info", json: bool | None = None, **bound: str | int) -> None:
    """Set up logging for this process; `json` None means JSON unless stderr is a terminal.

    `bound` goes with every event of every thread, such as the role and the number of a worker. The loggers of the
    standard library, grpc's among them, go the same way from their warnings on.
    """
    stream = sys.stderr
    as_json = not stream.isatty() if json is None else json
    shared: list[structlog.typing.Processor] = [_Stamp(bound), structlog.processors.add_log_level]
    if as_json and hasattr(stream, "buffer"):  # a stream that a test or a notebook puts there has none
        structlog.configure(
            processors=[*shared, structlog.processors.format_exc_info, _to_json],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            logger_factory=structlog.BytesLoggerFactory(stream.buffer),
            cache_logger_on_first_use=True,
        )
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
        )
        structlog.configure(
            processors=[*shared, renderer],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            logger_factory=structlog.PrintLoggerFactory(stream),
            cache_logger_on_first_use=True,
        )
    root = logging.getLogger()
    root.handlers = [_ToStructlog()]
    root.setLevel(max(_LEVELS[level], logging.WARNING))
    logging.captureWarnings(capture=True)


def configure_library_log() -> None:
    """For a process that is not hotrow's own, such as a notebook: warnings of hotrow on stderr, unless the process has
    set up structlog itself. Other loggers are left alone.
    """
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                _Stamp({}),
                structlog.processors.add_log_level,
                structlog.dev.ConsoleRenderer(colors=False, timestamp_key="time"),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is then: a notebook puts its own there
        )


class _Stamp:
    """Puts the time first and what is bound to the process after it."""

    def __init__(self, bound: dict[str, str | int]) -> None:
        self._bound = bound

    def __call__(self, _logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        time = clock.datetime_from_us(clock.now_us()).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"time": time, **self._bound, **event}


def _to_json(_logger: Any, _method: str, event: structlog.typing.EventDict) -> bytes:
    return _encode(event)


class _ToStructlog(logging.Handler):
    """Hands records of the standard library's loggers to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        out = logger(record.name)
        method = "error" if record.levelno >= logging.ERROR else "warning"
        if record.levelno < logging.WARNING:
            method = "info" if record.levelno >= logging.INFO else "debug"
        try:
            getattr(out, method)(record.getMessage(), exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - a record that cannot be formatted must not fail what logged it
            self.handleError(record)
