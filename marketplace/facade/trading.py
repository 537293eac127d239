"""Buying layers, rating them, and what users want."""

from sqlmodel import Session

from marketplace.facade.agreements import AgreementFacade
from marketplace.facade.limit import limit_of
from marketplace.facade.using import UsingFacade
from marketplace.ledger.statement import find_account
from marketplace.listing.listing import PurchaseView
from marketplace.names import check_key
from marketplace.trade import queries, rights
from marketplace.trade.buy import buy
from marketplace.trade.debts import DebtView, debt_views
from marketplace.trade.demand import SkillDemand, demand, record_miss
from marketplace.trade.incomes import (
    EarningView,
    IncomePage,
    earnings,
    income_page,
    incomes,
)
from marketplace.trade.records import IncomeView
from marketplace.trade.returns import ReturnReport, collect, return_failed
from marketplace.trade.review import ReviewView, review, review_views
from marketplace.trade.sweep import SweepReport, sweep


class TradingFacade(UsingFacade, AgreementFacade):
    """The part of the market where layers change hands.

    Accounts that pay may be mandates; what they buy belongs to the mandate's owner.
    """

    def buy(
        self, *, buyer: str, listing: str, key: str, max_price_nanos: int | None = None
    ) -> PurchaseView:
        """Pay the running price once per key; the buyer then owns the layer for good.

        Raises:
            RefusedError: Not for sale, own layer, already owned, above the limit, or too few
                credits.
            IdempotencyKeyReusedError: The key belongs to another request.
        """
        limit = limit_of(key, max_price_nanos)
        return self._change(
            lambda session: buy(
                session, buyer=buyer, listing=listing, key=key, max_price_nanos=limit,
                at=self._now(),
            ), key=key)  # fmt: skip

    def owns(self, account: str, digest: str) -> bool:
        """Whether the account published the layer, or bought it and was not paid back."""
        with self._read() as session:
            return rights.owns(session, account, digest)

    def may_use(self, account: str, digest: str) -> bool:
        """Whether the account may use the layer now, by whatever right."""
        with self._read() as session:
            return rights.may_use(session, account, digest, at=self._now())

    def may_fetch(self, account: str, digest: str) -> bool:
        """Whether the account may have the layer's files now, to use them or to judge them."""
        with self._read() as session:
            return rights.may_fetch(session, account, digest, at=self._now())

    def purchases(self, buyer: str | None = None) -> list[PurchaseView]:
        """All purchases, or one account's, oldest first."""
        with self._read() as session:
            return [view for _, view in queries.purchase_views(session, buyer)]

    def purchase_page(
        self, buyer: str, *, limit: int, after: int = 0
    ) -> tuple[list[PurchaseView], int | None]:
        """So many of the account's purchases, oldest first, and what the next page comes after."""
        with self._read() as session:
            found = queries.purchase_views(session, buyer, after=after, limit=limit + 1)
        following = found[limit - 1][0] if len(found) > limit else None
        return [view for _, view in found[:limit]], following

    def earnings(self, account: str) -> list[EarningView]:
        """What each layer brought the account in each way, summed up; nothing given back."""
        with self._read() as session:
            find_account(session, account)
            return earnings(session, account)

    def incomes(self, account: str) -> list[IncomeView]:
        """What the account earned as seller or ancestor, oldest first; nothing given back."""
        with self._read() as session:
            find_account(session, account)
            return incomes(session, account)

    def income_page(self, account: str, *, limit: int, cursor: str | None = None) -> IncomePage:
        """The same page by page.

        Raises:
            PageError: A cursor that there is not.
        """
        with self._read() as session:
            find_account(session, account)
            return income_page(session, account, limit=limit, cursor=cursor)

    def return_failed(self, *, listing: str, since: float | None = None) -> ReturnReport:
        """Pay back what was sold of a listing on a failed claim, or before it was revoked.

        What cannot be paid now stays owed, see `owed`.
        """
        return self._change(
            lambda session: return_failed(session, listing=listing, since=since, at=self._now())
        )

    def owed(self, account: str | None = None) -> list[DebtView]:
        """What somebody must pay back and has not got, oldest first.

        Args:
            account: Only what is owed by or to whoever stands behind it.
        """
        with self._read() as session:
            return debt_views(session, account)

    def collect_owed(self, account: str | None = None) -> list[DebtView]:
        """Let debtors pay what they can by now, as every sweep does; what is still owed."""

        def work(session: Session) -> list[DebtView]:
            collect(session, account=account, at=self._now())
            return debt_views(session, account)

        return self._change(work)

    def review(
        self, *, reviewer: str, listing: str, n_good: int, n_bad: int, key: str, text: str = ""
    ) -> ReviewView:
        """Rate a listing by uses that helped and uses that did not; only after paid use."""
        check_key(key)
        return self._change(
            lambda session: review(
                session, reviewer=reviewer, listing=listing, n_good=n_good, n_bad=n_bad,
                text=text, key=key, at=self._now(),
            ), key=key)  # fmt: skip

    def reviews(self, listing: str) -> list[ReviewView]:
        """Every reviewer's newest review of each version, oldest first."""
        with self._read() as session:
            return review_views(session, listing)

    def sweep(self) -> SweepReport:
        """Settle meters and subscriptions whose time is over, take unclaimed holds back, and let
        debtors pay.

        Many transactions, if much is due: others' changes go on between them.
        """

        def part(skip: tuple[int, ...]) -> SweepReport:
            return self._change(lambda session: sweep(session, at=self._now(), skip=skip))

        report = part(())
        while report.more:
            report += part(report.failed)
        return report

    def demand(self, since: float | None = None) -> list[SkillDemand]:
        """What users want per skill, most wanted first; the last 30 days unless told."""
        with self._read() as session:
            return demand(session, since=since, at=self._now())

    def record_miss(self, *, account: str, skill: str) -> bool:
        """Note that an account found nothing for a skill; False when that was known."""
        return self._change(
            lambda session: record_miss(session, account=account, skill=skill, at=self._now())
        )
