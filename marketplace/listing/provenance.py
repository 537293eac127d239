"""Whether a signed manifest vouches for the layer that is being published.

A manifest (`genome.shelf.manifest`) names weights, files, parents and terms, and its Ed25519
signature covers all of them in a DSSE envelope. The market lets a layer in only if

    the signature holds, its key is neither revoked nor somebody else's, and it has not expired
    digest, base model, licence, parents and price statement are those of the request
    every file beside the weights is listed, and is the one that is listed
    the version it states is higher than every one the listing had, signed by the same owner

so that neither an intermediary nor the seller can show one thing and sell another. Without a
manifest a layer is published unsigned, unless the market or the listing's past demands one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from genome.errors import LayerRejected
from genome.shelf.manifest import Manifest, version_order
from genome.shelf.signing import TrustPolicy
from marketplace.errors import ProvenanceError
from marketplace.listing.licence import check_licence

MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Attestation:
    """What comes with a layer to vouch for it."""

    manifest: bytes = b""
    """manifest.json, byte for byte; empty = none."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of every file that was received, by name; empty = not checked here."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a request says about the layer; the manifest must say the same."""

    digest: str
    base_model: str
    licence: str
    parents: Collection[str]
    """Digests."""


@dataclass(frozen=True, slots=True)
class Standards:
    """What the market knows and demands at the moment of publishing."""

    now: float
    """Seconds since 1970."""
    own_keys: Collection[str] = ()
    """Public keys registered for the owner, revoked ones left out."""
    foreign_keys: Collection[str] = ()
    """Public keys of other accounts."""
    revoked_keys: Mapping[str, str] = field(default_factory=dict)
    """Key -> why it is no longer good."""
    releases: Collection[str] = ()
    """Versions that the listing's manifests stated so far."""
    must_be_signed: bool = False
    """The market demands it, or the listing's versions so far were signed."""


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who vouches for a layer, under which version."""

    creator: str = ""
    release: str = ""


def check_provenance(claim: Stated, attestation: Attestation, standards: Standards) -> Signatory:
    """Let a layer pass, or refuse it with a stable code.

    Raises:
        ProvenanceError: The code is one of the library's (`genome.refusals`) or
            signature_foreign, manifest_licence_differs, manifest_parents_differ.
    """
    if not attestation.manifest:
        if standards.must_be_signed:
            raise ProvenanceError(
                f"layer {claim.digest[:12]} must come with a signed manifest, got none: sign it"
                " with `continuum layer sign LAYER --key-file FILE`",
                "unsigned",
            )
        return Signatory()
    try:
        manifest = _read(attestation.manifest)
        _policy(standards).check(manifest, now=datetime.fromtimestamp(standards.now, UTC))
    except LayerRejected as error:
        raise ProvenanceError(error.detail, error.code) from None
    _check_same(manifest, claim)
    _check_owner(manifest, standards)
    _check_files(manifest, attestation.files)
    _check_release(manifest, standards)
    return Signatory(manifest.creator, manifest.version)


def creator_of(manifest: bytes) -> str:
    """The public key a manifest claims to be signed with; "" if it cannot be read."""
    try:
        return _read(manifest).creator
    except (LayerRejected, ProvenanceError):
        return ""


def _read(data: bytes) -> Manifest:
    if len(data) > MAX_MANIFEST_BYTES:
        raise ProvenanceError(
            f"a manifest has at most {MAX_MANIFEST_BYTES} bytes, got {len(data)}: shorten it",
            "manifest_unreadable",
        )
    return Manifest.from_json(data)


def _policy(standards: Standards) -> TrustPolicy:
    return TrustPolicy(
        known=frozenset(standards.own_keys) if standards.own_keys else None,
        revoked=standards.revoked_keys,
        allow_unsigned=not standards.must_be_signed,
    )


def _check_same(manifest: Manifest, claim: Stated) -> None:
    stated = {parent.digest for parent in manifest.parents}
    pairs = (
        ("manifest_digest", "weights", manifest.digest or claim.digest, claim.digest),
        ("manifest_base", "base model", manifest.base_model or claim.base_model, claim.base_model),
        ("manifest_licence_differs", "licence", check_licence(manifest.licence), claim.licence),
        ("manifest_parents_differ", "parents", _list(stated), _list(claim.parents)),
    )
    for code, what, said, asked in pairs:
        if said != asked:
            raise ProvenanceError(
                f"the manifest of {manifest.name!r} states {what} {said[:120] or 'none'}, the"
                f" request {asked[:120] or 'none'}: make both the same",
                code,
            )


def _check_owner(manifest: Manifest, standards: Standards) -> None:
    if manifest.creator in standards.foreign_keys:
        raise ProvenanceError(
            f"the manifest of {manifest.name!r} is signed by {manifest.creator[:16]}, a key of"
            " another account: publish under that account, or sign it with your own key",
            "signature_foreign",
        )


def _check_files(manifest: Manifest, found: Mapping[str, str]) -> None:
    found = {name: sha256 for name, sha256 in found.items() if name != MANIFEST_FILE}
    if not found:
        return
    listed = manifest.files
    for names, code, fault, remedy in (
        (found.keys() - listed.keys(), "file_unlisted", "does not list", "leave that file out"),
        (listed.keys() - found.keys(), "file_absent", "lists, but there is no", "send it as well"),
        (
            {name for name in found.keys() & listed.keys() if found[name] != listed[name]},
            "file_hash",
            "lists other bytes for",
            "send the file that was signed",
        ),
    ):
        if names:
            raise ProvenanceError(
                f"the manifest of {manifest.name!r} {fault} {min(names)!r}: {remedy}", code
            )


def _check_release(manifest: Manifest, standards: Standards) -> None:
    newest = max(standards.releases, key=version_order, default="")
    if newest and version_order(manifest.version) <= version_order(newest):
        raise ProvenanceError(
            f"the manifest of {manifest.name!r} states version {manifest.version}, the listing has"
            f" had {newest}: give it a higher version",
            "version_rollback",
        )


def _list(digests: Collection[str]) -> str:
    return ", ".join(sorted(digest[:12] for digest in digests))
