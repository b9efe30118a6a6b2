"""After the trade: double-entry ledger, delivery against payment, registry, reconciliation.

Consumes the released feed in seq order and posts each trade exactly once.  It never calls the
engine: what the engine must know comes back as commands.  docs/settlement.md tells the whole.
"""
