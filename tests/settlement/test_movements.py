"""What a batch of released records asks of the books."""

import pytest

from engine.commands import SYSTEM_ACTOR, RefuseRequest
from engine.events import CommandRefused, DayStarted, ReconciliationRecorded, RequestQuarantined
from settlement.movements import QUARANTINED, Answer, FeedBroken, read_batch, transfer_request
from settlement.ports import TransferKind, TransferRequest
from tests.settlement.world import BEA, DAY, Market

REQUEST = "settle:reconciliation-7:done"


def test_movements_come_in_order_with_their_cause_and_day(market: Market) -> None:
    market.credit("A", 500)
    market.append(DayStarted(DAY + 1))
    market.request_deposit("A", 10)
    market.trade("B", "A", 3)
    market.withdraw_units("B", 2)
    batch = read_batch(market.records, 0, 0)
    assert [(m.cause, m.seq, m.trading_day) for m in batch.movements] == [
        ("cash:1", 2, DAY),
        ("deposit:2", 4, DAY + 1),
        ("trade:1", 5, DAY + 1),
        ("withdrawal:3", 6, DAY + 1),
    ]
    assert (batch.last_seq, batch.trading_day) == (6, DAY + 1)


def test_the_day_before_the_batch_holds_until_the_next_starts(market: Market) -> None:
    market.credit("A", 500)
    assert read_batch(market.records[1:], 1, DAY - 1).movements[0].trading_day == DAY - 1


def test_several_trades_of_one_record_keep_their_order(market: Market) -> None:
    market.append(market.match("A", "B", 1), market.match("A", "C", 2))
    assert [m.cause for m in read_batch(market.records, 0, 0).movements] == ["trade:1", "trade:2"]


def test_a_batch_ends_with_the_first_report(market: Market) -> None:
    market.credit("A", 500)
    seq = market.report()
    market.credit("A", 500)
    batch = read_batch(market.records, 0, 0)
    assert batch.last_seq == seq
    assert len(batch.movements) == 1
    assert batch.report is not None


@pytest.mark.parametrize("wrong", [[1], [0, 0], [1, 0]])
def test_a_gap_a_repetition_or_another_order_breaks_the_feed(
    market: Market, wrong: list[int]
) -> None:
    market.credit("A", 500)
    with pytest.raises(FeedBroken):
        read_batch([market.records[place] for place in wrong], 0, 0)


def test_answers_to_own_requests_are_found(market: Market) -> None:
    market.append(ReconciliationRecorded(7, 0), request_id=REQUEST)
    market.append(CommandRefused("DEPOSIT_UNKNOWN", "", {}), request_id="settle:deposit-1:locked")
    assert read_batch(market.records, 0, 0).answers == (
        Answer(REQUEST, 2, ""),
        Answer("settle:deposit-1:locked", 3, "DEPOSIT_UNKNOWN"),
    )


def test_a_quarantined_request_is_answered_by_its_quarantine(market: Market) -> None:
    body = RefuseRequest(1, SYSTEM_ACTOR, REQUEST, "")
    market.append(RequestQuarantined(1, SYSTEM_ACTOR, REQUEST), body=body)
    market.append(RequestQuarantined(2, SYSTEM_ACTOR, "other"), body=body)
    market.append(RequestQuarantined(3, "op-1", REQUEST), body=body)
    assert read_batch(market.records, 0, 0).answers == (Answer(REQUEST, 2, QUARANTINED),)


def test_nobody_else_can_answer_with_the_same_request_id(market: Market) -> None:
    market.append(ReconciliationRecorded(7, 0), actor="op-1", request_id=REQUEST)
    market.append(ReconciliationRecorded(7, 0), request_id="other")
    assert read_batch(market.records, 0, 0).answers == ()


def test_trades_deposits_and_withdrawals_move_units_in_the_registry(market: Market) -> None:
    market.credit("B", 500)
    market.request_deposit("A", 10)
    market.trade("B", "A", 3)
    market.withdraw_units("B", 2)
    assert [transfer_request(m) for m in read_batch(market.records, 0, 0).movements] == [
        None,
        TransferRequest("deposit:2", TransferKind.LOCK, BEA, "A", "A", 10),
        TransferRequest("trade:1", TransferKind.TRANSFER, BEA, "A", "B", 3),
        TransferRequest("withdrawal:3", TransferKind.RELEASE, BEA, "B", "B", 2),
    ]
