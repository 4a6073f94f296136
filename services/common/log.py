"""Structured logs: a JSON object per line on standard error, facts as fields, no personal data."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import structlog

from services.common.errors import HosoError


def configure(service: str, role: str) -> None:
    """Set up JSON logging for this process; every line, a library's too, names service and role."""
    process = {"service": service, "role": role}

    def add_process(_logger: Any, _method: str, event: Any) -> Any:
        return event | process

    structlog.configure(
        processors=[
            add_process,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LibraryFormatter(process))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger for one module; `name` is usually ``__name__``."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(module=name)
    return logger


def describe(error: BaseException) -> str:
    """An error without its text, which may hold personal data: code or type, and where it was
    raised.
    """
    code = error.reason if isinstance(error, HosoError) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return code
    place = frames[-1]
    return f"{code} in {place.name} ({place.filename.rpartition('/')[2]}:{place.lineno})"


class _LibraryFormatter(logging.Formatter):
    """Lines of libraries that use `logging`; an exception gives its type only, as its text may
    quote.
    """

    def __init__(self, process: dict[str, str]) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": record.getMessage(),
            "module": record.name,
            **self._process,
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)
