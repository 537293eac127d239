"""What layers cost, why, and how that moves from epoch to epoch."""

from marketplace.facade.base import MarketBase
from marketplace.formula.reputation import Record
from marketplace.formula.returns import Returns
from marketplace.ledger.epoch import PricePoint, current_epoch
from marketplace.names import check_key
from marketplace.price import closing, known, prices
from marketplace.price.prices import Concentration
from marketplace.price.quote import Quote


class PricingFacade(MarketBase):
    """The part of the market that makes prices."""

    def quote(self, name: str) -> Quote:
        """What the listing costs now and why, every term of it.

        Raises:
            ListingNotFoundError: There is none of this name.
        """
        with self._read() as session:
            return prices.quote(session, name)

    def close_epoch(self, number: int | None = None, *, key: str | None = None) -> None:
        """Let the epoch's evidence and demand move every price and open the next epoch.

        Args:
            number: Close this epoch only if it is the running one, so that repeating the call
                after a crash has no second effect; None = whichever is running.
            key: Whichever it was, repeating the call with its key has no second effect either.
        """
        if key is not None:
            check_key(key)
        self._change(
            lambda session: closing.close_epoch(session, number=number, key=key, at=self._now())
        )

    def epoch(self) -> int:
        """Number of the running epoch."""
        with self._read() as session:
            return current_epoch(session)

    def price_history(self, name: str) -> list[PricePoint]:
        """Price and sales per epoch since publication; the last point is the running epoch."""
        with self._read() as session:
            return prices.history(session, name)

    def record(self, name: str) -> Record:
        """The evidence that the listing's running price rests on.

        Raises:
            ListingNotFoundError: There is none of this name.
        """
        with self._read() as session:
            return prices.basis(session, name).record

    def vouch(self, account: str, *, key: str, vouched: bool = True) -> None:
        """Trust an account by the operator's word, or take that back, from the next epoch on.

        Only the reports and purchases of accounts that trust reaches move reputations and prices;
        as long as nobody is vouched for, exams alone do.

        Raises:
            AccountNotFoundError: There is no such account.
        """
        check_key(key)
        self._change(
            lambda session: closing.vouch(
                session, account=account, vouched=vouched, key=key, at=self._now()
            ),
            key=key,
        )

    def vouched(self) -> list[str]:
        """Accounts the operator vouches for; while there is none, users move no price."""
        with self._read() as session:
            return known.vouched(session)

    def trust(self, account: str) -> float:
        """Trust in an account during the running epoch, 0 to 1."""
        with self._read() as session:
            return prices.trust(session, account)

    def returns(self, listing: str, *, cost_nanos: int) -> Returns:
        """What a listing brought its seller against what its training cost."""
        with self._read() as session:
            return Returns(cost_nanos, prices.net_income(session, listing))

    def concentration(self) -> list[Concentration]:
        """How concentrated the owners' income is, per skill and over all."""
        with self._read() as session:
            return prices.concentration(session)
