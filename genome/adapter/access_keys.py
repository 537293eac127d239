"""Access keys in text that is about to be stored and published.

A key begins like one of its provider and goes on at random. Words do not: "multi-task-instruction"
holds "sk-", and a name such as "cs-sk-translation-of-legal-documents" even begins a word with it,
but the letters of a random key change between small, capital and digit at every other place, those
of words and model names rarely.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from genome.refusals import refused, shown

SHOWN = 7
"""Letters of a key that a message repeats."""
MIN_LETTERS = 12
"""In one piece, without hyphen: what is shorter cannot be told from a model's name."""
MIN_CHANGES = 0.2
"""Per letter. Random hexadecimal has 0.47 between letter and digit, base 64 has 0.6."""

_CERTAIN = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    r"|(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])|AIza[0-9A-Za-z_-]{35}"
    r"|xox[abprs]-[0-9A-Za-z-]{20,})"
)
_LIKELY = re.compile(r"(?<![A-Za-z0-9])(?:hf_|sk-|gh[pousr]_|github_pat_)([A-Za-z0-9_-]{30,})")
_HEXADECIMAL = re.compile(r"[0-9a-f]{24,}")
_CHANGE = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[a-z0-9]|(?<=[0-9])[A-Za-z]")


def check_secrets(where: str, text: str) -> None:
    """Refuse what would publish a password; of the secret itself only the beginning is repeated.

    Raises:
        LayerRejected: secret.
    """
    for found in _secrets(text):
        raise refused(
            "secret",
            f"{shown(where)} holds what looks like an access key ({found[:SHOWN]}..., "
            f"{len(found)} characters): delete it and revoke the key",
        )


def _secrets(text: str) -> Iterator[str]:
    yield from (match[0] for match in _CERTAIN.finditer(text))
    for match in _LIKELY.finditer(text):
        if any(map(_is_random, re.split("[-_]", match[1]))):
            yield match[0]


def _is_random(piece: str) -> bool:
    n_letters = len(piece)
    if _HEXADECIMAL.fullmatch(piece):
        return True
    return n_letters >= MIN_LETTERS and len(_CHANGE.findall(piece)) >= MIN_CHANGES * n_letters
