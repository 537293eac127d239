"""A market behind a service, with the methods of the local one.

    key = KeyStore(home / "keys").create("ada")
    with RemoteMarket("http://127.0.0.1:8080", account="ada", key=key) as market:
        market.open_account("ada")
        market.buy(buyer="ada", listing="sql-v2", key="ada-sql-v2")

Where an operation is sent to and a question asked stands in `marketplace.routes`; here is what is
no plain translation.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, ClassVar, ParamSpec, TypeVar, cast, get_args, get_origin

import httpx

from marketplace.client.layers import LayersClient
from marketplace.client.transport import Patience, Transport
from marketplace.errors import IdempotencyKeyReusedError, InvalidInputError, MarketError
from marketplace.front import MarketLike, Query
from marketplace.ledger.account import AccountView
from marketplace.ledger.idempotency import body_hash, canonical_body
from marketplace.ledger.journal import PostingView
from marketplace.ledger.keyring import PrivateKey
from marketplace.ledger.operation import Operation, view_of
from marketplace.ledger.statement import MAX_STATEMENT_LINES, STATEMENT_LINES, StatementPage
from marketplace.listing.listing import MAX_PAGE_SIZE, PAGE_SIZE, ListingView, SearchPage, Wanted
from marketplace.routes import READS, WRITES, spelt
from marketplace.trade.bounty import BountyView
from marketplace.trade.charge import Charge, UsageView
from marketplace.trade.debts import DebtView
from marketplace.wire import error_of, from_wire, to_wire

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Epoch:
    number: int


class RemoteMarket(MarketLike, LayersClient):
    """The market at a service's address, as one account sees it.

    Args:
        account: Who acts; None = only look at what is public.
        key: The account's private key; signs every request.
        http: Instead of a client of its own, for tests.
    """

    at_service: ClassVar[bool] = True

    def __init__(
        self,
        url: str,
        *,
        account: str | None = None,
        key: PrivateKey | None = None,
        patience: Patience | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(Transport(url, key, patience=patience, http=http))
        self._account = account
        self._public_key = None if key is None else key.public

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.url

    def close(self) -> None:
        """Give back the connections."""
        self._transport.close()

    def send(self, operation: Operation[T]) -> T:
        """Have an operation carried out, once per key, however often it has to be asked for."""
        route = WRITES[type(operation)]
        placed = {name: getattr(operation, name) for name in route.places().values()}
        where, headers = route.address(placed), {}
        if route.must_match and route.state is not None:  # lest somebody else has changed it
            state = READS[route.state]
            seen = self._transport.ask("GET", state.address({state.within: placed[route.within]}))
            headers["If-Match"] = seen.headers.get("ETag", "*")
        view, body, key = view_of(type(operation)), route.body(operation), operation.key
        if get_origin(view) is list:
            (item,) = get_args(view)
            found = self._transport.send_for_items(item, where, body or {}, key=key)
            return cast("T", found)
        answer: T = self._transport.send(view, route.method, where, body, key=key, headers=headers)
        return answer

    def ask(self, question: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer to a question; of a list, every page."""
        if (by_hand := _BY_HAND.get(question)) is not None:
            return cast("T", by_hand(self, *args, **kwargs))
        route, asked = READS[question], question.arguments(*args, **kwargs)
        where = route.address(asked)
        query = {k: v for k, v in asked.items() if k not in route.places().values()}
        if get_origin(question.view) is list:
            (item,) = get_args(question.view)
            return cast("T", list(self._transport.pages(item, where, **query)))
        answer: T = self._transport.get(question.view, where, **query)
        return answer

    # --- accounts

    def open_account(self, name: str, *, key: str | None = None) -> AccountView:
        """The account of this name, opened with the client's key if it is new."""
        if self._public_key is not None:
            self.register(name, self._public_key, key=key or f"open-{self._public_key[:16]}")
        return self.account(name)

    def _accounts(self) -> list[AccountView]:
        """The account that asks; a service shows nobody else's."""
        return [] if self._account is None else [self.account(self._account)]

    def _postings(self, account: str) -> list[PostingView]:
        """One's own whole statement, oldest first; `statement` gives it page by page."""
        where = f"/v1/accounts/{spelt(account)}/postings"
        found = self._transport.pages(PostingView, where, limit=MAX_STATEMENT_LINES)
        return list(found)[::-1]

    def _statement(
        self, account: str, *, limit: int = STATEMENT_LINES, cursor: str | None = None
    ) -> StatementPage:
        """One page of one's own statement, newest line first."""
        where = f"/v1/accounts/{spelt(account)}/postings"
        found = self._transport.page(PostingView, where, limit=limit, cursor=cursor)
        return StatementPage(tuple(found.items), found.next)

    def _owed(self, account: str | None = None) -> list[DebtView]:
        """What the account must pay back, or is to be paid back, and is not yet."""
        return list(self._transport.pages(DebtView, self._debts(account)))

    def collect_owed(self, account: str | None = None) -> list[DebtView]:
        """Let debtors pay the account, and the account pay, what they can by now; what is left."""
        where, key = f"{self._debts(account)}/collections", f"collect-{secrets.token_hex(16)}"
        self._transport.send_for_items(DebtView, where, {}, key=key)
        return self.owed(account)

    def _debts(self, account: str | None) -> str:
        if account is None and self._account is None:
            raise InvalidInputError("a service shows one account's debts: name the account")
        return f"/v1/accounts/{spelt(account or self._account)}/debts"

    # --- what is for sale

    def listings(
        self, wanted: Wanted | None = None, *, limit: int | None = None
    ) -> Iterator[ListingView]:
        """Everything for sale, or what is wanted of it, by name; pages come as they are needed."""
        at_once = MAX_PAGE_SIZE if limit is None else min(limit, MAX_PAGE_SIZE)
        query = {"order": "name", "limit": at_once, **_query(wanted)}
        return islice(self._transport.pages(ListingView, "/v1/listings", **query), limit)

    def search(
        self,
        text: str = "",
        wanted: Wanted | None = None,
        *,
        order: str = "rank",
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> SearchPage:
        """One page of what is for sale and fits."""
        query = {"query": text or None, "order": order, "limit": limit, "cursor": cursor}
        found = self._transport.page(ListingView, "/v1/listings", **query, **_query(wanted))
        return SearchPage(tuple(found.items), found.total or len(found.items), found.next)

    def _bounties(self, *, open_only: bool = True) -> list[BountyView]:
        """What is wanted."""
        state = "open" if open_only else "all"
        return list(self._transport.pages(BountyView, "/v1/bounties", state=state))

    def record_miss(self, *, account: str, skill: str) -> bool:
        """Nothing to do: the service notes a search without result by itself."""
        return False

    def revocations(self) -> bytes:
        """The market's signed list of what must no longer be used, still to be checked."""
        return self._transport.ask("GET", "/v1/revocations").body

    # --- prices and use

    def epoch(self) -> int:
        """Number of the running epoch."""
        return self._transport.get(_Epoch, "/v1/epoch").number

    def close_epoch(self, number: int | None = None, *, key: str | None = None) -> None:
        """Let demand move every price: for the service's operator.

        Without a key the running epoch is named, so that a repeat after a lost answer closes no
        second one.
        """
        if key is None:
            number = self.epoch() if number is None else number
            key = f"close-epoch-{number}"
        self._transport.send(dict[str, Any], "POST", "/v1/epochs", {"number": number}, key=key)

    def charge(self, *, account: str, listing: str, units: int, key: str) -> UsageView:
        """Pay for one use, fractions of a cent included."""
        answers = self.charge_many([Charge(account, listing, units, key)])
        if isinstance(answers[0], MarketError):
            raise answers[0]
        return answers[0]

    def charge_many(self, charges: Sequence[Charge]) -> list[UsageView | MarketError]:
        """Pay for many uses in one request; one answer each, in order."""
        body = {"charges": [asdict(charge) for charge in charges]}
        key = charges[0].key if len(charges) == 1 else _key_of(body)
        try:
            items = self._transport.send_for_items(dict[str, Any], "/v1/usage", body, key=key)
        except IdempotencyKeyReusedError as refusal:
            if len(charges) == 1:  # the key is the use's own
                return [refusal]
            raise
        return [_charged(item) for item in items]


_BY_HAND: Mapping[Query[..., Any], Callable[..., Any]] = {
    MarketLike.accounts: RemoteMarket._accounts,
    MarketLike.postings: RemoteMarket._postings,
    MarketLike.statement: RemoteMarket._statement,
    MarketLike.owed: RemoteMarket._owed,
    MarketLike.bounties: RemoteMarket._bounties,
}
"""Questions that a service answers otherwise than a market at hand."""


def _query(wanted: Wanted | None) -> dict[str, Any]:
    """The conditions that are set."""
    if wanted is None:
        return {}
    plain = to_wire(wanted)
    plain |= {"licence": plain.pop("licences"), "tag": plain.pop("tags")}
    return {name: value for name, value in plain.items() if value not in ([], None, False)}


def _key_of(body: dict[str, Any]) -> str:
    """The key of one list of uses: the same for the same list, and for no other."""
    return f"batch-{body_hash(canonical_body(body))}"


def _charged(item: dict[str, Any]) -> UsageView | MarketError:
    problem = item.get("problem")
    if isinstance(problem, dict):
        return error_of(problem.get("type"), problem.get("detail"))
    return from_wire(UsageView, item.get("result"), "usage")
