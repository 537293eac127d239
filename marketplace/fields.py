"""What fields hold on the wire: the types that operations and views are declared with.

Locally the rules of the market itself apply to a request, with their own words; a service also
refuses, before any rule, what no market could mean.
"""

import re
from enum import Enum
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from marketplace.money import NANOS_PER_CREDIT, decimal_credits
from marketplace.names import NAME
from marketplace.wire import WHOLE_IN_JSON

NAME_PATTERN = rf"^{NAME}$"
ACCOUNT_PATTERN = rf"^{NAME}(/{NAME})?$"
HEX64_PATTERN = r"^[0-9a-f]{64}$"


def _credits(pattern: str, rule: str) -> BeforeValidator:
    """Reads decimal credits that look so."""
    allowed = re.compile(pattern.replace("$", r"\Z"))

    def nanos(value: object) -> int:
        if not isinstance(value, str) or not allowed.match(value):
            raise ValueError(rule)
        whole, _, fraction = value.removeprefix("-").partition(".")
        found = int(whole) * NANOS_PER_CREDIT + int(fraction.ljust(9, "0"))
        return -found if value.startswith("-") else found

    return BeforeValidator(nanos)


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

_ASKED = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$"
_TOLD = r"^-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?$"
Credits = Annotated[
    int,
    _credits(_ASKED, "must be decimal credits in a string, such as '1.5', below a billion"),
    PlainSerializer(decimal_credits),
    WithJsonSchema({"type": "string", "pattern": _ASKED, "examples": ["1.5"]}),
]
"""Of a request: nano-credits (int) inside, decimal credits in a string on the wire."""
Nanos = Annotated[
    int,
    _credits(_TOLD, "an amount of credits such as '1.5'"),
    PlainSerializer(decimal_credits),
    WithJsonSchema({"type": "string", "pattern": _TOLD}),
]
"""The same of an answer, which may be negative: a balance, say."""
Count = Annotated[int, Field(ge=0, le=10**9, strict=True)]
Several = Annotated[int, Field(ge=1, le=10**9, strict=True)]
Days = Annotated[int, Field(ge=1, le=3650)]
Parts = Annotated[int, Field(ge=0, le=10**6, description="Millionths.")]
Number = Annotated[int, Field(ge=1, le=WHOLE_IN_JSON)]
Seed = Annotated[int, Field(ge=0, le=WHOLE_IN_JSON, strict=True)]
NESTED = ConfigDict(extra="forbid")
"""Of a dataclass within a request: as strict as the request, which pydantic would refuse to read a
dataclass from."""
