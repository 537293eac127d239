"""Licence expressions as library and market read them: SPDX, and the names of the hub.

What cannot be understood is refused: a guess about somebody's rights would be worse than a
question. A hint names another spelling of the same licence, never another licence. A name of one's
own (LicenseRef-NAME) and an SPDX licence that is not in the table are kept; nothing is known of
their rights, so they give none.
"""

from __future__ import annotations

import functools
import re
from itertools import product
from typing import Any

from genome.errors import LicenceTextError
from genome.licence_terms import HUB, SPELLING, TERMS, UNKNOWN, Terms

MAX_CHARS = 200
MAX_ALTERNATIVES = 64

_OWN_NAME = re.compile(r"(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+", re.ASCII)
_ID = r"\(*[A-Za-z0-9][A-Za-z0-9.:+-]*\)*"
_SHAPE = re.compile(rf"({_ID}( (AND|OR|WITH) {_ID})*)?", re.ASCII)
_PRINTABLE = re.compile(r"[\x20-\x7e]*", re.ASCII)


def looks_like_one(text: object) -> bool:
    """Whether a text has an expression's shape, whatever it names; also "", none stated."""
    return isinstance(text, str) and len(text) <= MAX_CHARS and _SHAPE.fullmatch(text) is not None


def terms_of(name: str) -> Terms:
    """What one licence of an expression asks of a child; of an unknown one, the most there is."""
    return TERMS.get(name, UNKNOWN)


def canonical(text: object) -> str:
    """An expression with every licence in SPDX's spelling; "" = none stated.

    Raises:
        LicenceTextError: It is no expression, or names what is no licence.
    """
    if not isinstance(text, str) or len(text) > MAX_CHARS or not _PRINTABLE.fullmatch(text):
        raise LicenceTextError(
            f"a licence must be an SPDX expression of at most {MAX_CHARS} characters, got"
            f" {ascii(text)[:60]}: write one such as Apache-2.0"
        )
    text = text.strip()
    if not text or text.lower() in SPELLING:
        return SPELLING.get(text.lower(), "")
    return str(_spelt(_parsed(text), text))


@functools.lru_cache(maxsize=4096)
def alternatives(text: str) -> tuple[frozenset[str], ...]:
    """The ways to read an expression, each a set of licences that bind together.

    `A OR B` lets a child's maker choose; `A AND B` binds by both; an exception (`WITH`) only adds
    freedom and is not relied upon.

    Raises:
        LicenceTextError: It is no expression, names what is no licence, or branches too often.
    """
    stated = canonical(text)
    if stated in TERMS:
        return (frozenset((stated,)),)
    return tuple(_ways(_parsed(stated), text))


def hub_licence(text: str) -> tuple[str, str, str]:
    """How a model card states a licence: `license`, `license_name`, `license_link`.

    What the hub has no name for is `other` with a name, and where SPDX has its text, a link.
    """
    names = {ours: hub for hub, ours in HUB.items()}
    try:
        stated = canonical(text)
    except LicenceTextError:  # a card may be written of a manifest from elsewhere
        stated = text
    if not stated or stated in names:
        return names.get(stated, ""), "", ""
    name = re.sub(r"[^a-z0-9.+]+", "-", stated.removeprefix("LicenseRef-").lower()).strip("-")
    spdx = stated in TERMS and not stated.startswith("LicenseRef-")
    return "other", name, f"https://spdx.org/licenses/{stated}.html" if spdx else ""


def _parsed(text: str) -> Any:
    from license_expression import ExpressionError, Licensing

    try:
        tree = Licensing().parse(text, simple=True)
    except (ExpressionError, RecursionError) as error:
        cause = " ".join(str(error).split())[:100]
        raise _refusal(text, f"{cause or 'it is none'}: {remedy(text)}") from None
    if tree is None:
        raise _refusal(text, f"it names none: {remedy(text)}")
    return tree


def _spelt(tree: Any, text: str) -> Any:
    """The same expression with every licence as its identifier."""
    from license_expression import LicenseSymbol, LicenseWithExceptionSymbol

    if (exception := getattr(tree, "exception_symbol", None)) is not None:
        licence = LicenseSymbol(_known(tree.license_symbol.key, text))
        return LicenseWithExceptionSymbol(licence, exception)
    if not tree.args:
        return LicenseSymbol(_known(tree.key, text))
    return type(tree)(*(_spelt(part, text) for part in tree.args))


def _ways(tree: Any, text: str) -> list[frozenset[str]]:
    if not tree.args:
        return [frozenset((getattr(tree, "license_symbol", tree).key,))]
    parts = [_ways(part, text) for part in tree.args]
    found = parts[0]
    for part in parts[1:]:
        either = tree.operator.strip() == "OR"
        found = [*found, *part] if either else [a | b for a, b in product(found, part)]
        if len(found) > MAX_ALTERNATIVES:
            raise _refusal(text, f"it has more than {MAX_ALTERNATIVES} alternatives: write fewer")
    return found


def _known(name: str, text: str) -> str:
    """The identifier that one word of an expression means."""
    if (meant := SPELLING.get(name.lower())) is not None:
        return meant
    if _OWN_NAME.fullmatch(name):
        return name
    if (listed := _spdx().get(name.lower())) is not None:
        return listed
    raise _refusal(text, f"{name[:60]!r} is no licence that is known: {remedy(name)}")


@functools.cache
def _spdx() -> dict[str, str]:
    """All identifiers of SPDX, as the library that reads the expressions lists them."""
    from license_expression import get_spdx_licensing

    symbols = get_spdx_licensing().known_symbols.values()
    keys = [s.key for s in symbols if not s.is_exception and not s.key.startswith("LicenseRef-")]
    return {key.lower(): key for key in keys}


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def remedy(text: str) -> str:
    """Another spelling of the same licence, or how to name one that nobody knows."""
    same = sorted({n for n in (*HUB, *SPELLING.values()) if _letters(n) == _letters(text)})
    if same:
        return f"use {' or '.join(same[:2])}"
    return (
        "use the identifier that spdx.org/licenses or the Hugging Face hub gives it, or"
        " LicenseRef-NAME (which lets nobody make layers from it)"
    )


def _refusal(text: str, why: str) -> LicenceTextError:
    return LicenceTextError(f"a licence must be an SPDX expression, got {text[:80]!r}: {why}")
