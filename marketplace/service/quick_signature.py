"""The signature base of requests in the form that clients really send, without a parser.

The library's structured-field parser takes twice as long as Ed25519 itself, on the event loop.
Almost every request has one signature in canonical form; for these the base is the received text,
put together again. Whatever deviates, by a space or a parameter, is left to the library: None
here never means refused. `tests/.../test_quick_signature.py` holds the two against each other.
"""

import base64
import binascii
import re
from dataclasses import dataclass

_PARTS = ("@method", "@target-uri", "content-digest", "idempotency-key")
_PART = "|".join(f'"{part}"' for part in _PARTS)
_PARAMETER = (
    r'created=[0-9]{1,12}|expires=[0-9]{1,12}|keyid="[0-9a-f]{64}"|alg="ed25519"'
    r'|nonce="[A-Za-z0-9_-]{1,128}"|tag="[a-z-]{1,64}"'
)
_LABEL = r"([a-z][a-z0-9]{0,15})"
_COVERED = rf"\(((?:{_PART})(?: (?:{_PART})){{1,3}})\)"
_INPUT = re.compile(rf"{_LABEL}=({_COVERED}((?:;(?:{_PARAMETER})){{5,6}}))")
_SIGNATURE = re.compile(rf"{_LABEL}=:([A-Za-z0-9+/]{{86}}==):")
_TEXT = re.compile(r"[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True, slots=True)
class QuickSignature:
    """A signature in canonical form: what it covers, what it says, and what was signed."""

    covered: tuple[str, ...]
    parameters: dict[str, str]
    """By name, without quotes."""
    signature: bytes
    base: bytes


def read_quickly(
    signature_input: str, signature: str, values: dict[str, str | None]
) -> QuickSignature | None:
    """The signature, if it is in canonical form; None to leave it to the library.

    Args:
        values: Of every part that may be covered; None for a header that is absent.
    """
    given, signed = _INPUT.fullmatch(signature_input), _SIGNATURE.fullmatch(signature)
    if given is None or signed is None or given[1] != signed[1]:
        return None
    covered = tuple(part[1:-1] for part in given[3].split(" "))
    pairs = [pair.partition("=") for pair in given[4][1:].split(";")]
    parameters = {name: value.strip('"') for name, _, value in pairs}
    if len(set(covered)) < len(covered) or len(parameters) < len(pairs):
        return None
    lines = []
    for part in covered:
        value = values[part]
        if value is None or not _TEXT.fullmatch(value):
            return None
        lines.append(f'"{part}": {value}')
    lines.append(f'"@signature-params": {given[2]}')
    try:
        decoded = base64.b64decode(signed[2], validate=True)
    except binascii.Error:
        return None
    return QuickSignature(covered, parameters, decoded, "\n".join(lines).encode("ascii"))
