"""A sound recording agrees with the engine row by row, whatever the data leaves open."""

import gzip
from pathlib import Path

import pytest

from exchange.replay import run
from exchange.replay.report import AGREES
from tests.exchange.replay.conftest import Play
from tests.exchange.replay.recorder import DAY, DAY_LEVELS, DAY_ROWS, DAY_SEED, record_day
from tests.exchange.replay.tape import BUY, CROSS, HALT, HIDDEN, OPEN_NS, SELL, Tape


def test_the_committed_day_agrees_in_every_row() -> None:
    seen: list[tuple[int, int]] = []
    report = run(
        DAY / "messages.csv",
        DAY / "orderbook.csv",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert report.exit_code == AGREES
    assert report.rows_agreeing == report.rows_compared == report.rows == DAY_ROWS
    done = report.executions
    assert done.recorded == done.at_best_price == done.by_known_oldest + done.by_adopted_oldest
    assert done.by_known_oldest > 20
    assert done.by_adopted_oldest > 20
    assert report.late_joiners > 0
    assert report.adoption.changed_levels > 0
    assert seen[-1] == (DAY_ROWS, DAY_ROWS)


def test_the_committed_day_is_what_the_recorder_makes_up(tmp_path: Path) -> None:
    for made in record_day(DAY_SEED, DAY_ROWS, DAY_LEVELS).write(tmp_path):
        assert made.read_bytes() == (DAY / made.name).read_bytes()


@pytest.mark.parametrize("levels", [1, 5, 10])
@pytest.mark.parametrize("resting", [2, 20, 100])
def test_a_made_up_day_agrees_at_any_depth(levels: int, resting: int, play: Play) -> None:
    for seed in range(3):
        report = play(record_day(seed, 150, levels, resting))
        assert report.disagreements == [], f"seed {seed}"
        assert report.rows_agreeing == report.rows >= 150
        assert report.levels == levels


@pytest.mark.parametrize("packed", [("messages",), ("orderbook",), ("messages", "orderbook")])
def test_gzip_files_are_read_as_plain_ones(packed: tuple[str, ...], tmp_path: Path) -> None:
    paths = []
    for path in record_day(1, 100, 5).write(tmp_path):
        if path.stem in packed:
            path.write_bytes(gzip.compress(path.read_bytes()))
        paths.append(path)
    report = run(*paths, progress=lambda _done, _total: None)
    assert (report.exit_code, report.rows_agreeing) == (AGREES, report.rows)
    assert report.rows >= 100


def test_attribution_and_line_ends_of_newer_files_are_accepted(tmp_path: Path) -> None:
    messages, orderbook = record_day(1, 100, 5).write(tmp_path)
    messages.write_bytes(messages.read_bytes().replace(b"\n", b",null\r\n"))
    report = run(messages, orderbook, progress=lambda _done, _total: None)
    assert (report.exit_code, report.rows_agreeing) == (AGREES, report.rows)


def test_hidden_executions_crosses_and_halts_leave_the_book_as_it_is(play: Play) -> None:
    tape = Tape(2)
    tape.rest(SELL, (1, 100, 1_010_000))
    tape.add(10, 50, 1_000_000, BUY)
    tape.note(HIDDEN, 0, 30, 1_005_050, BUY)
    tape.note(CROSS, -1, 900, 1_003_000, -1)
    for state in (-1, 0, 1):
        tape.note(HALT, 0, 0, state, -1)
    report = play(tape.recording)
    assert report.exit_code == AGREES
    assert report.rows_agreeing == 6
    assert report.notes == [
        "row 4: trading halted",
        "row 5: quoting resumed",
        "row 6: trading resumed",
    ]


def test_a_book_that_crosses_in_a_halt_is_set_aside_until_trading_resumes(play: Play) -> None:
    tape = Tape(2)
    tape.rest(SELL, (1, 100, 1_010_000))
    tape.add(10, 50, 1_000_000, BUY)
    tape.note(HALT, 0, 0, 0, -1)
    tape.add(11, 70, 1_020_000, BUY)
    tape.add(12, 30, 1_005_000, SELL)
    tape.execute(1, 40)
    tape.note(HALT, 0, 0, 1, -1)
    tape.delete(11)
    tape.execute(12)
    tape.execute(10, 20)
    report = play(tape.recording)
    assert report.disagreements == []
    assert (report.rows_in_halt, report.executions.in_halt) == (5, 1)
    assert report.rows_agreeing == report.rows_compared == tape.rows - 5
    assert report.executions.at_best_price == report.executions.recorded == 2


def test_an_order_with_an_older_id_joins_before_younger_ones(play: Play) -> None:
    tape = Tape(2)
    for order_id in (100, 101, 102):
        tape.add(order_id, 10, 1_000_000, BUY)
    tape.add(7, 10, 1_000_000, BUY)
    tape.add(5, 10, 1_000_000, BUY)
    first = tape.rows + 1
    for order_id in (5, 7, 100):
        tape.execute(order_id)
    tape.at_once(first)
    tape.delete(101)
    tape.execute(102)
    report = play(tape.recording)
    assert report.disagreements == []
    assert report.late_joiners == 2
    assert report.executions.by_known_oldest == 4


def test_joiners_and_adopted_orders_stand_by_id_once_an_execution_names_them(play: Play) -> None:
    tape = Tape(2)
    tape.rest(SELL, (20, 20, 1_000_000), (60, 60, 1_000_000))
    tape.add(1_000, 10, 999_000, BUY)
    first = tape.rows + 1
    for order_id in (50, 10, 30, 70):
        tape.add(order_id, order_id, 1_000_000, SELL)
    tape.at_once(first)
    tape.add(1_001, 5, 1_000_000, SELL)
    first = tape.rows + 1
    for order_id in (10, 20, 30, 50, 60, 70, 1_001):
        tape.execute(order_id)
    tape.at_once(first)
    report = play(tape.recording)
    assert report.disagreements == []
    assert (report.executions.by_known_oldest, report.executions.by_adopted_oldest) == (5, 2)


def test_a_sweep_is_one_incoming_order_that_walks_the_levels(play: Play) -> None:
    tape = Tape(3)
    for order_id, price in ((1, 1_000_000), (2, 1_000_000), (3, 1_000_100), (4, 1_000_300)):
        tape.add(order_id, 10, price, SELL)
    entered = play(tape.recording).commands
    first = tape.rows + 1
    tape.execute(1)
    tape.note(HIDDEN, 0, 5, 1_000_050, SELL)
    tape.execute(2)
    tape.execute(3)
    tape.execute(4, 6)
    tape.at_once(first)
    report = play(tape.recording)
    assert (report.exit_code, report.commands) == (AGREES, entered + 1)
    assert (report.trades, report.executions.by_known_oldest) == (4, 4)


def test_a_level_that_changed_out_of_sight_is_adopted_when_it_comes_back(play: Play) -> None:
    tape = Tape(1)
    tape.add(1, 10, 1_000_000, BUY)
    tape.add(2, 20, 1_000_100, BUY)
    tape.rest(BUY, (3, 5, 1_000_000))
    tape.delete(2)
    tape.execute(1)
    tape.execute(3)
    report = play(tape.recording)
    assert report.disagreements == []
    assert (report.adoption.returned_levels, report.adoption.changed_levels) == (1, 1)
    assert report.executions.by_adopted_oldest == 2


def test_prices_far_beyond_the_engines_limits_keep_their_order(play: Play) -> None:
    tape = Tape(4)
    tape.rest(SELL, (1, 1, 1_999_999_900), (2, 2, 1_999_999_800))
    tape.rest(BUY, (3, 3, 100), (4, 4, 200))
    for order_id, price in ((10, 195_000), (11, 195_100), (12, 195_200)):
        tape.add(order_id, 10, price, BUY)
    tape.add(13, 10, 195_300, SELL)
    for order_id in (13, 2, 12, 11, 10, 4):
        tape.execute(order_id)
    report = play(tape.recording)
    assert report.disagreements == []
    assert (report.tick, report.executions.at_best_price) == (100, 6)


def test_times_with_and_without_decimals_are_the_same_time(tmp_path: Path, play: Play) -> None:
    tape = Tape(1)
    tape.now_ns = OPEN_NS + 10**9
    tape.add(1, 10, 1_000_000, BUY)
    assert play(tape.recording).exit_code == AGREES
    messages = tmp_path / "messages.csv"
    messages.write_text("34201,1,1,10,1000000,1\n")
    report = run(messages, tmp_path / "orderbook.csv", progress=lambda _done, _total: None)
    assert report.exit_code == AGREES


def test_the_report_says_what_was_compared_and_what_was_adopted(play: Play) -> None:
    tape = Tape(1)
    tape.rest(SELL, (1, 100, 1_010_000))
    tape.add(10, 50, 1_000_000, BUY)
    tape.execute(1, 30)
    tape.note(HIDDEN, 0, 30, 1_005_050, BUY)
    lines = play(tape.recording).render()
    assert lines[2:6] == [
        "rows          3 of 3 compared rows agree (100.00 %), 0 disagree",
        "adopted       1 levels that rested before the first row; in 0 later rows 0 levels that"
        " came into sight, 0 that came back (0 of them changed meanwhile)",
        "executions    1 of visible orders: 1 at the best price, 1 of the oldest order there"
        " (0 known, 1 adopted); 1 of hidden ones left the book as it was",
        "priority      0 orders joined with the priority of an older id",
    ]
    assert lines[-1] == (
        "verdict       the engine agrees with the recording on every row that the data determines"
    )
