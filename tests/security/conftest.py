"""The worlds of the edge, for the tests that attack it."""

from tests.api.conftest import closed_market, founding, market, plain_logs, shared_market

__all__ = ["closed_market", "founding", "market", "plain_logs", "shared_market"]
