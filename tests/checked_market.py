"""A fixture by which every command of a test leaves a market whose invariants hold."""

import pytest

from engine import commands as c
from tests.market_driver import Frame, MarketDriver


@pytest.fixture(autouse=True)
def checked(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = MarketDriver.apply

    def apply_and_check(
        self: MarketDriver, actor: str, body: c.AnyCommand, request_id: str = ""
    ) -> Frame:
        events = apply(self, actor, body, request_id)
        self.engine.check_invariants()
        return events

    monkeypatch.setattr(MarketDriver, "apply", apply_and_check)
