"""Putting a layer up for sale, as a new listing or as the next version of one.

The order of the checks is from cheap to dear, and the message is of the first that fails: owner,
name, digest, status, provenance, parents, licences, near-duplicates. The price of a new listing
is what its exam supports; that of a next version goes on from where the listing's price stands,
so that a new version is no way to jump over the limit on price steps.

Layers that must not be used do not come back as another digest, or as a next version.

Noise makes a new digest of a revoked or quarantined layer, not another layer: what repeats or
contains one is refused, also where it was a version of the very same listing. Otherwise somebody
could copy a layer, have the copy taken down, and so keep the original from its next version, or
from all its forks. So three kinds of copies say nothing about what they copied: one taken down by
its own owner, anybody's, for whom the eldest of such layers belongs to and is still good, and one
that was made from a good layer which the new one contains more of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from genome.fit import Shapes
from marketplace.database.sql import alike, put
from marketplace.errors import LineageError, ListingTakenError, NotOwnerError, StatusError
from marketplace.formula.price import Demand, target_nanos
from marketplace.formula.ranking import clone_rank
from marketplace.formula.reputation import stated_reputation
from marketplace.ledger.account import principal_of
from marketplace.ledger.account_key import AccountKey, KeyRevocation
from marketplace.ledger.epoch import PriceRow, current_epoch, price_values
from marketplace.ledger.operation import HERE
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.listing.listing import (
    QUARANTINED,
    REVOKED,
    UNUSABLE,
    Listing,
    ListingView,
    Version,
    VersionParent,
)
from marketplace.listing.parents import Origin, check_licences, find_parents
from marketplace.listing.provenance import (
    Attestation,
    Signatory,
    Standards,
    Stated,
    check_provenance,
    creator_of,
)
from marketplace.listing.submission import Submission, check_fit
from marketplace.receipt import ReceiptRow

if TYPE_CHECKING:
    from marketplace.listing.duplicates import Finding, Near, Newcomer
else:  # they load numpy
    Finding = Near = Newcomer = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish(Submission):
    """Put a layer up for sale at a price made of the ask and its exam result.

    Raises:
        InvalidInputError: A value that no listing may carry.
        HouseAccountError: The owner is one of the market's own accounts.
        ListingTakenError: The name or the layer is already listed.
        NotOwnerError: The next version of somebody else's listing.
        UnfitLayerError: It cannot run on its base model, or nobody can tell.
        StatusError: The next version of a quarantined listing, or an update that must not be used.
        ProvenanceError: The manifest does not vouch for the layer.
        LineageError: A parent is missing or does not fit.
        LicenceConflictError: Somebody in the line does not allow the licence.
        NearDuplicateError: It repeats another listing's layer and does not name it as parent.
    """

    newcomer: Newcomer | None = field(default=None, repr=False, metadata=HERE)
    """The layer's weights, made ready; None = they are not at hand."""
    sketch: bytes = field(default=b"", repr=False, metadata=HERE)
    """Of them; empty without."""
    finding: Finding | None = field(default=None, repr=False, metadata=HERE)
    """Elder layers it is near to, from `SketchIndex.find`."""
    maps: Shapes | None = field(default=None, repr=False, metadata=HERE)
    """Of its base model; None = unknown."""

    def do(self, session: Session, at: float) -> None:
        """List it, unless the search for its like was overtaken."""
        from marketplace.listing.duplicates import elder_of, refuse_overtaken

        find_account(session, self.owner)
        number = _next_number(session, self)
        _refuse_listed_layer(session, self)
        check_fit(self.maps, self.weights)
        parents = find_parents(session, self)
        voucher = _voucher(session, self, parents, at)
        check_licences(session, self, parents)
        finding = self.finding
        assert finding is not None, "a market looks for its like before it writes"
        refuse_overtaken(session, self, finding, self.newcomer)
        refuse_banned(session, self, finding)
        near_of, is_repeat = elder_of(session, self, parents, finding)
        self._add(session, number, voucher, near_of, is_repeat, at)
        _add_evidence(session, self, number, parents, at)
        if number == 1:
            _add_price(session, self, near_of)

    def done(self, session: Session, at: float) -> ListingView:
        """The listing as it is now."""
        return catalogue.listing_view(session, self.name)

    def _add(
        self,
        session: Session,
        number: int,
        voucher: Signatory,
        near_of: str | None,
        is_repeat: bool,
        at: float,
    ) -> None:
        if number == 1:
            put(session, alike(Listing, self, published_at=at))
        put(
            session,
            alike(
                Version,
                self,
                listing=self.name,
                number=number,
                tags=" ".join(sorted(self.tags)),
                near_of=near_of,
                is_repeat=is_repeat,
                creator=voucher.creator,
                release=voucher.release,
                published_at=at,
            ),
        )


def _next_number(session: Session, submission: Submission) -> int:
    """1 for a new listing, one more than its newest version for another."""
    listing = session.get(Listing, submission.name)
    if listing is None:
        if submission.is_version:
            raise catalogue.no_listing(submission.name)
        return 1
    view = catalogue.listing_view(session, submission.name)
    if not submission.is_version and view.digest != submission.digest:
        raise ListingTakenError(
            f"listing name {submission.name!r} is taken by layer {view.digest} of {view.owner!r}:"
            " publish under another name, or as its next version if it is yours"
        )
    if submission.is_version and submission.owner != view.owner:
        raise NotOwnerError(
            f"only its owner {view.owner!r} may publish the next version of"
            f" {submission.name!r}, got {submission.owner!r}: publish a fork under a"
            " name of your own"
        )
    _check_same_product(submission, view)
    return view.version + 1


def _check_same_product(submission: Submission, view: ListingView) -> None:
    if submission.is_version and (submission.base_model, submission.niche) != (
        view.base_model,
        view.niche,
    ):
        raise LineageError(
            f"listing {view.name!r} is for base model {view.base_model[:16]!r} and niche"
            f" {view.niche!r}, the layer for {submission.base_model[:16]!r} and"
            f" {submission.niche!r}: publish it under another name"
        )
    if submission.is_version and view.status == QUARANTINED:
        raise StatusError(
            f"listing {view.name!r} is quarantined and takes no new version: ask an evaluator to"
            " release it first"
        )


def _refuse_listed_layer(session: Session, submission: Submission) -> None:
    same = catalogue.version_of_digest(session, submission.digest)
    if same is not None:
        owner = session.exec(select(Listing.owner).where(Listing.name == same.listing)).one()
        raise ListingTakenError(
            f"layer {submission.digest} is already listed as {same.listing!r} by {owner!r}:"
            " use that listing, or publish a layer that differs"
        )


def _voucher(
    session: Session, submission: Submission, parents: tuple[Origin, ...], at: float
) -> Signatory:
    digests = frozenset(parent.digest for parent in parents)
    return check_provenance(
        Stated(submission.digest, submission.base_model, submission.licence, digests),
        submission.evidence or Attestation(),
        _standards(session, submission, at),
    )


def _standards(session: Session, submission: Submission, at: float) -> Standards:
    creator = creator_of(submission.evidence.manifest) if submission.evidence else ""
    signer = session.get(AccountKey, creator)
    past = list(session.exec(select(Version).where(Version.listing == submission.name)))
    signed_by = {version.creator for version in past if version.creator}
    registered = session.exec(
        select(AccountKey.public_key)
        .outerjoin(KeyRevocation, col(KeyRevocation.public_key) == col(AccountKey.public_key))
        .where(AccountKey.account == submission.owner, col(KeyRevocation.public_key).is_(None))
    )
    gone = session.get(KeyRevocation, creator) is not None
    return Standards(
        now=at,
        own_keys=frozenset(registered) or frozenset(signed_by),
        foreign_keys={creator} if signer is not None and signer.account != submission.owner else (),
        revoked_keys={creator: "its owner revoked it"} if gone else {},
        releases=[version.release for version in past if version.release],
        must_be_signed=submission.must_be_signed or bool(signed_by),
    )


def _add_evidence(
    session: Session, submission: Submission, number: int, parents: tuple[Origin, ...], at: float
) -> None:
    for receipt in submission.stated:  # one by one: the first one's number must be the lowest
        put(session, alike(ReceiptRow, receipt, listing=submission.name, number=number, at=at))
    for one in parents:
        edge = VersionParent(child=submission.digest, parent=one.digest, weight=one.weight)
        session.add(edge)
    session.flush()


def _add_price(session: Session, submission: Submission, near_of: str | None) -> None:
    headline = submission.receipt
    reputation = stated_reputation(headline.n_questions, headline.n_correct)
    if near_of is not None:
        reputation = clone_rank(reputation, catalogue.listing_view(session, near_of).reputation)
    price_nanos = target_nanos(submission.ask_nanos, reputation, log_premium=0.0)
    epoch = current_epoch(session)
    put(session, PriceRow(**price_values(submission.name, epoch, price_nanos, Demand())))


def refuse_banned(session: Session, submission: Submission, finding: Finding) -> None:
    """Refuse an update that nearly repeats one which must not be used.

    Raises:
        StatusError: The message names the listing and why it was taken down.
    """
    for number, near in enumerate(finding.near):
        version, owner = _version(session, near)
        event = catalogue.last_event(session, version.listing, version.number)
        if event is None or event.status not in UNUSABLE:
            continue
        own = owner == principal_of(submission.owner)
        own_deed = event.status == REVOKED and principal_of(event.by) == owner
        if not own and version.near_of is not None and own_deed:
            continue
        if not own and number > 0 and _is_good_and_of(session, finding.near[0], submission.owner):
            continue
        compared = near.cosine is not None and not near.is_clone
        if compared and _comes_by_a_good_layer(session, finding, near):
            continue
        raise StatusError(
            f"layer {submission.digest[:12]} repeats the update of {near.listing!r} version"
            f" {version.number} ({near.words}), which is {event.status}"
            f" ({event.reason or 'no reason stated'}): train it anew"
        )


def _comes_by_a_good_layer(session: Session, finding: Finding, banned: Near) -> bool:
    """Whether all likeness comes from something good that the banned layer was made from."""
    return any(
        near.listing in banned.explained_by and near.cosine is not None and _is_good(session, near)
        for near in finding.near
    )


def _is_good(session: Session, near: Near) -> bool:
    version, _ = _version(session, near)
    return catalogue.usable(session, version.listing, version.number)


def _is_good_and_of(session: Session, near: Near, owner: str) -> bool:
    _, its_owner = _version(session, near)
    return its_owner == principal_of(owner) and _is_good(session, near)


def _version(session: Session, near: Near) -> tuple[Version, str]:
    """The version that was found, and who stands behind its listing."""
    version = catalogue.version_of_digest(session, near.digest)
    assert version is not None, f"layer {near.digest} left the market"
    return version, principal_of(session.get_one(Listing, version.listing).owner)
