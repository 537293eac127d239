"""Trials, bounties and bundles: payments that depend on something, or on each other."""

from collections.abc import Sequence

from marketplace.facade.base import MarketBase
from marketplace.facade.limit import limit_of
from marketplace.listing.listing import PurchaseView
from marketplace.names import check_key
from marketplace.trade.bounty import BountyView, bounty_claim, bounty_post, bounty_views
from marketplace.trade.bundle import (
    BundleView,
    bundle_buy,
    bundle_create,
    bundle_view,
    bundle_views,
)
from marketplace.trade.trial import TrialView, trial_open, trial_settle, trial_views


class AgreementFacade(MarketBase):
    """Credits that are held until something is known."""

    def trial_open(
        self,
        *,
        buyer: str,
        listing: str,
        challenge_digest: str,
        n_questions: int,
        min_gain: int,
        key: str,
        days: int = 7,
        max_price_nanos: int | None = None,
    ) -> TrialView:
        """Take a day's rent and hold the price while the buyer's own challenges are tried.

        Args:
            min_gain: Questions the layer must answer beyond the base model for the sale to hold.
        """
        limit = limit_of(key, max_price_nanos)
        return self._change(
            lambda session: trial_open(
                session, buyer=buyer, listing=listing, challenge_digest=challenge_digest,
                n_questions=n_questions, min_gain=min_gain, days=days, key=key,
                max_price_nanos=limit, at=self._now(),
            ), key=key)  # fmt: skip

    def trial_settle(
        self, *, trial: int, n_correct: int, n_base_correct: int, key: str
    ) -> TrialView:
        """Let the result decide: the held price is paid, or released."""
        check_key(key)
        return self._change(
            lambda session: trial_settle(
                session, trial=trial, n_correct=n_correct, n_base_correct=n_base_correct,
                key=key, at=self._now(),
            ), key=key)  # fmt: skip

    def trials(self, buyer: str | None = None) -> list[TrialView]:
        """All trials, or one buyer's, oldest first."""
        with self._read() as session:
            return trial_views(session, buyer, self._now())

    def bounty_post(
        self,
        *,
        sponsor: str,
        skill: str,
        base_model: str,
        exam: str,
        min_questions: int,
        min_accuracy_parts: int,
        reward_nanos: int,
        days: int,
        key: str,
    ) -> BountyView:
        """Hold a reward for the first layer that scores enough on an exam."""
        check_key(key)
        return self._change(
            lambda session: bounty_post(
                session, sponsor=sponsor, skill=skill, base_model=base_model, exam=exam,
                min_questions=min_questions, min_accuracy_parts=min_accuracy_parts,
                reward_nanos=reward_nanos, days=days, key=key, at=self._now(),
            ), key=key)  # fmt: skip

    def bounty_claim(self, *, bounty: int, listing: str, by: str, key: str) -> BountyView:
        """Pay the reward to a listing whose receipt, re-run by a judge, reached the mark."""
        check_key(key)
        return self._change(
            lambda session: bounty_claim(
                session, bounty=bounty, listing=listing, by=by, key=key, at=self._now()
            ), key=key)  # fmt: skip

    def bounties(
        self, *, open_only: bool = True, after: int = 0, limit: int | None = None
    ) -> list[BountyView]:
        """Rewards that can be earned, or all there ever were, oldest first; or so many of them.

        Args:
            after: Only those with a higher number.
        """
        with self._read() as session:
            return bounty_views(
                session, open_only=open_only, at=self._now(), after=after, limit=limit
            )

    def bundle_create(
        self,
        *,
        owner: str,
        name: str,
        listings: Sequence[str],
        key: str,
        discount_parts: int = 0,
    ) -> BundleView:
        """Put listings together; the discount, in millionths, is on the owner's own ones."""
        check_key(key)
        return self._change(
            lambda session: bundle_create(
                session, owner=owner, name=name, listings=listings,
                discount_parts=discount_parts, key=key, at=self._now(),
            ), key=key)  # fmt: skip

    def bundles(self, *, after: str = "", limit: int | None = None) -> list[BundleView]:
        """All bundles by name, at the running prices; or so many behind a name."""
        with self._read() as session:
            return bundle_views(session, after=after, limit=limit)

    def bundle(self, name: str) -> BundleView:
        """The bundle of this name, at the running prices.

        Raises:
            TradeNotFoundError: There is none.
        """
        with self._read() as session:
            return bundle_view(session, name)

    def bundle_buy(
        self, *, buyer: str, bundle: str, key: str, max_price_nanos: int | None = None
    ) -> list[PurchaseView]:
        """Buy whatever of a bundle the buyer does not own yet: all of it or nothing."""
        limit = limit_of(key, max_price_nanos)
        return self._change(
            lambda session: bundle_buy(
                session, buyer=buyer, bundle=bundle, key=key, max_price_nanos=limit,
                at=self._now(),
            ), key=key)  # fmt: skip
