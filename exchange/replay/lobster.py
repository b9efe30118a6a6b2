"""The LOBSTER format: one message csv and one order book csv of a trading day, row by row.

    message:    time, type, order id, size, price, side[, attribution]
                seconds after midnight with up to 9 decimals; 1 add, 2 partial cancel, 3 delete,
                4 execution of a visible order, 5 of a hidden one, 6 cross trade, 7 halt;
                price in 1/10000 dollar; side of the resting order (1 buy, -1 sell);
                newer files add the firm that shows its name, or null: it is not used
    order book: (ask price, ask size, bid price, bid size) per level, after the message of its row;
                an empty level has size 0 and price 9999999999 (ask) or -9999999999 (bid)

Plain or gzip, told apart by the first bytes.  Both files are streamed.  What does not fit the
format raises InputFault naming file, row and column; nothing is repaired or skipped.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from engine.codes import Side

ADD: Final = 1
REDUCE: Final = 2
DELETE: Final = 3
EXECUTE: Final = 4
HIDDEN: Final = 5
CROSS: Final = 6
HALT: Final = 7

EMPTY_ASK: Final = 9_999_999_999
EMPTY_BID: Final = -9_999_999_999
MAX_SIZE: Final = 1_000_000_000
MAX_PRICE: Final = EMPTY_ASK - 1
MAX_LINE_BYTES: Final = 64 * 1024
NS_PER_SECOND: Final = 1_000_000_000
SECONDS_PER_DAY: Final = 86_400

_GZIP_MAGIC: Final = b"\x1f\x8b"
_MESSAGE = re.compile(
    rb"(\d{1,6})(?:\.(\d{1,18}))?,([1-7]),(-?\d{1,18}),(\d{1,18}),(-?\d{1,18}),(-1|0|1)"
    rb"(?:,\w{1,8})?\r?\n?"
)
_COLUMNS = (6, 7)
_FIELDS = (
    ("time", rb"\d{1,6}(\.\d{1,18})?", "seconds after midnight"),
    ("type", rb"[1-7]", "a type from 1 to 7"),
    ("order id", rb"-?\d{1,18}", "a whole number"),
    ("size", rb"\d{1,18}", "a whole number, not negative"),
    ("price", rb"-?\d{1,18}", "a whole number"),
    ("side", rb"-1|0|1", "1 (buy) or -1 (sell)"),
    ("attribution", rb"\w{1,8}", "a name"),
)


class InputFault(Exception):
    """A file does not have the format; str() is one line with file, row and column."""

    def __init__(self, path: Path, row: int, column: int, what: str) -> None:
        place = f"{path}: row {row}" if row else str(path)
        place += f", column {column}" if column else ""
        super().__init__(f"{place}: {what}")


class Message(NamedTuple):
    """One event of the recorded order flow; price in 1/10000 dollar, side of the resting order."""

    row: int
    time_ns: int
    type: int
    order_id: int
    size: int
    price: int
    side: Side


class Row(NamedTuple):
    """A message and the book after it: ask price, ask size, bid price, bid size of each level."""

    message: Message
    book: list[int]


def read_rows(messages: Path, orderbook: Path) -> Iterator[Row]:
    """The rows of both files side by side; raises InputFault at the first that does not fit."""
    columns = width = last_ns = 0
    pairs = zip_longest(_lines(messages), _lines(orderbook))
    for row, (message_line, book_line) in enumerate(pairs, 1):
        if message_line is None or book_line is None:
            short, long = (messages, orderbook) if message_line is None else (orderbook, messages)
            raise InputFault(short, row, 0, f"the file ends here, but {long.name} goes on")
        columns = columns or _columns_of(message_line, messages)
        if message_line.count(b",") + 1 != columns:
            raise InputFault(messages, row, 0, _ragged(message_line, columns))
        message = _parse_message(message_line, row, messages)
        if message.time_ns < last_ns:
            raise InputFault(messages, row, 1, "the time is before that of the row above")
        last_ns = message.time_ns
        width = width or _width_of(book_line, orderbook)
        yield Row(message, _parse_book(book_line, row, width, orderbook))


def _lines(path: Path) -> Iterator[bytes]:
    row = 0
    try:
        with _open(path) as file:
            while line := file.readline(MAX_LINE_BYTES):
                row += 1
                if len(line) == MAX_LINE_BYTES:
                    raise InputFault(path, row, 0, f"longer than {MAX_LINE_BYTES} bytes")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise InputFault(path, row, 0, f"cannot be read: {what}") from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP_MAGIC
    return cast(BinaryIO, gzip.open(path)) if is_gzip else path.open("rb")


def _parse_message(line: bytes, row: int, path: Path) -> Message:
    match = _MESSAGE.fullmatch(line)
    if match is None:
        raise _message_fault(line, row, path)
    seconds, fraction, *numbers = match.groups()
    kind, order_id, size, price, sign = map(int, numbers)
    time_ns = int(seconds) * NS_PER_SECOND
    if fraction:
        time_ns += int(fraction.ljust(9, b"0")[:9])
    if time_ns > SECONDS_PER_DAY * NS_PER_SECOND:
        raise InputFault(path, row, 1, "the time is beyond the end of the day")
    if size > MAX_SIZE:
        raise InputFault(path, row, 4, f"the size is beyond {MAX_SIZE}")
    if kind <= EXECUTE:
        if size < 1:
            raise InputFault(path, row, 4, "the size is 0")
        if not 1 <= price <= MAX_PRICE:
            raise InputFault(path, row, 5, f"the price is not from 1 to {MAX_PRICE}")
        if sign == 0:
            raise InputFault(path, row, 6, "the side is neither 1 (buy) nor -1 (sell)")
    return Message(row, time_ns, kind, order_id, size, price, Side.BUY if sign > 0 else Side.SELL)


def _message_fault(line: bytes, row: int, path: Path) -> InputFault:
    fields = line.rstrip(b"\r\n").split(b",")
    for column, (field, (name, pattern, wanted)) in enumerate(
        zip(fields, _FIELDS, strict=False), 1
    ):
        if re.fullmatch(pattern, field) is None:
            return InputFault(path, row, column, f"{name} {_shown(field)} is not {wanted}")
    return InputFault(path, row, 0, "not a message")


def _columns_of(line: bytes, path: Path) -> int:
    columns = line.count(b",") + 1
    if columns not in _COLUMNS:
        raise InputFault(path, 1, 0, f"{columns} columns, not 6 (or 7 with attribution)")
    return columns


def _ragged(line: bytes, columns: int) -> str:
    return f"{line.count(b',') + 1} columns, not {columns} as in row 1"


def _width_of(line: bytes, path: Path) -> int:
    width = line.count(b",") + 1
    if width % 4:
        raise InputFault(path, 1, 0, f"{width} columns, not four per level")
    return width


def _parse_book(line: bytes, row: int, width: int, path: Path) -> list[int]:
    try:
        book = list(map(int, line.split(b",")))
    except ValueError:
        raise _book_fault(line, row, width, path) from None
    if len(book) != width or b"_" in line:
        raise _book_fault(line, row, width, path)
    if min(book) < 1 or max(book) > MAX_PRICE:
        _check_levels(book, row, path)
    return book


def _book_fault(line: bytes, row: int, width: int, path: Path) -> InputFault:
    fields = line.rstrip(b"\r\n").split(b",")
    if len(fields) != width:
        return InputFault(path, row, 0, _ragged(line, width))
    for column, field in enumerate(fields, 1):
        if re.fullmatch(rb"\s*[+-]?\d{1,18}\s*", field) is None:
            return InputFault(path, row, column, f"{_shown(field)} is not a whole number")
    return InputFault(path, row, 0, "not a row of whole numbers")


def _check_levels(book: list[int], row: int, path: Path) -> None:
    """Refuse a row that has other than good levels, followed on each side by empty ones."""
    for first, empty_price in ((0, EMPTY_ASK), (2, EMPTY_BID)):
        ended = False
        for index in range(first, len(book), 4):
            price, size = book[index : index + 2]
            if (price, size) == (empty_price, 0):
                ended = True
            elif size < 1:
                raise InputFault(path, row, index + 2, f"size {size} of a level")
            elif not 1 <= price <= MAX_PRICE:
                raise InputFault(path, row, index + 1, f"price {price} of a level")
            elif ended:
                raise InputFault(path, row, index + 1, "a level behind an empty one")


def _shown(field: bytes) -> str:
    text = field[:24].decode("ascii", "backslashreplace")
    return repr(text + "..." if len(field) > len(text) else text)
