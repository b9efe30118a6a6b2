"""How the process logs: one line an event, and plain tracebacks.

Never with local variables: they hold passwords and tokens, and rendering them takes seconds in
which the event loop serves nobody.
"""

from typing import TextIO

import structlog
from structlog.typing import Processor


def configure(level: int, file: TextIO) -> None:
    """Write what is at least as severe as `level` to `file`, in colours for a terminal."""
    structlog.configure(
        processors=processors(has_colors=file.isatty()),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=file),
    )


def processors(*, has_colors: bool) -> list[Processor]:
    """What turns an event into its line."""
    plain = structlog.dev.plain_traceback
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.set_exc_info,
        structlog.dev.ConsoleRenderer(colors=has_colors, exception_formatter=plain),
    ]
