"""What a market offers, wherever it runs: the local `Market` and the remote client alike.

Commands and jobs are written against `MarketLike`, so that `--market URL` is all that changes. A
method is made from what it does: one that changes something from its operation, whose fields are
its arguments, and one that asks something from its function, without the session. So each is
described where it is made. What only the database's operator can do is not here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, wraps
from inspect import signature
from types import TracebackType
from typing import (
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Self,
    TypeVar,
    get_type_hints,
    overload,
)

from sqlmodel import Session

from marketplace.errors import MarketError
from marketplace.ledger.account import AccountView
from marketplace.ledger.account_key import AddKey, Register, RevokeKey, keys_of
from marketplace.ledger.chain import head
from marketplace.ledger.funding import Fund
from marketplace.ledger.hold import holds_of
from marketplace.ledger.mandate import FundMandate, OpenMandate, ReclaimMandate
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import (
    account_of,
    account_views,
    mandate_views,
    posting_views,
    statement_page,
)
from marketplace.listing.catalogue import listing_view, version_views
from marketplace.listing.listing import PAGE_SIZE, ListingView, SearchPage, Wanted
from marketplace.listing.publish import Publish
from marketplace.price.prices import history, quote
from marketplace.trade.bounty import ClaimBounty, PostBounty, bounties
from marketplace.trade.bundle import BuyBundle, CreateBundle, bundles
from marketplace.trade.buy import Buy
from marketplace.trade.charge import Charge, UsageView
from marketplace.trade.compute import OfferCompute, UseCompute, offers
from marketplace.trade.debts import DebtView, debt_views
from marketplace.trade.demand import demand
from marketplace.trade.incomes import earnings, incomes
from marketplace.trade.meter import CloseMeter, OpenMeter, ReadOffMeter, meter_view
from marketplace.trade.moderation import quarantine, release, relist, revoke, withdraw
from marketplace.trade.recheck import AddReceipt, Reexamine, receipts, recheck_views
from marketplace.trade.rent import Rent
from marketplace.trade.returns import Refund
from marketplace.trade.review import RateListing, review_views
from marketplace.trade.subscription import Subscribe, subscriptions
from marketplace.trade.terms import SetTerms, terms_of
from marketplace.trade.trial import OpenTrial, SettleTrial, trials

P = ParamSpec("P")
V = TypeVar("V")


class Sends(Generic[P, V]):
    """A method that sends an operation; its arguments are the operation's fields."""

    def __init__(self, make: Callable[P, Operation[V]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, market: None, owner: object) -> Self: ...
    @overload
    def __get__(self, market: MarketLike, owner: object) -> Callable[P, V]: ...
    def __get__(self, market: MarketLike | None, owner: object) -> Self | Callable[P, V]:
        if market is None:
            return self

        @wraps(self._make)
        def method(*args: P.args, **kwargs: P.kwargs) -> V:
            return market.send(self._make(*args, **kwargs))

        return method


class Query(Generic[P, V]):
    """What can be asked of one unchanging view of a market.

    Args:
        function: Knows the answer, from a session, the time if it depends on that, and arguments.
        n_given: How many of its parameters come first and are no arguments.
    """

    def __init__(self, function: Callable[..., V], n_given: int) -> None:
        self.function = function
        self._n_given = n_given

    @cached_property
    def parameters(self) -> Sequence[str]:
        """The arguments' names."""
        return tuple(signature(self.function).parameters)[self._n_given :]

    @cached_property
    def view(self) -> Any:
        """The class of the answer, or `list[...]` of it."""
        return get_type_hints(self.function)["return"]

    def answer(
        self, session: Session, now: Callable[[], float], *args: P.args, **kwargs: P.kwargs
    ) -> V:
        """What the function says."""
        given = (session,) if self._n_given == 1 else (session, now())
        return self.function(*given, *args, **kwargs)

    def arguments(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """What was given, by name."""
        return dict(zip(self.parameters, args, strict=False)) | kwargs


class Asks(Generic[P, V]):
    """A method that asks a question; its arguments are the function's, without the session."""

    def __init__(self, read: Callable[Concatenate[Session, P], V]) -> None:
        self._question: Query[P, V] = Query(read, 1)
        self.__doc__ = read.__doc__

    @overload
    def __get__(self, market: None, owner: object) -> Query[P, V]: ...
    @overload
    def __get__(self, market: MarketLike, owner: object) -> Callable[P, V]: ...
    def __get__(self, market: MarketLike | None, owner: object) -> Query[P, V] | Callable[P, V]:
        if market is None:
            return self._question

        def method(*args: P.args, **kwargs: P.kwargs) -> V:
            return market.ask(self._question, *args, **kwargs)

        return method


class AsksNow(Asks[P, V]):
    """The same of a function whose answer depends on the time, which it takes second."""

    def __init__(self, read: Callable[Concatenate[Session, float, P], V]) -> None:
        self._question = Query(read, 2)
        self.__doc__ = read.__doc__


class MarketLike(ABC):
    """A market that is open, here or elsewhere.

    Accounts that pay may be mandates; what they buy belongs to the mandate's owner.
    """

    at_service: ClassVar[bool]

    # money, and the keys that may spend it
    register = Sends(Register)
    add_key = Sends(AddKey)
    revoke_key = Sends(RevokeKey)
    keys = Asks(keys_of)
    account = Asks(account_of)
    accounts = Asks(account_views)
    postings = Asks(posting_views)
    statement = Asks(statement_page)
    owed = Asks(debt_views)
    fund = Sends(Fund)
    open_mandate = Sends(OpenMandate)
    fund_mandate = Sends(FundMandate)
    reclaim_mandate = Sends(ReclaimMandate)
    mandates = Asks(mandate_views)
    open_holds = Asks(holds_of)
    earnings = Asks(earnings)
    incomes = Asks(incomes)
    head = Asks(head)

    # what is for sale and what it costs
    publish = Sends(Publish)
    listing = Asks(listing_view)
    versions = Asks(version_views)
    quote = Asks(quote)
    price_history = Asks(history)

    # evidence, its re-runs, and taking layers down
    receipts = Asks(receipts)
    rechecks = Asks(recheck_views)
    add_receipt = Sends(AddReceipt)
    recheck = Sends(Reexamine)
    withdraw = Sends(withdraw)
    relist = Sends(relist)
    quarantine = Sends(quarantine)
    release = Sends(release)
    revoke = Sends(revoke)

    # ways to pay for one layer
    buy = Sends(Buy)
    terms = Asks(terms_of)
    set_terms = Sends(SetTerms)
    rent = Sends(Rent)
    meter = Asks(meter_view)
    meter_open = Sends(OpenMeter)
    meter_use = Sends(ReadOffMeter)
    meter_close = Sends(CloseMeter)
    trial_open = Sends(OpenTrial)
    trial_settle = Sends(SettleTrial)
    trials = AsksNow(trials)
    review = Sends(RateListing)
    reviews = Asks(review_views)

    # several layers, machine time, or layers that are missing
    subscribe = Sends(Subscribe)
    subscriptions = AsksNow(subscriptions)
    bundle_create = Sends(CreateBundle)
    bundles = Asks(bundles)
    bundle_buy = Sends(BuyBundle)
    bounty_post = Sends(PostBounty)
    bounty_claim = Sends(ClaimBounty)
    bounties = AsksNow(bounties)
    offer_compute = Sends(OfferCompute)
    offers = Asks(offers)
    use_compute = Sends(UseCompute)
    demand = AsksNow(demand)

    @abstractmethod
    def send(self, operation: Operation[V]) -> V:
        """Carry an operation out, once per key; what it made, now or before.

        Raises:
            RefusedError: A rule of the market is against it.
            IdempotencyKeyReusedError: The key belongs to another request.
        """

    @abstractmethod
    def ask(self, question: Query[P, V], *args: P.args, **kwargs: P.kwargs) -> V:
        """The answer to a question."""

    def refund(self, transfer_id: int, *, amount_nanos: int | None = None, key: str) -> int:
        """Give back a payment, or part of one that bought no layer; the transfer that does.

        Raises:
            RefundExceededError: More than is left.
            InsufficientCreditsError: A receiver has spent it.
        """
        made = self.send(Refund(transfer_id, amount_nanos=amount_nanos, key=key))
        return made.transfer_id

    @abstractmethod
    def open_account(self, name: str, *, key: str | None = None) -> AccountView:
        """The account of this name, opened now if it is new."""

    @abstractmethod
    def collect_owed(self, account: str | None = None) -> Sequence[DebtView]:
        """Let debtors pay what they can by now, as every sweep does; what is still owed."""

    @abstractmethod
    def listings(
        self, wanted: Wanted | None = None, *, limit: int | None = None
    ) -> Iterable[ListingView]:
        """Everything for sale, or what is wanted of it, by name, at the running epoch's prices.

        Args:
            limit: Only the first so many, without reading the others.
        """

    @abstractmethod
    def search(
        self,
        text: str = "",
        wanted: Wanted | None = None,
        *,
        order: str = "rank",
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> SearchPage:
        """One page of what is for sale and fits.

        Args:
            text: Words that name, niche, description or tags must hold, all of them.
            wanted: Further conditions.
            order: rank, price, newest, sales or name.
            cursor: `SearchPage.next` of the page before.

        Raises:
            PageError: An order, a limit or a cursor that there is not.
        """

    @abstractmethod
    def close_epoch(self, number: int | None = None, *, key: str | None = None) -> None:
        """Let the epoch's evidence and demand move every price and open the next epoch.

        Args:
            number: Close this epoch only if it is the running one, so that repeating the call
                after a crash has no second effect; None = whichever is running.
            key: Whichever it was, repeating the call with its key has no second effect either.
        """

    @abstractmethod
    def charge(self, *, account: str, listing: str, units: int, key: str) -> UsageView:
        """Pay for one use, fractions of a cent included; nothing when something else covers it.

        Raises:
            RefusedError: Not for sale, not offered by use, or too few credits.
        """

    @abstractmethod
    def charge_many(self, charges: Sequence[Charge]) -> list[UsageView | MarketError]:
        """Pay for many uses at once; one answer each, a refused one does not stop the others."""

    @abstractmethod
    def record_miss(self, *, account: str, skill: str) -> bool:
        """Note that an account found nothing for a skill; False when that was known."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is open; later calls are refused."""

    def __enter__(self) -> Self:
        """Let `with ... as market` close it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the market."""
        self.close()
