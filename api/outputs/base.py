"""The words that all answers share: money, instants, days, and what every model forbids."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Money = Annotated[
    str,
    Field(
        pattern=r"^-?(0|[1-9][0-9]*)\.[0-9]{2}$", description="decimal in CNY", examples=["83.50"]
    ),
]
Instant = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$",
        description="RFC 3339, UTC, microseconds",
        examples=["2024-05-06T01:30:00.000000Z"],
    ),
]
Day = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        description="trading day",
        examples=["2024-05-06"],
    ),
]
Tonnes = Annotated[int, Field(ge=0, description="tonnes CO2e")]
Number = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Currency = Literal["CNY"]


class Output(BaseModel):
    """Base of all answers: every field is present, no other is."""

    model_config = ConfigDict(extra="forbid", strict=True)
