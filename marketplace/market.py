"""The marketplace in one object: the only thing other packages need to import.

    market = Market.open("sqlite:////home/ada/market.db")
    market.open_account("ada")
    market.fund("ada", 10 * NANOS_PER_CREDIT, key="grant-1")
    market.buy(buyer="ada", listing="sql-v2", key="ada-sql-v2")

Every method is one transaction. Methods that change something take a key: repeating a call
with its key, after a crash or a lost answer, has no second effect.

Searching and publishing compare vectors; they load numpy when first used, because buying or
looking at a statement should not wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Self, TypeVar, cast

from sqlmodel import Session

from marketplace.database.bulk import known_requests
from marketplace.database.place import Place
from marketplace.errors import MarketBusyError, MarketError
from marketplace.formula.returns import Returns
from marketplace.front import Asks, AsksNow, MarketLike, Query, Sends
from marketplace.ledger.account import AccountView, account_view
from marketplace.ledger.account_key import Adopt, n_revoked_keys, speaker
from marketplace.ledger.epoch import PricePoint, current_epoch
from marketplace.ledger.funding import is_served, note_served, open_account
from marketplace.ledger.hold import PlaceHold
from marketplace.ledger.journal import PostingView
from marketplace.ledger.operation import Due, Operation, check_operation, once
from marketplace.listing.catalogue import (
    first_listed,
    listing_view,
    listing_views,
    version_of_digest,
)
from marketplace.listing.listing import PAGE_SIZE, ListingView, SearchPage, Wanted
from marketplace.listing.publish import Publish
from marketplace.listing.submission import Bases, OvertakenError, no_bases, shipped_bases
from marketplace.money import NANOS_PER_CREDIT
from marketplace.names import check_key, check_name
from marketplace.price.closing import Vouch, close_epoch
from marketplace.price.known import vouched
from marketplace.price.prices import concentration, net_income, record, trust
from marketplace.price.quote import Quote
from marketplace.receipt import ReceiptFacts
from marketplace.store.database import BUSY_TIMEOUT_S, Database
from marketplace.store.verify import problems
from marketplace.store.writer import Door
from marketplace.trade.bundle import bundle_view
from marketplace.trade.buy import PurchaseView, purchase_page
from marketplace.trade.charge import Charge, UsageView, charge_many, claim_batch
from marketplace.trade.debts import DebtView, debt_views
from marketplace.trade.demand import record_miss
from marketplace.trade.incomes import income_page
from marketplace.trade.moderation import AppointEvaluator, revocation_list, sign_revocations
from marketplace.trade.returns import ReturnReport, collect, return_failed
from marketplace.trade.rights import may_fetch, may_use, owns
from marketplace.trade.sweep import SweepReport, VoidHold, sweep
from marketplace.trade.trial import trial_view

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from marketplace.listing.duplicates import SketchIndex
    from marketplace.listing.search import Searcher

__all__ = [
    "NANOS_PER_CREDIT",
    "AccountView",
    "ListingView",
    "Market",
    "PostingView",
    "PricePoint",
    "PurchaseView",
    "Quote",
    "ReceiptFacts",
]

P = ParamSpec("P")
T = TypeVar("T")
SEARCHES = 5
"""How often a search for near-duplicates may be overtaken by what it should have found."""


class Market(Door, MarketLike):
    """Accounts, listings, prices and trades behind one address.

    Safe to share between threads; other processes open the same address for themselves.
    """

    at_service: ClassVar[bool] = False

    # what only who holds the database can do or see
    adopt = Sends(Adopt)
    speaker = Asks(speaker)
    n_revoked_keys = Asks(n_revoked_keys)
    is_served = Asks(is_served)
    hold = Sends(PlaceHold)
    void_hold = Sends(VoidHold)
    epoch = Asks(current_epoch)
    verify = Asks(problems)
    appoint_evaluator = Sends(AppointEvaluator)
    revocation_list = AsksNow(revocation_list)
    vouch = Sends(Vouch)
    vouched = Asks(vouched)
    trust = Asks(trust)
    record = Asks(record)
    concentration = Asks(concentration)
    purchase_page = Asks(purchase_page)
    income_page = Asks(income_page)
    trial = AsksNow(trial_view)
    bundle = Asks(bundle_view)
    owns = Asks(owns)
    may_use = AsksNow(may_use)
    may_fetch = AsksNow(may_fetch)

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        *,
        must_be_signed: bool = False,
        bases: Bases = no_bases,
    ) -> None:
        super().__init__(database, clock)
        self._must_be_signed = must_be_signed
        self._bases = bases

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Callable[[], float] = time.time,
        create: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        must_be_signed: bool = False,
        bases: Bases = no_bases,
    ) -> Self:
        """The market at an address such as sqlite:////home/ada/market.db; made if absent.

        A market of an earlier schema version is migrated first, with a backup beside its file.

        Args:
            clock: Seconds since 1970; the only thing here that is not deterministic.
            create: False to insist that the market exists.
            busy_timeout_s: How long a call waits for other writers.
            must_be_signed: Refuse to publish layers without a signed manifest.
            bases: Linear maps, (out, in) by module, of the base model of a fingerprint, where they
                are known: a layer for it, or for the embedded one, is listed only if it can run.

        Raises:
            MarketNotFoundError: There is no market and `create` is False.
            MarketFileError: The file or its folder cannot be used.
        """
        at = clock()
        database = Database(url, create=create, at=at, busy_timeout_s=busy_timeout_s)
        return cls(database, clock, must_be_signed=must_be_signed, bases=bases)

    @property
    def place(self) -> Place:
        """Where it lives."""
        return self._database.place

    def send(self, operation: Operation[T]) -> T:
        """Carry an operation out, once per key; what it made, now or before.

        Raises:
            RefusedError: A rule of the market is against it.
            IdempotencyKeyReusedError: The key belongs to another request.
            KeyInProgressError: Another thread works on this key now.
        """
        check_operation(operation)
        if isinstance(operation, Publish):
            return cast("T", self._put_up(operation))
        return self._once(operation)

    def _once(self, operation: Operation[T]) -> T:
        return self._change(
            lambda session: once(session, operation, self._now()), key=operation.key
        )

    def ask(self, question: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer to a question."""
        with self._read() as session:
            return question.answer(session, self._now, *args, **kwargs)

    def party(self, operation: Operation[Any]) -> tuple[str, str] | None:
        """Whose agreement an operation is about, and what it is called; None when about none."""
        with self._read() as session:
            return operation.party(session, self._now())

    def due(self, operation: Operation[Any]) -> Due | None:
        """What an operation costs now; None when nobody can say."""
        with self._read() as session:
            return operation.due(session)

    def handed_over(self, operation: Operation[Any]) -> list[str]:
        """Digests of the layers whose files an operation gives a right to."""
        with self._read() as session:
            names = operation.hands_over(session)
            return [listing_view(session, name).digest for name in names]

    # --- accounts

    def open_account(self, name: str, *, key: str | None = None) -> AccountView:
        """The account of this name, opened now if it is new."""
        check_name(name, "account name")
        key = None if key is None else check_key(key)
        return self._change(
            lambda session: account_view(open_account(session, name=name, key=key, at=self._now()))
        )

    def note_served(self) -> None:
        """Accounts belong to keys from now on; said by a service when it starts."""
        self._change(lambda session: note_served(session, at=self._now()))

    def has_request(self, key: str) -> bool:
        """Whether a change under this key has taken effect."""
        with self._read() as session:
            return bool(known_requests(session.connection(), [key]))

    def collect_owed(self, account: str | None = None) -> list[DebtView]:
        """Let debtors pay what they can by now, as every sweep does; what is still owed."""

        def work(session: Session) -> list[DebtView]:
            collect(session, account=account, at=self._now())
            return debt_views(session, account)

        return self._change(work)

    def return_failed(self, *, listing: str, since: float | None = None) -> ReturnReport:
        """Pay back what was sold of a listing on a failed claim, or before it was revoked.

        What cannot be paid now stays owed, see `owed`.
        """
        return self._change(
            lambda session: return_failed(session, listing=listing, since=since, at=self._now())
        )

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

    # --- what is for sale

    @cached_property
    def _sketches(self) -> SketchIndex:
        from marketplace.listing.duplicates import SketchIndex

        return SketchIndex()

    @cached_property
    def _searcher(self) -> Searcher:
        from marketplace.listing.search import Searcher

        return Searcher()

    def _put_up(self, asked: Publish) -> ListingView:
        """Search outside the write lock, then publish; once more while others overtake."""
        from marketplace.listing.duplicates import Newcomer

        weights, others = asked.weights, asked.others or (lambda _: None)
        newcomer = None if weights is None else Newcomer(weights, others)
        asked = replace(
            asked,
            newcomer=newcomer,
            sketch=newcomer.sketch if newcomer else b"",
            maps=shipped_bases().get(asked.base_model) or self._bases(asked.base_model),
            must_be_signed=asked.must_be_signed or self._must_be_signed,
        )
        for _ in range(SEARCHES):
            with self._read() as session:
                finding = self._sketches.find(session, asked, newcomer)
            with suppress(OvertakenError):
                return self._once(replace(asked, finding=finding))
        raise MarketBusyError(
            f"others published layers like {asked.digest[:12]} again and again while it was"
            " compared: try again"
        )

    def has_layer(self, digest: str) -> bool:
        """Whether the layer was ever put up for sale, whatever became of it."""
        with self._read() as session:
            return version_of_digest(session, digest) is not None

    def listings(
        self, wanted: Wanted | None = None, *, limit: int | None = None
    ) -> list[ListingView]:
        """Everything for sale, or what is wanted of it, by name, at the running epoch's prices.

        Args:
            limit: Only the first so many, without reading the others.
        """
        with self._read() as session:
            if wanted is not None:
                names = self._searcher.names(session, wanted)[:limit]
                return listing_views(session, names, only_listed=True)
            if limit is None:
                return listing_views(session, only_listed=True)
            return first_listed(session, limit)

    def search(
        self,
        text: str = "",
        wanted: Wanted | None = None,
        *,
        order: str = "rank",
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> SearchPage:
        """One page of what is for sale and fits, as `MarketLike.search`."""
        with self._read() as session:
            return self._searcher.page(
                session, text, wanted or Wanted(), order=order, limit=limit, cursor=cursor
            )

    def record_miss(self, *, account: str, skill: str) -> bool:
        """Note that an account found nothing for a skill; False when that was known."""
        return self._change(
            lambda session: record_miss(session, account=account, skill=skill, at=self._now())
        )

    def revocations(self, private_key: Ed25519PrivateKey) -> bytes:
        """The signed list of every revoked layer and key, for clients to keep."""
        return sign_revocations(self.revocation_list(), private_key)

    # --- prices

    def close_epoch(self, number: int | None = None, *, key: str | None = None) -> None:
        """Let the epoch's evidence and demand move every price, as `MarketLike.close_epoch`."""
        if key is not None:
            check_key(key)
        self._change(lambda session: close_epoch(session, number=number, key=key, at=self._now()))

    def returns(self, listing: str, *, cost_nanos: int) -> Returns:
        """What a listing brought its seller against what its training cost."""
        with self._read() as session:
            return Returns(cost_nanos, net_income(session, listing))

    # --- metered use, alone or together

    def charge(self, *, account: str, listing: str, units: int, key: str) -> UsageView:
        """Pay for one use, by units; costs nothing when something else covers it.

        Charges that wait together are posted together.

        Raises:
            RefusedError: Not for sale, not offered by use, or too few credits.
        """
        one = Charge(account, listing, units, check_key(key))
        return self._change_in(self._charged, one, key=key)

    def charge_many(self, charges: Sequence[Charge]) -> list[UsageView | MarketError]:
        """Pay for many uses at once; one answer each, a refused one does not stop the others."""
        found = self._change(lambda session: charge_many(session, charges, at=self._now()))
        return self._advised_once(found)

    async def charge_each(self, charges: Sequence[Charge]) -> list[UsageView | MarketError]:
        """Pay for uses together with those of other requests; one answer each, in order.

        A service has many requests under way, each with a charge or two. Handed over one by one,
        each would ask the database about its listing, its payer and its rights; together they ask
        once. Unlike `charge_many` these are separate changes: each is acknowledged on its own.
        """
        if len(charges) == 1:  # as most requests are: no task of its own
            answers = [await self._charge_one(charges[0])]
        else:
            answers = await asyncio.gather(*(self._charge_one(charge) for charge in charges))
        if any(isinstance(one, MarketError) and one.sought is not None for one in answers):
            return await asyncio.to_thread(self._advised_once, answers)
        return answers

    def claim_batch(self, charges: Sequence[Charge], *, key: str) -> None:
        """Let the key belong to these uses, before they are paid for one by one.

        Raises:
            IdempotencyKeyReusedError: It belongs to something else.
        """
        check_key(key)
        self._change(
            lambda session: claim_batch(session, charges, key=key, at=self._now()), key=key
        )

    async def _charge_one(self, charge: Charge) -> UsageView | MarketError:
        try:
            return await self._writer.change_in(self._charged, charge, key=charge.key)
        except MarketError as refusal:
            return refusal

    def _charged(
        self, session: Session, charges: Sequence[Charge]
    ) -> list[UsageView | MarketError]:
        self._follow(session)
        return charge_many(session, charges, at=self._now())
