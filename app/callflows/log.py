"""The loggers of the program. ``configure_logging`` in ``web/log_lines.py`` decides about the form of their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def get_logger(part: str) -> FilteringBoundLogger:
    """Return the logger ``callflows.<part>``.

    A module may keep its logger: each line takes the configuration of the moment at which it is written.
    """
    logger: FilteringBoundLogger = structlog.get_logger(f"callflows.{part}")
    return logger
