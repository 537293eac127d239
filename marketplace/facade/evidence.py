"""Receipts and their re-runs, and taking layers down."""

from typing import TYPE_CHECKING

from sqlmodel import Session

from marketplace.facade.base import MarketBase
from marketplace.listing import catalogue
from marketplace.listing.listing import ListingView
from marketplace.listing.revocation import RevocationList, sign_revocations
from marketplace.names import check_key, check_name, check_text
from marketplace.receipt.receipt import ReceiptFacts, ReceiptView, RecheckView
from marketplace.trade import moderation, recheck
from marketplace.trade.returns import return_failed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class EvidenceFacade(MarketBase):
    """The part of the market that checks what owners say."""

    def receipts(self, listing: str) -> list[ReceiptView]:
        """A listing's receipts, newest version first, headline before the others.

        Raises:
            ListingNotFoundError: There is none of this name.
        """
        with self._read() as session:
            catalogue.listing_view(session, listing)
            return recheck.receipt_views(session, listing)

    def rechecks(self, receipt: int) -> list[RecheckView]:
        """Every re-run of a receipt, oldest first."""
        with self._read() as session:
            return recheck.recheck_views(session, receipt)

    def add_receipt(
        self, *, owner: str, listing: str, receipt: ReceiptFacts, key: str
    ) -> ReceiptView:
        """State another exam's result of a listing's newest version.

        Raises:
            RefusedError: Not the owner, or the version is not for sale.
            ReceiptError: It has a receipt for this exam.
        """
        check_key(key)
        return self._change(
            lambda session: recheck.add_receipt(
                session, listing=listing, owner=owner, facts=receipt, key=key, at=self._now()
            ),
            key=key,
        )

    def recheck(
        self,
        *,
        receipt: int,
        by: str,
        n_correct: int,
        n_base_correct: int,
        key: str,
        questions_digest: str = "",
        seed: int | None = None,
    ) -> RecheckView:
        """File a re-run of a receipt: same exam, same number of questions.

        An evaluator's re-run that refutes the claim also pays recent sales back; `return_failed`
        tries again what a seller could not pay at once.

        Args:
            seed: What fresh questions were drawn with; None = the receipt's own questions.

        Raises:
            ReceiptNotFoundError: There is no such receipt.
            ReceiptError: Impossible counts, other questions than the receipt's, or, with a seed,
                the same ones.
            NotOwnerError: The owner cannot confirm its own claim.
        """
        check_key(key)

        def work(session: Session) -> RecheckView:
            at = self._now()
            view = recheck.recheck(
                session, receipt=receipt, by=by, n_correct=n_correct,
                n_base_correct=n_base_correct, questions_digest=questions_digest, seed=seed,
                key=key, at=at,
            )  # fmt: skip
            if view.binding and not view.passed and recheck.is_refuted(session, view):
                return_failed(session, listing=view.listing, at=at)
            return view

        return self._change(work, key=key)

    def appoint_evaluator(self, account: str, *, key: str) -> None:
        """Let an account's re-runs and verdicts bind, as the platform's do."""
        check_key(key)
        self._change(
            lambda session: moderation.appoint(session, account=account, key=key, at=self._now()),
            key=key,
        )

    def withdraw(self, *, listing: str, by: str, key: str, reason: str = "") -> ListingView:
        """Sell a listing no more; who bought it keeps it. For its owner."""
        return self._status("withdraw", listing, by, reason, key)

    def relist(self, *, listing: str, by: str, key: str, reason: str = "") -> ListingView:
        """Sell a withdrawn listing again. For its owner."""
        return self._status("relist", listing, by, reason, key)

    def quarantine(self, *, listing: str, by: str, reason: str, key: str) -> ListingView:
        """Stop sale and use of a listing's newest version. For an evaluator."""
        return self._status("quarantine", listing, by, reason, key)

    def release(self, *, listing: str, by: str, reason: str, key: str) -> ListingView:
        """Let a quarantined version be sold and used again. For an evaluator."""
        return self._status("release", listing, by, reason, key)

    def revoke(self, *, listing: str, by: str, reason: str, key: str) -> ListingView:
        """Stop sale and use of a listing's newest version for good, and pay its buyers back.

        For an evaluator; for the owner as long as nobody has paid for it.
        """
        return self._status("revoke", listing, by, reason, key)

    def revocations(self, private_key: "Ed25519PrivateKey") -> bytes:
        """The signed list of every revoked layer and key, for clients to keep."""
        return sign_revocations(self.revocation_list(), private_key)

    def revocation_list(self) -> RevocationList:
        """Every revoked layer and key, for whoever has the database before him."""
        with self._read() as session:
            return moderation.revocation_list(session, self._now())

    def _status(self, deed: str, listing: str, by: str, reason: str, key: str) -> ListingView:
        check_name(listing, "listing name")
        check_text(reason, "reason", max_chars=500)
        check_key(key)

        def work(session: Session) -> ListingView:
            at = self._now()
            view = moderation.change_status(
                session, deed=deed, listing=listing, by=by, reason=reason, key=key, at=at
            )
            if deed == "revoke":
                return_failed(session, listing=listing, at=at)
            return view

        return self._change(work, key=key)
