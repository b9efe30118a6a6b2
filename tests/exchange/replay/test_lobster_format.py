"""Malformed input gives one line naming file, row and column, and exit code 2."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.replay import run
from exchange.replay.report import MALFORMED

MESSAGES = [
    b"34200.004241176,1,16113575,18,5853300,1",
    b"34200.5,3,16113575,18,5853300,1",
    b"34201,5,0,7,5853350,-1",
]
BOOKS = [
    b"5859400,200,5853300,18,9999999999,0,5853000,150",
    b"5859400,200,5853000,150,9999999999,0,-9999999999,0",
    b"5859400,200,5853000,150,9999999999,0,-9999999999,0",
]


@pytest.fixture
def fault(tmp_path: Path) -> Callable[[list[bytes], list[bytes]], str]:
    """Replays two lists of lines; returns what the one line of the report says."""

    def found(messages: list[bytes], books: list[bytes]) -> str:
        paths = tmp_path / "m.csv", tmp_path / "b.csv"
        for path, lines in zip(paths, (messages, books), strict=True):
            path.write_bytes(b"".join(line + b"\n" for line in lines))
        report = run(*paths, progress=lambda _done, _total: None)
        if not report.fault:
            return ""
        assert report.exit_code == MALFORMED
        (line,) = report.render()
        return line.removeprefix("malformed input: ").replace(f"{tmp_path}/", "")

    return found


Fault = Callable[[list[bytes], list[bytes]], str]


def test_the_lines_that_are_damaged_below_are_well_formed(fault: Fault) -> None:
    assert fault(MESSAGES, BOOKS) == ""


@pytest.mark.parametrize(
    ("row", "line", "expected"),
    [
        (2, b"34200.5,3,16113575,18,5853300", "row 2: 5 columns, not 6 as in row 1"),
        (2, b"34200.5,3,1,18,5853300,1,null", "row 2: 7 columns, not 6 as in row 1"),
        (1, b"34200.5;3;16113575;18", "row 1: 1 columns, not 6 (or 7 with attribution)"),
        (2, b"", "row 2: 1 columns, not 6 as in row 1"),
        (1, b"time,type,id,size,price,side", "row 1, column 1: time 'time' is not seconds"),
        (2, b"3.42e4,3,16113575,18,5853300,1", "row 2, column 1: time '3.42e4' is not seconds"),
        (2, b"-34200.5,3,1,18,5853300,1", "row 2, column 1: time '-34200.5' is not seconds"),
        (2, b"nan,3,1,18,5853300,1", "row 2, column 1: time 'nan' is not seconds"),
        (2, b"34199.9,3,1,18,5853300,1", "row 2, column 1: the time is before that of the row"),
        (2, b"86400.1,3,1,18,5853300,1", "row 2, column 1: the time is beyond the end of the day"),
        (2, b"34200.5,8,1,18,5853300,1", "row 2, column 2: type '8' is not a type from 1 to 7"),
        (2, b"34200.5,3,x,18,5853300,1", "row 2, column 3: order id 'x' is not a whole number"),
        (2, b"34200.5,3,1,12x,5853300,1", "row 2, column 4: size '12x' is not a whole number"),
        (2, b"34200.5,3,1,-18,5853300,1", "row 2, column 4: size '-18' is not a whole number, not"),
        (2, b"34200.5,3,1,1_8,5853300,1", "row 2, column 4: size '1_8' is not a whole number"),
        (2, b"34200.5,3,1,0,5853300,1", "row 2, column 4: the size is 0"),
        (2, b"34200.5,3,1,1000000001,5853300,1", "row 2, column 4: the size is beyond 1000000000"),
        (2, b"34200.5,3,1," + 99 * b"9" + b",1,1", "row 2, column 4: size '99999"),
        (2, b"34200.5,3,1,18,58.5,1", "row 2, column 5: price '58.5' is not a whole number"),
        (2, b"34200.5,3,1,18,0,1", "row 2, column 5: the price is not from 1 to"),
        (2, b"34200.5,3,1,18,5853300,2", "row 2, column 6: side '2' is not 1 (buy) or -1 (sell)"),
        (2, b"34200.5,3,1,18,5853300,0", "row 2, column 6: the side is neither 1 (buy) nor -1"),
        (2, b"34200.5,3,1,18,\xff\xfe,1", r"row 2, column 5: price '\\xff\\xfe' is not"),
        (2, 70_000 * b"1", "row 2: longer than 65536 bytes"),
    ],
)
def test_a_malformed_message(row: int, line: bytes, expected: str, fault: Fault) -> None:
    lines = [*MESSAGES]
    lines[row - 1] = line
    assert fault(lines, BOOKS).startswith(f"m.csv: {expected}")


@pytest.mark.parametrize(
    ("row", "line", "expected"),
    [
        (2, b"5859400,200,5853000,150", "row 2: 4 columns, not 8 as in row 1"),
        (1, b"5859400,200,5853000", "row 1: 3 columns, not four per level"),
        (2, b"5859400,2.5,5853000,150,1,1,1,1", "row 2, column 2: '2.5' is not a whole number"),
        (2, b"5859400,200,,150,1,1,1,1", "row 2, column 3: '' is not a whole number"),
        (2, b"5859400,2_0,5853000,150,1,1,1,1", "row 2, column 2: '2_0' is not a whole number"),
        (2, b"5859400,-5,5853000,150,1,1,1,1", "row 2, column 2: size -5 of a level"),
        (2, b"5859400,0,5853000,150,1,1,1,1", "row 2, column 2: size 0 of a level"),
        (2, b"5859400,1,-5853000,150,1,1,1,1", "row 2, column 3: price -5853000 of a level"),
        (2, b"9999999999,7,5853000,150,1,1,1,1", "row 2, column 1: price 9999999999 of a level"),
        (
            2,
            b"9999999999,0,5853000,150,5859400,10,5852000,1",
            "row 2, column 5: a level behind an empty one",
        ),
    ],
)
def test_a_malformed_order_book(row: int, line: bytes, expected: str, fault: Fault) -> None:
    lines = [*BOOKS]
    lines[row - 1] = line
    assert fault(MESSAGES, lines).startswith(f"b.csv: {expected}")


def test_files_of_different_length(fault: Fault) -> None:
    assert fault(MESSAGES, BOOKS[:2]) == "b.csv: row 3: the file ends here, but m.csv goes on"
    assert fault(MESSAGES[:2], BOOKS) == "m.csv: row 3: the file ends here, but b.csv goes on"
    assert fault([], BOOKS) == "m.csv: row 1: the file ends here, but b.csv goes on"


def test_empty_files(fault: Fault) -> None:
    assert fault([], []) == "m.csv: the file is empty"


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path, expected in (
        (tmp_path / "none.csv", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        report = run(path, path, progress=lambda _done, _total: None)
        assert report.exit_code == MALFORMED
        assert report.fault == f"{path}: cannot be read: {expected}"


def test_a_gzip_file_that_was_cut_off(tmp_path: Path) -> None:
    messages, books = tmp_path / "m.csv.gz", tmp_path / "b.csv"
    messages.write_bytes(gzip.compress(b"\n".join(MESSAGES))[:-12])
    books.write_bytes(b"\n".join(BOOKS) + b"\n")
    report = run(messages, books, progress=lambda _done, _total: None)
    assert report.exit_code == MALFORMED
    assert report.fault.startswith(f"{messages}: ")
    assert "cannot be read" in report.fault
