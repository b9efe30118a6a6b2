"""The market itself: a deterministic state machine, apply(command) -> events.

Pure: no I/O, no clock, no randomness, no floats, no time zones.  Everything that decides an
outcome lives here, so that a replay of the same commands decides the same on every machine.
"""

ENGINE_VERSION = "1"
"""Changes whenever the same commands may give other events or another state digest."""
