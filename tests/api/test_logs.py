"""The log tells what failed and where, but nothing that a local variable held."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from api import logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    before = structlog.get_config()
    file = io.StringIO()
    logs.configure(logging.INFO, file)
    yield file
    structlog.configure(**before)


def fail_with(password: str) -> None:
    raise ZeroDivisionError(f"of {len(password)} characters")


def test_a_traceback_shows_places_and_no_values(written: io.StringIO) -> None:
    try:
        fail_with("quiet-pine-hill-63")
    except ZeroDivisionError as error:
        structlog.get_logger().error("request_failed", path="/v1/orders", exc_info=error)
    text = written.getvalue()
    assert "request_failed" in text
    assert "/v1/orders" in text
    assert "ZeroDivisionError: of 18 characters" in text
    assert "in fail_with" in text
    assert "quiet-pine" not in text.replace('fail_with("quiet-pine-hill-63")', "")


def test_what_is_less_severe_is_not_written(written: io.StringIO) -> None:
    structlog.get_logger().debug("detail")
    structlog.get_logger().info("event", seq=7)
    assert "detail" not in written.getvalue()
    assert "seq" in written.getvalue()
