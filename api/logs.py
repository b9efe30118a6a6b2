"""How the process logs: one line an event, and plain tracebacks.

Never with local variables: they hold passwords and tokens, and rendering them takes seconds in
which the event loop serves nobody.
"""

from typing import TextIO

import structlog
from structlog.typing import Processor

PROCESSORS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.dev.set_exc_info,
]


def configure(level: int, file: TextIO) -> None:
    """Write what is at least as severe as `level` to `file`."""
    renderer = structlog.dev.ConsoleRenderer(
        colors=file.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[*PROCESSORS, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=file),
    )
