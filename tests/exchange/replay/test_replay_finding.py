"""What does not fit is found in its row, with its reason, and not again in all that follow."""

from collections.abc import Callable
from random import Random

import pytest

from engine.book import Book, Level
from engine.order import Order
from exchange.replay.report import DISAGREES, Kind, ReplayReport
from tests.exchange.replay.conftest import Play
from tests.exchange.replay.recorder import record_day
from tests.exchange.replay.tape import ADD, BUY, DELETE, EXECUTE, REDUCE, SELL, Recording, Tape

PRICE = 1_000_000


def lines_of(report: ReplayReport) -> list[str]:
    assert report.exit_code == (DISAGREES if report.disagreements else 0)
    return [str(found) for found in report.disagreements]


def a_tape(levels: int = 2) -> Tape:
    """Bids 101, 102, 103 of 10 at 100 dollars and 104 of 40 a cent below; ask 201 of 10 above."""
    tape = Tape(levels)
    for order_id in (101, 102, 103):
        tape.add(order_id, 10, PRICE, BUY)
    tape.add(104, 40, PRICE - 100, BUY)
    tape.add(201, 10, PRICE + 100, SELL)
    return tape


def test_the_tape_that_is_damaged_below_is_sound(play: Play) -> None:
    assert lines_of(play(a_tape().recording)) == []


def test_an_execution_of_a_younger_order(play: Play) -> None:
    tape = a_tape()
    tape.execute(102)
    tape.delete(101)
    assert lines_of(play(tape.recording)) == [
        "row 6 PRIORITY buy 1000000 order 102: recorded order 102, engine order 101;"
        " an execution takes the oldest order of its level"
    ]


def test_an_execution_of_a_younger_order_within_a_run(play: Play) -> None:
    tape = a_tape()
    for order_id in (101, 103, 102):
        tape.execute(order_id)
    tape.at_once(6)
    report = play(tape.recording)
    assert [(found.row, found.kind) for found in report.disagreements] == [
        (7, Kind.PRIORITY),
        (8, Kind.PRIORITY),
    ]


def test_an_execution_before_adopted_quantity(play: Play) -> None:
    tape = Tape(2)
    tape.rest(BUY, (1, 10, PRICE))
    tape.add(100, 10, PRICE - 100, BUY)
    tape.add(101, 10, PRICE, BUY)
    tape.execute(101)
    assert lines_of(play(tape.recording)) == [
        "row 3 PRIORITY buy 1000000 order 101: recorded order 101, engine an adopted order;"
        " an execution takes the oldest order of its level"
    ]


@pytest.mark.parametrize("kind", [REDUCE, DELETE, EXECUTE])
def test_an_adopted_order_that_was_passed_over_is_found_when_it_turns_up(
    kind: int, play: Play
) -> None:
    tape = Tape(2)
    tape.rest(BUY, (1, 10, PRICE), (2, 20, PRICE))
    tape.add(100, 10, PRICE - 100, BUY)
    tape.execute(2)
    {
        REDUCE: lambda: tape.reduce(1, 5),
        DELETE: lambda: tape.delete(1),
        EXECUTE: lambda: tape.execute(1),
    }[kind]()
    assert lines_of(play(tape.recording)) == [
        "row 3 PRIORITY buy 1000000 order 1: recorded order 1 still there,"
        " engine younger order 2 executed in row 2;"
        " an execution takes the oldest order of its level"
    ]


def test_an_execution_away_from_the_best_price(play: Play) -> None:
    tape = a_tape()
    tape.execute(104)
    assert lines_of(play(tape.recording))[0] == (
        "row 6 PRICE buy 999900 order 104: recorded 999900, engine 1000000;"
        " an execution takes the best price"
    )


def test_an_execution_at_a_price_where_nothing_rests(play: Play) -> None:
    tape = a_tape()
    tape.execute(101)
    tape.recording.messages[5][4] += 100
    found = lines_of(play(tape.recording))
    assert found[0] == (
        "row 6 QUANTITY buy 1000100 order 101: recorded 10, engine 0;"
        " no more rests at this price or better"
    )
    assert found[1] == (
        "row 6 BOOK buy 1000000: recorded 20, engine 30;"
        " the recorded level went from 30 to 20 without a message for it"
    )


def test_a_wrong_size_in_one_row_of_the_order_book(play: Play) -> None:
    tape = a_tape()
    tape.reduce(104, 5)
    tape.recording.books[3][7] += 1
    assert lines_of(play(tape.recording)) == [
        "row 4 BOOK buy 999900: recorded 41, engine 40;"
        " the message changes the level by +40, the recorded one went from 0 to 41"
    ]


def test_a_wrong_size_in_the_middle_of_a_run(play: Play) -> None:
    tape = a_tape()
    for order_id in (101, 102, 103, 104):
        tape.execute(order_id)
    tape.at_once(6)
    tape.recording.books[6][3] += 1
    assert lines_of(play(tape.recording)) == [
        "row 7 BOOK buy 1000000: recorded 11, engine 10;"
        " the message changes the level by -10, the recorded one went from 20 to 11"
    ]


def test_a_missing_deletion_is_found_once_and_then_taken_over(play: Play) -> None:
    tape = a_tape(levels=3)
    tape.add(105, 15, PRICE + 50, BUY)
    tape.delete(105)
    for size in (1, 2, 3):
        tape.reduce(104, size)
    tape.recording.drop(7)
    report = play(tape.recording)
    assert lines_of(report) == [
        "row 7 BOOK buy 1000050: recorded 0, engine 15;"
        " the recorded level went from 15 to 0 without a message for it",
        "row 8 BOOK buy 1000050: recorded 0, engine 15;"
        " as in row 7, the recorded size is taken over",
    ]
    assert (report.rows_disagreeing, report.rows_agreeing) == (2, 7)


def test_a_deletion_of_less_than_is_left(play: Play) -> None:
    tape = a_tape()
    tape.delete(104)
    tape.recording.messages[5][3] = 39
    assert lines_of(play(tape.recording)) == [
        "row 6 QUANTITY buy 999900 order 104: recorded 39 deleted, engine 40 left;"
        " a deletion takes exactly what is left of the order"
    ]


def test_a_partial_cancel_of_everything(play: Play) -> None:
    tape = a_tape()
    tape.reduce(104, 40)
    assert lines_of(play(tape.recording)) == [
        "row 6 QUANTITY buy 999900 order 104: recorded 40 cancelled, engine 40 left;"
        " a partial cancel leaves something of the order"
    ]


def test_a_cancel_of_an_order_that_never_was(play: Play) -> None:
    tape = a_tape()
    tape.recording.messages.append([tape.now_ns, DELETE, 77, 10, PRICE, BUY])
    tape.recording.books.append(tape.recording.books[-1])
    assert lines_of(play(tape.recording)) == [
        "row 6 ORDER buy 1000000 order 77: recorded 10 of an earlier order, engine 0 adopted;"
        " the order was not seen entering, and so much was not there before"
    ]


def test_a_cancel_at_a_price_where_the_order_does_not_rest(play: Play) -> None:
    tape = a_tape()
    tape.delete(104)
    tape.recording.messages[5][4] = PRICE
    assert lines_of(play(tape.recording)) == [
        "row 6 ORDER buy 1000000 order 104: recorded another side or price,"
        " engine where it entered; the order rests elsewhere"
    ]


def test_two_orders_of_one_id(play: Play) -> None:
    tape = a_tape()
    tape.add(104, 5, PRICE - 100, BUY)
    assert lines_of(play(tape.recording)) == [
        "row 6 ORDER buy 999900 order 104: recorded a new order, engine an open order;"
        " an order of this id rests in the book already"
    ]


def test_an_order_that_would_cross_the_book(play: Play) -> None:
    tape = a_tape()
    tape.add(105, 5, PRICE + 200, BUY)
    found = lines_of(play(tape.recording))
    assert found[0] == (
        "row 6 REFUSED buy 1000200 order 105: recorded carried out, engine refused;"
        " it would trade with the other side of the book at once"
    )
    assert found[1].startswith("row 6 BOOK buy 1000200: recorded 5, engine 0;")


def test_levels_out_of_their_order(play: Play) -> None:
    tape = a_tape()
    book = tape.recording.books[3]
    book[2:4], book[6:8] = book[6:8], book[2:4]
    found = lines_of(play(tape.recording))
    assert found[0].startswith("row 4 BOOK ")


def lose_a_row(recording: Recording, row: int) -> None:
    recording.drop(row)


def resize_a_message(recording: Recording, row: int) -> None:
    recording.messages[row - 1][3] += 1


def move_a_message(recording: Recording, row: int) -> None:
    message = recording.messages[row - 1]
    message[4] += 100 * message[5]


def turn_a_message_round(recording: Recording, row: int) -> None:
    recording.messages[row - 1][5] *= -1


def resize_a_level(recording: Recording, row: int) -> None:
    recording.books[row - 1][1] += 1


@pytest.mark.parametrize(
    "damage",
    [lose_a_row, resize_a_message, move_a_message, turn_a_message_round, resize_a_level],
)
def test_damage_anywhere_in_a_made_up_day_is_found_in_its_row(
    damage: Callable[[Recording, int], None], play: Play
) -> None:
    random = Random(damage.__name__)
    for _ in range(6):
        seed = random.randrange(10**6)
        recording = record_day(seed, 120, 5)
        rows = [r for r, m in enumerate(recording.messages, 1) if r > 10 and m[1] <= EXECUTE]
        row = random.choice(rows[:-5])
        damage(recording, row)
        report = play(recording)
        assert report.disagreements[0].row == row, f"seed {seed}"
        assert report.rows_disagreeing <= 12, f"seed {seed}"


def test_an_engine_that_takes_the_youngest_order_first(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    def youngest(level: Level) -> Order:
        return next(reversed(level.orders.values()))

    monkeypatch.setattr(Level, "head", youngest)
    report = play(record_day(3, 150, 5))
    assert {found.kind for found in report.disagreements} == {Kind.PRIORITY}


def test_an_engine_that_miscounts_its_levels(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Book, "reduce", lambda _book, _order, _quantity: None)
    tape = a_tape()
    tape.reduce(104, 5)
    assert lines_of(play(tape.recording)) == [
        "row 6 BOOK buy 999900: recorded 35, engine 40;"
        " the message changes the level by -5, the recorded one went from 40 to 35",
        "row 6 STOPPED engine: recorded goes on, engine stopped; level 9999 totals its orders",
    ]


def test_more_disagreements_than_are_listed_are_counted(play: Play) -> None:
    recording = record_day(1, 400, 2)
    for book in recording.books[1::2]:
        book[1] += 1
    report = play(recording)
    assert report.disagreement_count == len(recording.books) // 2
    assert report.disagreement_count == report.rows_disagreeing
    assert f"verdict       {report.disagreement_count} disagreements in" in report.render()[-1]


def test_adds_are_the_only_way_in(play: Play) -> None:
    """An add that the order book does not show is no harmless row."""
    tape = a_tape()
    tape.recording.messages.append([tape.now_ns, ADD, 105, 9, PRICE, BUY])
    tape.recording.books.append(tape.recording.books[-1])
    assert lines_of(play(tape.recording)) == [
        "row 6 BOOK buy 1000000: recorded 30, engine 39;"
        " the message changes the level by +9, the recorded one went from 30 to 30"
    ]
