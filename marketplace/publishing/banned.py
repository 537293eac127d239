"""Layers that must not be used do not come back as another digest, or as a next version.

Noise makes a new digest of a revoked or quarantined layer, not another layer: what repeats or
contains one is refused, also where it was a version of the very same listing. Otherwise somebody
could copy a layer, have the copy taken down, and so keep the original from its next version, or
from all its forks. So three kinds of copies say nothing about what they copied: one taken down by
its own owner, anybody's, for whom the eldest of such layers belongs to and is still good, and one
that was made from a good layer which the new one contains more of.
"""

from sqlmodel import Session, col, select

from marketplace import catalogue
from marketplace.account import principal_of
from marketplace.errors import StatusError
from marketplace.listing import Listing, Version
from marketplace.publishing.duplicates import Finding
from marketplace.publishing.kin import Near
from marketplace.publishing.offer import Offer
from marketplace.status import REVOKED, UNUSABLE, StatusEvent


def refuse_banned(session: Session, offer: Offer, finding: Finding) -> None:
    """Refuse an update that nearly repeats one which must not be used.

    Raises:
        StatusError: The message names the listing and why it was taken down.
    """
    for number, near in enumerate(finding.near):
        version, owner = _version(session, near)
        event = last_event(session, version)
        if event is None or event.status not in UNUSABLE:
            continue
        own = owner == principal_of(offer.owner)
        own_deed = event.status == REVOKED and principal_of(event.by) == owner
        if not own and version.near_of is not None and own_deed:
            continue
        if not own and number > 0 and _is_good_and_of(session, finding.near[0], offer.owner):
            continue
        compared = near.cosine is not None and not near.is_clone
        if compared and _comes_by_a_good_layer(session, finding, near):
            continue
        raise StatusError(
            f"layer {offer.digest[:12]} repeats the update of {near.listing!r} version"
            f" {version.number} ({near.words}), which is {event.status}"
            f" ({event.reason or 'no reason stated'}): train it anew"
        )


def last_event(session: Session, version: Version) -> StatusEvent | None:
    """What befell a version last; None = it is listed."""
    query = (
        select(StatusEvent)
        .where(StatusEvent.listing == version.listing, StatusEvent.number == version.number)
        .order_by(col(StatusEvent.id).desc())
        .limit(1)
    )
    return session.exec(query).first()


def _comes_by_a_good_layer(session: Session, finding: Finding, banned: Near) -> bool:
    """Whether all likeness comes from something good that the banned layer was made from."""
    return any(
        near.listing in banned.explained_by and near.cosine is not None and _is_good(session, near)
        for near in finding.near
    )


def _is_good(session: Session, near: Near) -> bool:
    event = last_event(session, _version(session, near)[0])
    return event is None or event.status not in UNUSABLE


def _is_good_and_of(session: Session, near: Near, owner: str) -> bool:
    _, its_owner = _version(session, near)
    return its_owner == principal_of(owner) and _is_good(session, near)


def _version(session: Session, near: Near) -> tuple[Version, str]:
    """The version that was found, and who stands behind its listing."""
    version = catalogue.version_of_digest(session, near.digest)
    assert version is not None, f"layer {near.digest} left the market"
    return version, principal_of(session.get_one(Listing, version.listing).owner)
