"""The table of routes: what the market, the service and the client all follow from."""

from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from marketplace.fields import Acts
from marketplace.front import MarketLike, Sends
from marketplace.ledger.operation import Operation
from marketplace.routes import READS, WRITES, Read, Write
from marketplace.service.endpoints import actor_of, body_of
from marketplace.service.openapi import Body
from marketplace.trade.bundle import BuyBundle, CreateBundle
from marketplace.trade.buy import Buy
from marketplace.trade.rent import Rent
from marketplace.trade.returns import Refund
from marketplace.trade.subscription import Subscribe
from marketplace.wire import to_wire, wire_name

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
    stated = {k: v for k, v in (route.body(operation) or {}).items() if v is not None}
    body: Body = model.model_validate(to_wire(stated))
    values = {name: getattr(operation, name) for name in ("key", *route.places().values())}
    names = {wire_name(f.name): f.name for f in fields(kind)}
    return kind(**values, **{names[n]: getattr(body, n) for n in model.model_fields})


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
