"""Every reason for which a layer is refused: one stable code, one meaning.

`REFUSALS` are the validator's, for files; `LIBRARY_REFUSALS` the library's, for what it knows of
layers whose files are in order.

Tests and documentation iterate over this table. A code never changes its meaning; a new reason
gets a new code. What strangers wrote (names, values) reaches a message only through `shown`.
"""

from __future__ import annotations

from genome.errors import LayerRejected

REFUSALS: dict[str, str] = {
    # the folder and its files
    "folder_missing": "there is no folder at the path given",
    "folder_entries": "the folder holds more entries than any trainer leaves",
    "file_code": "a text file of the layer begins like a program",
    "file_pickle": "the weights are there as a pickle only, which runs code when it is loaded",
    "file_kind": "an entry is a link, has a second hard link, or is no regular file",
    "lfs_pointer": "a file is the pointer that git LFS leaves for a file not fetched",
    "file_size": "a file is empty or larger than its limit",
    "file_text": "a text file is not plain UTF-8 text",
    "file_unreadable": "the operating system refuses to read a file",
    "file_changed": "a file changed between its check and its use",
    "secret": "text or metadata holds what looks like a password or private key",
    # adapter_config.json
    "config_missing": "the folder has no adapter_config.json",
    "config_unreadable": "adapter_config.json is no strict JSON object",
    "config_key": "adapter_config.json switches on a key that PEFT 0.21 does not know",
    "config_value": "a value in adapter_config.json has the wrong type or range",
    "remote_code": "the configuration asks to import code from elsewhere",
    "peft_type": "the adapter is of a PEFT type other than LoRA",
    "unsupported": "the adapter uses a LoRA variant that is not supported",
    "rank": "a rank is no whole number from 1 to the limit",
    "alpha": "a lora_alpha is no finite number within the limit",
    "pattern": "a name pattern is no regular expression of the supported kind",
    "pattern_cost": "the name patterns take too long to match",
    # the header of adapter_model.safetensors
    "weights_missing": "the folder has no adapter_model.safetensors",
    "not_safetensors": "the weights are a pickle, an archive or another format, renamed",
    "header_short": "the weights file is too short to hold a header",
    "header_length": "the header would be longer than the file",
    "header_size": "the header is larger than its limit",
    "header_start": "the header does not begin with '{'",
    "header_padding": "the header holds more white space than alignment needs",
    "header_json": "the header is no JSON of the safetensors grammar",
    "header_duplicate": "a key appears twice in the header",
    "header_field": "a tensor has an unknown field, or lacks one",
    "metadata_size": "the metadata is larger than its limit",
    "metadata_value": "the metadata's fingerprint of the base model is no fingerprint",
    "tensor_count": "there are more tensors than the limit",
    "no_tensors": "there is no tensor at all",
    "tensor_name": "a tensor's name is too long or holds forbidden characters",
    "dtype": "a tensor's number format is not F32, F16 or BF16",
    "shape_value": "a tensor's shape is no list of whole numbers above zero",
    "shape_overflow": "a tensor's shape describes more bytes than 63 bits can count",
    "offsets_value": "a tensor's offsets are negative, reversed or no whole numbers",
    "offsets_size": "a tensor's offsets do not span the bytes of its shape",
    "offsets_overlap": "two tensors share bytes",
    "offsets_hole": "bytes between tensors belong to none",
    "data_truncated": "the file ends before the last tensor does",
    "data_trailing": "the file goes on after the last tensor",
    # what the tensors are
    "unknown_tensor": "a tensor is no LoRA factor",
    "unsupported_tensor": "a tensor belongs to a LoRA variant that is not supported",
    "tensor_clash": "two tensors are the same factor, or two adapters share the file",
    "pair_missing": "a module has only one of A and B",
    "rank_mismatch": "A and B of a module do not fit together",
    "rank_config": "a module's rank is not the one adapter_config.json states",
    "not_targeted": "a tensor changes a module that adapter_config.json does not target",
    "not_finite": "a tensor holds NaN or infinity",
    "norm": "a tensor's values, or a module's update, are far larger than any model's weights",
    # against a base model
    "module_unknown": "a module does not exist in the base model",
    "module_shape": "a module has another shape in the base model",
    "base_mismatch": "the layer was trained for another base model",
    # archives
    "archive_kind": "the file is no undamaged zip, tar or tar.gz",
    "archive_path": "an entry's path is absolute, climbs, or is nested too deep",
    "archive_link": "an entry is a link, a device or a sparse file",
    "archive_bomb": "the archive expands beyond the limits of ratio, size or entries",
    "archive_duplicate": "two entries have the same name, letter case aside",
    "archive_encrypted": "an entry is encrypted",
    "archive_nested": "an entry is itself an archive",
    "archive_method": "an entry is compressed by a method other than deflate",
}
"""Code -> what it means, in one line."""

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

SHOWN_CHARACTERS = 80


def refused(code: str, detail: str) -> LayerRejected:
    """The error to raise for a refusal; `detail` says rule, value and remedy in one line."""
    assert code in REFUSALS or code in LIBRARY_REFUSALS, code
    return LayerRejected(code, detail)


def shown(value: object, limit: int = SHOWN_CHARACTERS) -> str:
    """A stranger's value made safe to print: quoted, ASCII control characters escaped, short."""
    if isinstance(value, str | bytes):
        text = ascii(value[:limit])
        if len(value) <= limit and len(text) <= limit + 4:
            return text
        return f"{text[:limit]}... ({len(value)} characters)"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, dict | list | tuple):
        inside = ", ".join(shown(item, 20) for item in list(value)[:3])
        more = ", ..." if len(value) > 3 else ""
        return f"{type(value).__name__} of {len(value)} ({inside[:limit]}{more})"
    return ascii(value)[:limit]
