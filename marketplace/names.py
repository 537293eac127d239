"""What names, keys and texts may look like, and which name was probably meant.

Names are typed, shown in terminals and used in file names and addresses, so the alphabet is small,
and the first character is none that makes a name an option, a hidden file or another folder.
Control characters are refused everywhere: a description must not be able to move a cursor.
"""

import difflib
import re
from collections.abc import Iterable

from marketplace.errors import NameFormatError

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
"""The rule for names of accounts, listings, skills and tags, as a regular expression."""
_NAME = re.compile(NAME)
_WORD = re.compile(r"[^\W_]+")
_DIGEST = re.compile(r"[a-z0-9:._-]{1,128}")
MAX_KEY_CHARS = 200

WORLD = "world"
"""The house account that credits come from; may be negative without limit."""
PLATFORM = "platform"
"""The house account that fees go to."""
ESCROW = "escrow"
"""The other side of every hold; its own balance is always 0."""
HOUSE = (WORLD, PLATFORM, ESCROW)


def check_name(value: object, what: str = "name") -> str:
    """The value itself, when it is a letter or digit, then up to 63 of a-z, 0-9 and . _ - more.

    Raises:
        NameFormatError: It is anything else.
    """
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise NameFormatError(
        f"{what} must be 1-64 characters of a-z 0-9 . _ -, the first a letter or digit,"
        f" got {_shown(value)}: choose another"
    )


def check_digest(value: object) -> str:
    """The value itself, when it can be a layer digest.

    Raises:
        NameFormatError: It cannot.
    """
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value
    raise NameFormatError(
        f"digest must be 1-128 characters of a-z 0-9 : . _ -, got {_shown(value)}:"
        " pass layer.digest"
    )


def check_text(value: object, what: str, *, min_chars: int = 0, max_chars: int = 200) -> str:
    """The value itself, when it is printable text of an allowed length.

    Raises:
        NameFormatError: It is no text, too short, too long, or holds control characters.
    """
    if isinstance(value, str) and min_chars <= len(value) <= max_chars and value.isprintable():
        return value
    raise NameFormatError(
        f"{what} must be {min_chars}-{max_chars} printable characters on one line,"
        f" got {_shown(value)}: shorten or clean it"
    )


def check_key(value: object) -> str:
    """The value itself, when it can be an idempotency key.

    Raises:
        NameFormatError: It is empty, too long or not printable.
    """
    return check_text(value, "key", min_chars=1, max_chars=MAX_KEY_CHARS)


def words(text: str) -> set[str]:
    """The words of a text, as search knows them: letters and digits, whatever their case."""
    return set(_WORD.findall(text.casefold()))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Advice naming the closest known names, best first; empty if none is close."""
    nearest = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(repr(other) for other in nearest)}?" if nearest else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}... ({len(text)} characters)"
