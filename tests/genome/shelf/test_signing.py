"""Only the key's owner can sign, and every changed bit is noticed."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from genome.errors import LayerRejected, SigningKeyError
from genome.shelf.manifest import Manifest
from genome.shelf.receipt import Receipt
from genome.shelf.signing import SigningKey, TrustPolicy, signature_holds

MANIFEST = Manifest(
    "sorter-1",
    receipts=(Receipt("sort", 400, 360, 160),),
    digest="c" * 64,
    files={"adapter_config.json": "d" * 64},
    expires="2030-01-01T00:00:00Z",
)
BEFORE, AFTER = datetime(2029, 12, 31, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)


def code_of(policy: TrustPolicy, manifest: Manifest, now: datetime = BEFORE) -> str:
    with pytest.raises(LayerRejected) as refusal:
        policy.check(manifest, now=now)
    assert "\n" not in str(refusal.value)
    return refusal.value.code


def test_a_signature_holds_for_exactly_what_was_signed() -> None:
    """Every field is covered: digest, files, results, and the creator itself."""
    key, other = SigningKey.generate(), SigningKey.generate()
    signed = key.signed(MANIFEST)
    assert signed.creator == key.creator
    assert signature_holds(signed)
    assert signature_holds(Manifest.from_json(signed.to_json()))
    for changed in (
        replace(signed, name="sorter-2"),
        replace(signed, digest="0" * 64),
        replace(signed, files={"adapter_config.json": "0" * 64}),
        replace(signed, receipts=(Receipt("sort", 400, 361, 160),)),
        replace(signed, expires=""),
        replace(signed, creator=other.creator),
        replace(signed, signature=other.signed(MANIFEST).signature),
        replace(signed, creator="f" * 64),
    ):
        assert not signature_holds(changed)
        assert code_of(TrustPolicy(), changed) == "signature_bad"


def test_a_key_file_is_private_and_comes_back(tmp_path: Path) -> None:
    key, path = SigningKey.generate(), tmp_path / "key.pem"
    key.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load(path).creator == key.creator
    assert signature_holds(SigningKey.load(path).signed(MANIFEST))
    with pytest.raises(SigningKeyError, match="choose another file"):
        SigningKey.generate().save(path)
    assert SigningKey.load(path).creator == key.creator
    assert key.creator not in repr(key) or "PRIVATE" not in repr(key)


def test_a_key_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    path = tmp_path / "key.pem"
    with pytest.raises(SigningKeyError, match="keygen"):
        SigningKey.load(path)
    SigningKey.generate().save(path)
    path.chmod(0o640)
    with pytest.raises(SigningKeyError, match="chmod 600"):
        SigningKey.load(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(SigningKeyError, match="PEM"):
        SigningKey.load(path)
    elliptic = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        elliptic.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(SigningKeyError, match="only Ed25519"):
        SigningKey.load(path)


def test_the_policy_decides_who_is_let_in() -> None:
    """Unsigned by default; a bad signature never; revoked and unknown keys by name."""
    key = SigningKey.generate()
    signed = key.signed(MANIFEST)
    TrustPolicy().check(MANIFEST, now=BEFORE)
    TrustPolicy().check(signed, now=BEFORE)
    TrustPolicy(known=frozenset({key.creator}), allow_unsigned=False).check(signed, now=BEFORE)
    assert code_of(TrustPolicy(allow_unsigned=False), MANIFEST) == "unsigned"
    assert code_of(TrustPolicy(known=frozenset()), signed) == "signature_unknown"
    revoked = TrustPolicy(revoked={key.creator: "lost laptop"})
    assert code_of(revoked, signed) == "signature_revoked"
    assert code_of(TrustPolicy(), signed, now=AFTER) == "signature_expired"
    assert code_of(TrustPolicy(), MANIFEST, now=AFTER) == "signature_expired"
