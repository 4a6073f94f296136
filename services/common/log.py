"""Structured logs: one JSON object a line on standard error, constant text with facts as fields, no personal data."""

import logging
import sys

import structlog


def configure(service: str, role: str) -> None:
    """Set up JSON logging for this process; every line carries the service and its role."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, role=role)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format='{"event":"%(message)s","logger":"%(name)s"}')


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger for one module; `name` is usually ``__name__``."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(module=name)
    return logger
