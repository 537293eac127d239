"""Licence expressions as library and market read them: SPDX, and the names of the hub.

What cannot be understood is refused: a guess about somebody's rights would be worse than a
question. A hint names another spelling of the same licence, never another licence. A name of one's
own (LicenseRef-NAME) and an SPDX licence that is not in the table are kept; nothing is known of
their rights, so they give none.

What each licence asks of a layer made from another: one table for the library and the market.

    permissive      MIT, Apache-2.0, CC-BY-4.0 ...        binds no child (credit is in the lineage)
    passed on       GPL, CC-BY-SA, OpenRAIL, Llama ...    the child carries it, or one it allows
    non-commercial  CC-BY-NC ...                          the child must be non-commercial too
    no derivatives  CC-BY-ND, none stated, proprietary    no child by anybody else
    unknown         every other name, `other`, `unknown`  no child and no commercial use

Names are SPDX identifiers (spdx.org/licenses); what SPDX lacks is LicenseRef- and the name that the
Hugging Face hub gives it (huggingface.co/docs/hub/repositories-licenses). A hub name that leaves
the version open is taken for the version, or the family, that gives least. This is a rule in the
spirit of the licences, and not legal advice.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from itertools import product
from typing import Any

from genome.errors import LicenceTextError

MAX_CHARS = 200
MAX_ALTERNATIVES = 64

_OWN_NAME = re.compile(r"(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+", re.ASCII)
_ID = r"\(*[A-Za-z0-9][A-Za-z0-9.:+-]*\)*"
_SHAPE = re.compile(rf"({_ID}( (AND|OR|WITH) {_ID})*)?", re.ASCII)
_PRINTABLE = re.compile(r"[\x20-\x7e]*", re.ASCII)


def looks_like_one(text: object) -> bool:
    """Whether a text has an expression's shape, whatever it names; also "", none stated."""
    return isinstance(text, str) and len(text) <= MAX_CHARS and _SHAPE.fullmatch(text) is not None


def terms_of(name: str) -> LicenceTerms:
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


@dataclass(frozen=True, slots=True)
class LicenceTerms:
    """What one licence asks of a child."""

    derivatives: bool = True
    share_as: frozenset[str] = frozenset()
    """Licences a child may carry; empty = any."""
    non_commercial: bool = False


def _shared(*allowed: str, non_commercial: bool = False) -> LicenceTerms:
    return LicenceTerms(share_as=frozenset(allowed), non_commercial=non_commercial)


def _itself(*names: str, non_commercial: bool = False) -> dict[str, LicenceTerms]:
    """Licences that a child must carry as they are."""
    return {name: _shared(name, non_commercial=non_commercial) for name in names}


UNKNOWN = LicenceTerms(derivatives=False, non_commercial=True)
_GPL3 = ("GPL-3.0-only", "GPL-3.0-or-later", "AGPL-3.0-only", "AGPL-3.0-or-later")
_GPL2_LATER = ("GPL-2.0-only", "GPL-2.0-or-later", *_GPL3)
_LGPL3 = ("LGPL-3.0-only", "LGPL-3.0-or-later", *_GPL3)
_NC, _ND = LicenceTerms(non_commercial=True), LicenceTerms(derivatives=False)
_OPEN_RAIL = ("LicenseRef-OpenRAIL", "LicenseRef-OpenRAIL-NC")

PERMISSIVE = (
    "0BSD",
    "AFL-3.0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSL-1.0",
    "CC-BY-2.0",
    "CC-BY-2.5",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
    "ECL-2.0",
    "etalab-2.0",
    "ISC",
    "LicenseRef-bsd",
    "LicenseRef-openmdw-1.0",
    "LicenseRef-openmdw-1.1",
    "MIT",
    "MIT-0",
    "NCSA",
    "ODC-By-1.0",
    "PDDL-1.0",
    "PostgreSQL",
    "Unlicense",
    "WTFPL",
    "Zlib",
)
TERMS: dict[str, LicenceTerms] = {
    **dict.fromkeys(PERMISSIVE, LicenceTerms()),
    "CC-BY-SA-3.0": _shared("CC-BY-SA-3.0", "CC-BY-SA-4.0"),
    "CC-BY-SA-4.0": _shared("CC-BY-SA-4.0", "GPL-3.0-only", "GPL-3.0-or-later"),
    "GPL-2.0-only": _shared("GPL-2.0-only"),
    "GPL-2.0-or-later": _shared(*_GPL2_LATER),
    "GPL-3.0-only": _shared(*_GPL3),
    "GPL-3.0-or-later": _shared(*_GPL3),
    "AGPL-3.0-only": _shared("AGPL-3.0-only", "AGPL-3.0-or-later"),
    "AGPL-3.0-or-later": _shared("AGPL-3.0-only", "AGPL-3.0-or-later"),
    "LGPL-2.1-only": _shared("LGPL-2.1-only", *_GPL2_LATER),
    "LGPL-2.1-or-later": _shared("LGPL-2.1-only", "LGPL-2.1-or-later", *_GPL2_LATER, *_LGPL3),
    "LGPL-3.0-only": _shared(*_LGPL3),
    "LGPL-3.0-or-later": _shared(*_LGPL3),
    "MPL-2.0": _shared("MPL-2.0", "LGPL-2.1-or-later", *_GPL2_LATER, *_LGPL3),
    "EPL-1.0": _shared("EPL-1.0", "EPL-2.0"),
    "EUPL-1.1": _shared("EUPL-1.1", "EUPL-1.2", "GPL-2.0-only", "GPL-2.0-or-later", "OSL-3.0"),
    "EUPL-1.2": _shared("EUPL-1.2", "MPL-2.0", *_GPL2_LATER, *_LGPL3),
    **_itself(
        "Artistic-2.0",
        "C-UDA-1.0",
        "CDLA-Sharing-1.0",
        "EPL-2.0",
        "LGPLLR",
        "LPPL-1.3c",
        "MS-PL",
        "ODbL-1.0",
        "OFL-1.1",
        "OSL-3.0",
        "LicenseRef-apple-ascl",
        "LicenseRef-gfdl",
        "LicenseRef-gpl",
        "LicenseRef-lgpl",
        # use limits that a child has to repeat
        "LicenseRef-bigcode-openrail-m",
        "LicenseRef-bigscience-bloom-rail-1.0",
        "LicenseRef-bigscience-openrail-m",
        "LicenseRef-creativeml-openrail-m",
        "LicenseRef-gemma",
        "LicenseRef-grok2-community",
        "LicenseRef-llama2",
        "LicenseRef-llama3",
        "LicenseRef-llama3.1",
        "LicenseRef-llama3.2",
        "LicenseRef-llama3.3",
        "LicenseRef-llama4",
        "LicenseRef-openrail-plus-plus",
    ),
    **_itself(
        "LicenseRef-apple-amlr",
        "LicenseRef-deepfloyd-if-license",
        "LicenseRef-h-research",
        "LicenseRef-fair-noncommercial-research-license",
        "LicenseRef-intel-research",
        non_commercial=True,
    ),
    "LicenseRef-OpenRAIL": _shared(*_OPEN_RAIL),
    "LicenseRef-OpenRAIL-NC": _shared(*_OPEN_RAIL, non_commercial=True),
    "CC-BY-NC-2.0": _NC,
    "CC-BY-NC-3.0": _NC,
    "CC-BY-NC-4.0": _NC,
    "CC-BY-NC-SA-2.0": _shared(
        "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", non_commercial=True
    ),
    "CC-BY-NC-SA-3.0": _shared("CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", non_commercial=True),
    "CC-BY-NC-SA-4.0": _shared("CC-BY-NC-SA-4.0", non_commercial=True),
    "CC-BY-ND-4.0": _ND,
    "CC-BY-NC-ND-3.0": UNKNOWN,
    "CC-BY-NC-ND-4.0": UNKNOWN,
    "LicenseRef-Proprietary": _ND,
    "LicenseRef-cc": UNKNOWN,
    "LicenseRef-other": UNKNOWN,
    "LicenseRef-unknown": UNKNOWN,
    "": _ND,
}
"""Every licence whose rights are known, by SPDX identifier; "" = none was stated."""

_TWINS = {
    "agpl-3.0": "AGPL-3.0-only",
    "c-uda": "C-UDA-1.0",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "lgpl-lr": "LGPLLR",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "openrail": _OPEN_RAIL[0],
    "openrail++": "LicenseRef-openrail-plus-plus",
    "pddl": "PDDL-1.0",
}
"""Names of the hub that SPDX spells otherwise."""
_NOT_OF_THE_HUB = (
    "0BSD",
    "MIT-0",
    "LicenseRef-OpenRAIL-NC",
    "LicenseRef-Proprietary",
    *_TWINS.values(),
)


def _of_the_hub(name: str) -> bool:
    later = name.endswith("-or-later")
    return bool(name) and not later and name not in _NOT_OF_THE_HUB


HUB = {
    **{n.removeprefix("LicenseRef-").lower(): n for n in TERMS if _of_the_hub(n)},
    **_TWINS,
}
"""Every licence that the hub has a name for: that name, then ours."""
_OLD = {
    f"{kind}{mark}": f"{kind}{ending}"
    for kind in ("GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0", "AGPL-3.0")
    for mark, ending in (("", "-only"), ("+", "-or-later"))
}
"""Identifiers that SPDX has deprecated."""
SPELLING = {
    name.lower(): meant
    for names in (HUB, _OLD, {known: known for known in TERMS if known})
    for name, meant in names.items()
}
"""Any known spelling in lower case: the identifier that is meant."""
