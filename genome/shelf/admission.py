"""Rules between a new layer and what the library has: names, versions, lineage.

Called inside the write transaction that stores the layer, so that no other process can make a
rule false in between.
"""

from __future__ import annotations

from sqlalchemy import Connection

from genome.refusals import refused
from genome.shelf.ancestry import closure, is_named_as_parent
from genome.shelf.layer_rows import row_of, seen_version, versions
from genome.shelf.manifest import Manifest, version_order
from genome.shelf.signing import TrustPolicy


def admit(connection: Connection, manifest: Manifest, policy: TrustPolicy) -> None:
    """Let a layer in or refuse it.

    Raises:
        LayerRejected: name_taken, version_taken, version_rollback, parent_missing, lineage_cycle.
    """
    _check_version(connection, manifest, policy)
    _check_lineage(connection, manifest, policy)


def _check_version(connection: Connection, manifest: Manifest, policy: TrustPolicy) -> None:
    """A name belongs to the creator of its newest version, and its versions only rise.

    Otherwise a stranger's `sorter 99.0.0` would be what everybody gets who asks for `sorter`.
    """
    name, version = manifest.name, manifest.version
    others = [row for row in versions(connection, name) if row.digest != manifest.digest]
    if others and others[0].creator != manifest.creator:
        raise refused(
            "name_taken",
            f"the name {name!r} belongs to {_who(others[0].creator)} here, not to "
            f"{_who(manifest.creator)}: choose another name, or first `continuum layer remove "
            f"{name}`",
        )
    for row in others:
        if row.version == version:
            raise refused(
                "version_taken",
                f"there is a {name!r} {version} with other weights "
                f"({row.digest[:12]}): give this one a higher version than {others[0].version}",
            )
    highest = max((version_order(row.version) for row in others), default=-1)
    if manifest.creator:
        highest = max(highest, seen_version(connection, name, manifest.creator) or -1)
    if version_order(version) < highest and not policy.allow_rollback:
        raise refused(
            "version_rollback",
            f"{name!r} {version} is older than {_spelled(highest)}, which this "
            "library has seen: get the newest version, or allow it with --rollback",
        )


def _check_lineage(connection: Connection, manifest: Manifest, policy: TrustPolicy) -> None:
    parents = [parent.digest for parent in manifest.parents]
    circle_possible = is_named_as_parent(connection, manifest.digest)
    if manifest.digest in (closure(connection, parents) if circle_possible else parents):
        raise refused(
            "lineage_cycle",
            f"{manifest.name!r} would be its own ancestor: correct the parents in its manifest",
        )
    if policy.allow_missing_parents:
        return
    for parent in parents:
        if row_of(connection, parent) is None:
            raise refused(
                "parent_missing",
                f"{manifest.name!r} has the parent {parent[:12]}, which is not "
                "in the library: import it first, or allow it with --missing-parents",
            )


def _who(creator: str) -> str:
    return f"creator {creator[:16]}" if creator else "an unsigned layer"


def _spelled(order: int) -> str:
    """The version that `version_order` made this number of."""
    return f"{order // 10**12}.{order // 10**6 % 10**6}.{order % 10**6}"
