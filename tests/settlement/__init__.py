"""The books after the trade: ledger, registry, reconciliation, and what may go wrong."""
