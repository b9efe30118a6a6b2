"""What the world sees of the market: projections of released steps, held in memory.

Reads never touch the engine.  The model is fed by released (durable) steps only, in seq order, and
is saved in snapshots beside the engine's state.
"""
