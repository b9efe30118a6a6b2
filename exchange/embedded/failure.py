"""The one exception of the embedded PostgreSQL."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be started, used or stopped; the message is one line."""
