"""Times in the records of others: RFC 3339 with an offset, from 1970 to 2099, and nothing else.

Source: RFC 3339, section 5.6 ("T" and "Z" may be lower case, a space may separate date and time)
and section 5.7 (leap seconds).
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

NO_OFFSET: Final = "timezone_aware"
"""Type of the error for a time without an offset, the same as that of pydantic."""
OUT_OF_RANGE: Final = "time_range"
"""Type of the error for a time before 1970 or after 2099."""
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""The first time that no record may contain, so that conversions to time zones and additions cannot
overflow. It is before 2106, because `detectors.memory.customer_weights` stores times in 32 bits."""

_DATE: Final = r"\d{4}-\d\d-\d\d"
_OFFSET: Final = r"(?:[Zz]|[+-]\d\d:\d\d)"
_USUAL: Final = (
    "(19[7-9]|20[0-9])[0-9]-[0-9][0-9]-[0-9][0-9][Tt ][0-9][0-9]:[0-9][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,9})?([Zz]|[+-][0-9][0-9]:[0-9][0-9])"
)
"""Times from 1970 to 2099 that pydantic can parse."""
_is_usual: Final = re.compile(_USUAL).fullmatch
_RFC_3339: Final = re.compile(
    rf"(?P<start>{_DATE}[Tt ]\d\d:\d\d:)(?P<second>\d\d)(?P<fraction>\.\d+)?(?P<offset>{_OFFSET})",
    re.ASCII,
)
_WITHOUT_OFFSET: Final = re.compile(rf"{_DATE}(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?", re.ASCII)
_LEAP_SECOND: Final = "60"


def _as_usual(value: object) -> object:
    """Return a time in the usual form.

    Raises:
        PydanticCustomError: The value is not a time in RFC 3339 from 1970 to 2099.
    """
    if isinstance(value, str) and _is_usual(value):
        return value
    if isinstance(value, datetime):  # from our own code
        return value
    if not isinstance(value, str):
        raise _no_time()
    if _WITHOUT_OFFSET.fullmatch(value):
        raise PydanticCustomError(NO_OFFSET, "needs an offset, such as Z or +01:00")
    parts = _RFC_3339.fullmatch(value)
    if parts is None:
        raise _no_time()
    if not 1970 <= int(value[:4]) <= 2099:
        raise _out_of_range()
    if parts["second"] == _LEAP_SECOND:
        return _before_leap_second(parts["start"], parts["offset"])
    return f"{parts['start']}{parts['second']}{(parts['fraction'] or '')[:7]}{parts['offset']}"


def _before_leap_second(start: str, offset: str) -> str:
    """Return the second before a leap second, which computers cannot represent."""
    text = f"{start}59{offset}"
    try:
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except ValueError:
        raise _no_time() from None
    if (at.hour, at.minute) != (23, 59):
        raise _no_time()
    return text


def _no_time() -> PydanticCustomError:
    return PydanticCustomError(
        "rfc_3339", "must be a time in RFC 3339, such as 2026-03-02T09:00:00Z"
    )


def _out_of_range() -> PydanticCustomError:
    return PydanticCustomError(OUT_OF_RANGE, "must be between 1970 and 2099")


def is_within_bounds(time: datetime) -> bool:
    """Return whether a time, with an offset, is from 1970 through 2099."""
    return EARLIEST <= time < LATEST


def _bounded(time: datetime) -> datetime:
    if not is_within_bounds(time):
        raise _out_of_range()
    return time


BoundedTime = Annotated[AwareDatetime, AfterValidator(_bounded)]
"""Time of a record that we write, from 1970 through 2099."""
Moment = Annotated[BoundedTime, BeforeValidator(_as_usual), Field(strict=False)]
"""Time of a record that others write."""


class _UsualForm:
    """Check of the usual form of a time in pydantic's core, which is faster than one in Python."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        del source, handler
        return core_schema.chain_schema(
            [
                core_schema.str_schema(pattern=f"^{_USUAL}$", regex_engine="rust-regex"),
                core_schema.datetime_schema(tz_constraint="aware", strict=False),
            ]
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema, handler
        return {"type": "string", "format": "date-time"}


UsualMoment = Annotated[AwareDatetime, _UsualForm]
"""Time of a ticket in the form that nearly all have. Reading it costs less than a `Moment`;
`schemas.decoding.tickets.decode_ticket` also reads the other forms."""
