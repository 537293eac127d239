"""Promises of marketplace.listing.provenance: the provenance rows of the bad-input list."""

from dataclasses import replace
from typing import Any

import pytest

from genome.shelf.manifest import Manifest, Parent
from genome.shelf.signing import SigningKey
from marketplace.errors import ProvenanceError
from marketplace.listing.provenance import (
    Attestation,
    Signatory,
    Standards,
    Stated,
    check_provenance,
)

KEY = SigningKey.generate()
FILES = {"adapter_model.safetensors": "a" * 64, "adapter_config.json": "b" * 64}
PARENT = "c" * 64
MANIFEST = KEY.signed(
    Manifest(
        name="sorter",
        base_model="base",
        version="1.2.0",
        licence="MIT",
        digest="d" * 64,
        parents=(Parent(PARENT),),
        files=FILES,
        expires="2030-01-01T00:00:00Z",
    )
)
CLAIM = Stated("d" * 64, "base", "MIT", (PARENT,))
IN_2026, IN_2031 = 1.77e9, 1.93e9
STANDARDS = Standards(now=IN_2026, own_keys=(KEY.creator,), must_be_signed=True)


def code(
    claim: Stated = CLAIM,
    standards: Standards = STANDARDS,
    *,
    files: Any = FILES,
    manifest: Manifest | bytes = MANIFEST,
) -> str:
    """The refusal's code, or 'accepted'."""
    data = manifest if isinstance(manifest, bytes) else manifest.to_json()
    try:
        check_provenance(claim, Attestation(data, files), standards)
    except ProvenanceError as error:
        refusal = error
    else:
        return "accepted"
    assert len(str(refusal).splitlines()) == 1
    return refusal.code


def test_a_manifest_that_says_the_same_is_accepted() -> None:
    """And says who vouches for which version."""
    assert check_provenance(CLAIM, Attestation(MANIFEST.to_json(), FILES), STANDARDS) == Signatory(
        KEY.creator, "1.2.0"
    )


def test_a_layer_without_a_manifest_is_unsigned() -> None:
    """Accepted where nobody demands a signature, refused where somebody does."""
    assert check_provenance(CLAIM, Attestation(), Standards(now=IN_2026)) == Signatory()
    assert code(manifest=b"") == "unsigned"
    unsigned = replace(MANIFEST, creator="", signature="")
    assert code(manifest=unsigned) == "unsigned"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({**FILES, "extra.bin": "e" * 64}, "file_unlisted"),
        ({"adapter_config.json": "b" * 64}, "file_absent"),
        ({**FILES, "adapter_config.json": "f" * 64}, "file_hash"),
        ({**FILES, "manifest.json": "0" * 64}, "accepted"),
        ({}, "accepted"),
    ],
)
def test_the_files_are_exactly_those_that_were_signed(files: Any, expected: str) -> None:
    """One too many, one missing, one swapped; the manifest itself is not listed."""
    assert code(files=files) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"version": "9.9.9"}, "signature_bad"),
        ({"licence": "CC0-1.0"}, "signature_bad"),
        ({"signature": "0" * 128}, "signature_bad"),
        ({"creator": SigningKey.generate().creator}, "signature_bad"),
    ],
)
def test_a_changed_manifest_has_a_bad_signature(change: Any, expected: str) -> None:
    """Whatever was changed after signing, and whoever claims to have signed."""
    assert code(manifest=replace(MANIFEST, **change)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"now": IN_2031}, "signature_expired"),
        ({"revoked_keys": {KEY.creator: "stolen"}}, "signature_revoked"),
        ({"own_keys": ("9" * 64,)}, "signature_unknown"),
        ({"own_keys": (), "foreign_keys": (KEY.creator,)}, "signature_foreign"),
        ({"releases": ("1.2.0",)}, "version_rollback"),
        ({"releases": ("1.0.0", "1.10.0")}, "version_rollback"),
        ({"releases": ("1.1.9", "0.9.0")}, "accepted"),
    ],
)
def test_who_signed_and_when_matters(change: Any, expected: str) -> None:
    """Expired, revoked, unknown, another's key; a version seen before."""
    assert code(standards=replace(STANDARDS, **change)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"digest": "0" * 64}, "manifest_digest"),
        ({"base_model": "other"}, "manifest_base"),
        ({"licence": "Apache-2.0"}, "manifest_licence_differs"),
        ({"parents": ()}, "manifest_parents_differ"),
        ({"parents": (PARENT, "e" * 64)}, "manifest_parents_differ"),
    ],
)
def test_the_request_says_what_the_manifest_says(change: Any, expected: str) -> None:
    """Other weights, base, licence, or parents left out to save royalties."""
    assert code(replace(CLAIM, **change)) == expected


@pytest.mark.parametrize("data", [b"{}", b"\xff", b"[" * 5000, b"{" + b" " * (1 << 20)])
def test_an_unreadable_manifest_is_refused(data: bytes) -> None:
    """No JSON, too deep, too long: a code, never another failure."""
    assert code(manifest=data) in {"manifest_unreadable", "manifest_field"}
