"""Receipts, re-runs and status on a service: `marketplace.facade.evidence`, asked from afar."""

from marketplace.client.base import ClientBase, path
from marketplace.listing.listing import ListingView
from marketplace.receipt.receipt import ReceiptView, RecheckView


class EvidenceClient(ClientBase):
    """What owners state, what others found, and what follows."""

    def receipts(self, listing: str) -> list[ReceiptView]:
        """A listing's receipts, newest version first."""
        return list(self._transport.pages(ReceiptView, path("listings", listing, "receipts")))

    def rechecks(self, receipt: int) -> list[RecheckView]:
        """Every re-run of a receipt, oldest first."""
        return list(self._transport.pages(RecheckView, path("receipts", receipt, "rechecks")))

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
        """File a re-run of a receipt."""
        body = {
            "by": by, "n_correct": n_correct, "n_base_correct": n_base_correct,
            "questions_digest": questions_digest, "seed": seed,
        }  # fmt: skip
        where = path("receipts", receipt, "rechecks")
        return self._transport.send(RecheckView, "POST", where, body, key=key)

    def withdraw(self, *, listing: str, by: str, key: str, reason: str = "") -> ListingView:
        """Sell a listing no more."""
        return self._status("withdraw", listing, by, reason, key)

    def relist(self, *, listing: str, by: str, key: str, reason: str = "") -> ListingView:
        """Sell a withdrawn listing again."""
        return self._status("relist", listing, by, reason, key)

    def quarantine(self, *, listing: str, by: str, reason: str, key: str) -> ListingView:
        """Stop sale and use of a listing's newest version."""
        return self._status("quarantine", listing, by, reason, key)

    def release(self, *, listing: str, by: str, reason: str, key: str) -> ListingView:
        """Let a quarantined version be sold and used again."""
        return self._status("release", listing, by, reason, key)

    def revoke(self, *, listing: str, by: str, reason: str, key: str) -> ListingView:
        """Stop sale and use of a listing's newest version for good."""
        return self._status("revoke", listing, by, reason, key)

    def revocations(self) -> bytes:
        """The market's signed list of what must no longer be used, still to be checked."""
        return self._transport.ask("GET", path("revocations")).body

    def _status(self, deed: str, listing: str, by: str, reason: str, key: str) -> ListingView:
        """Change a status that nobody else has changed meanwhile."""
        seen = self._transport.ask("GET", path("listings", listing))
        tag = seen.headers.get("ETag", "*")
        body = {"deed": deed, "by": by, "reason": reason}
        where = path("listings", listing, "status")
        return self._transport.send(
            ListingView, "POST", where, body, key=key, headers={"If-Match": tag}
        )
