"""What the fields of a request may hold on the wire: the types that operations are declared with.

Locally the rules of the market itself apply, with their own words; a service also refuses, before
any rule, what no market could mean.
"""

import re
from enum import Enum
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from marketplace.money import INT64_MAX, NANOS_PER_CREDIT
from marketplace.names import NAME
from marketplace.wire import WHOLE_IN_JSON

NAME_PATTERN = rf"^{NAME}$"
ACCOUNT_PATTERN = rf"^{NAME}(/{NAME})?$"
HEX64_PATTERN = r"^[0-9a-f]{64}$"
AMOUNT_PATTERN = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$"
_AMOUNT = re.compile(AMOUNT_PATTERN.replace("$", r"\Z"))


def _nanos(value: object) -> int:
    if not isinstance(value, str) or not _AMOUNT.match(value):
        raise ValueError("must be decimal credits in a string, such as '1.5', below a billion")
    whole, _, fraction = value.partition(".")
    nanos = int(whole) * NANOS_PER_CREDIT + int(fraction.ljust(9, "0"))
    assert nanos <= INT64_MAX, "nine digits of credits fit 64 bits of nano-credits"
    return nanos


class Acts(Enum):
    """Marks the field that says who acts: a service lets nobody else send the operation."""

    ITSELF = "itself"
    """The account that it names."""
    OWNER = "owner"
    """The owner of the mandate that it names."""


AccountName = Annotated[str, Field(pattern=ACCOUNT_PATTERN, examples=["ada"])]
Actor = Annotated[AccountName, Acts.ITSELF]
"""Whose operation it is: over the wire, an account that the signing key speaks for."""
MandateName = Annotated[AccountName, Acts.OWNER]
ListingName = Annotated[str, Field(pattern=NAME_PATTERN, examples=["sql-v2"])]
Name = Annotated[str, Field(pattern=NAME_PATTERN, examples=["sorting"])]
PublicKey = Annotated[str, Field(pattern=HEX64_PATTERN, examples=["3b6a27bc" * 8])]
Digest = Annotated[str, Field(pattern=r"^[a-z0-9:._-]{1,128}$", examples=["5f2c" * 16])]
QuestionsDigest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Key = Annotated[str, Field(pattern=r"^[!-~]{1,128}$", examples=["call-17"])]

Credits = Annotated[
    int,
    BeforeValidator(_nanos),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN, "examples": ["1.5"]}),
]
"""Nano-credits (int) inside, decimal credits in a string on the wire."""
Count = Annotated[int, Field(ge=0, le=10**9)]
Several = Annotated[int, Field(ge=1, le=10**9)]
Days = Annotated[int, Field(ge=1, le=3650)]
Parts = Annotated[int, Field(ge=0, le=10**6, description="Millionths.")]
Number = Annotated[int, Field(ge=1, le=WHOLE_IN_JSON)]
Seed = Annotated[int, Field(ge=0, le=WHOLE_IN_JSON)]
