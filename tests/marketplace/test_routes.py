"""The table of routes: what the market, the service and the client all follow from."""

from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

from marketplace.fields import Acts, Credits, Nanos
from marketplace.front import Asks, MarketLike, Sends
from marketplace.ledger.operation import Operation, view_of
from marketplace.routes import READS, WRITES, Read, Write
from marketplace.service.endpoints import actor_of, body_of, values_of
from marketplace.service.openapi import Body
from marketplace.trade.bundle import BuyBundle, CreateBundle
from marketplace.trade.buy import Buy
from marketplace.trade.charge import UsageView
from marketplace.trade.rent import Rent
from marketplace.trade.returns import Refund
from marketplace.trade.subscription import Subscribe

SENT: list[Operation[Any]] = [
    Buy(buyer="ada/shop", listing="sql-v2", max_price_nanos=1_500_000_001, key="k"),
    Rent(renter="ada", listing="sql-v2", days=3, key="k"),
    Subscribe(account="ada", fee_nanos=10**9, days=30, key="k"),
    CreateBundle(owner="ada", name="pack", listings=["a", "b"], key="k"),
    BuyBundle(buyer="ada", bundle="pack", key="k"),
]


def read_back(operation: Operation[Any]) -> Operation[Any]:
    """The operation as a service understands what a client sends."""
    route, kind = WRITES[type(operation)], type(operation)
    model = body_of(kind, set(route.places().values()))
    body: Body = model.model_validate(route.body(operation))
    values = {name: getattr(operation, name) for name in ("key", *route.places().values())}
    return kind(**values, **values_of(kind, body))


@pytest.mark.parametrize("operation", SENT, ids=lambda one: type(one).__name__)
def test_what_a_client_sends_is_what_a_service_reads(operation: Operation[Any]) -> None:
    """Address and body together are the operation, to the last nano-credit."""
    assert read_back(operation) == operation


@pytest.mark.parametrize("route", WRITES.values(), ids=lambda route: route.id)
def test_nobody_sends_an_operation_in_anothers_name(route: Write) -> None:
    """Each names who acts, or is about an agreement of somebody's, or is for operators."""
    kind = route.kind
    is_guarded = kind.BY_OPERATOR or kind.party is not Operation.party or actor_of(kind) is not None
    assert is_guarded or route.by_hand


@pytest.mark.parametrize("route", READS.values(), ids=lambda route: route.id)
def test_an_accounts_business_is_its_own(route: Read) -> None:
    """What stands below an account's address is shown to who speaks for it alone."""
    assert bool(route.whose) >= route.path.startswith("/v1/accounts/")


@pytest.mark.parametrize("route", [*WRITES.values(), *READS.values()], ids=lambda route: route.id)
def test_an_address_holds_arguments(route: Write | Read) -> None:
    """Every placeholder stands for a field of the operation or a parameter of the question."""
    if isinstance(route, Write):
        known = {f.name for f in fields(route.kind)}
    else:
        known = set(route.question.parameters)
    assert set(route.places().values()) <= known


def test_a_mandates_owner_acts_for_it() -> None:
    """Funding and reclaiming are the owner's, whatever the mandate's key says."""
    owned = {kind.__name__ for kind in WRITES if (actor_of(kind) or ("", None))[1] is Acts.OWNER}
    assert owned == {"FundMandate", "ReclaimMandate"}


def test_whatever_a_market_sends_has_an_address() -> None:
    """A method that the remote market could not send would fail only when it is called."""
    makers = [one._make for one in vars(MarketLike).values() if isinstance(one, Sends)]
    made = {one if isinstance(one, type) else get_type_hints(one)["return"] for one in makers}
    assert made == set(WRITES) - {Refund}


VIEWS = dict.fromkeys(  # in one order for all test workers
    (get_args(view) or (view,))[0]
    for view in (
        *(view_of(kind) for kind in WRITES),
        *(one._question.view for one in vars(MarketLike).values() if isinstance(one, Asks)),
        UsageView,
    )
)


@pytest.mark.parametrize("kind", [*WRITES, *VIEWS], ids=lambda kind: kind.__name__)
def test_amounts_are_declared_as_amounts(kind: type) -> None:
    """What is called nanos here loses its unit on the wire, so it must become credits there."""
    amounts = {Nanos, Nanos | None, Credits, Credits | None}
    named = {n: h for n, h in get_type_hints(kind, include_extras=True).items() if "_nanos" in n}
    assert set(named.values()) <= amounts
