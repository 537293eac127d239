"""Every reason for which the library refuses a layer whose files are in order.

The second half of the table that `genome.adapter.refusals` begins: one stable code, one meaning.
"""

from __future__ import annotations

from genome.errors import LayerRejected

LIBRARY_REFUSALS: dict[str, str] = {
    # the manifest as text
    "manifest_unreadable": "manifest.json is no strict JSON object of the present format",
    "manifest_field": "manifest.json has an unknown field, or lacks one",
    "manifest_text": "a text is too long, or holds control characters",
    "manifest_name": "the name is not 1-64 characters of a-z 0-9 . _ -",
    "manifest_version": "the version is not three whole numbers, like 1.0.0",
    "manifest_kind": "the kind is not domain, project, personality or learning",
    "manifest_licence": "the licence is no SPDX expression",
    "manifest_parent": "a parent is named twice, or its digest or weight is none",
    "manifest_recipe": "the recipe is not plain JSON, or too large",
    "manifest_receipt": "an exam result cannot be true",
    "manifest_key": "the creator or the signature has the wrong form",
    "manifest_date": "a time is not of the form 2026-01-31T12:00:00Z",
    # the manifest against the files
    "manifest_digest": "the manifest was written for other weights",
    "manifest_base": "the manifest names another base model than the weights do",
    "file_unlisted": "a file is there that the manifest does not list",
    "file_absent": "a file is missing that the manifest lists",
    "file_hash": "a file is not the one the manifest lists",
    "digest": "stored weights no longer match their digest",
    "copy_changed": "what was written to the library's disk is not what was read",
    # who vouches for it
    "unsigned": "the manifest is not signed, and the policy wants a signature",
    "signature_bad": "the signature does not belong to this manifest and key",
    "signature_expired": "the manifest's last day is over",
    "signature_revoked": "the creator's key was revoked",
    "signature_unknown": "the creator's key is not among the known ones",
    "manifest_signed": "a signed manifest cannot be changed without its key",
    # against what the library has
    "duplicate_layer": "the same weights are there under another manifest",
    "name_taken": "the name belongs to another creator",
    "version_taken": "the name has this version already, with other weights",
    "version_rollback": "a higher version of the name was seen before",
    "parent_missing": "a parent is not in the library",
    "lineage_cycle": "a layer would be its own ancestor",
}
"""Code -> what it means, in one line."""


def denied(code: str, detail: str) -> LayerRejected:
    """The error to raise for a refusal; `detail` says rule, value and remedy in one line."""
    assert code in LIBRARY_REFUSALS, code
    return LayerRejected(code, detail)
