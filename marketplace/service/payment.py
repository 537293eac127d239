"""Answers of 402 in the style of x402 version 2: what to pay, in which unit, to whom.

The network is this market's own ledger and the only scheme is `exact`: a payer tops the account
up and repeats the request with its Idempotency-Key. Amounts are whole nano-credits, the smallest
unit, as x402 counts; the problem document beside the header says the same in credits.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from marketplace.names import PLATFORM


@dataclass(frozen=True, slots=True)
class Due:
    """What something costs now, and who is paid."""

    nanos: int
    to: str = PLATFORM


HEADER = "PAYMENT-REQUIRED"
NETWORK = "continuum:ledger"
ASSET = "nano-credit"


def costs(request: Request, due: Callable[[], Due]) -> None:
    """Say what a route costs, in case it cannot be paid; asked only then."""
    request.state.price = due


def payment_required(
    *, url: str, reason: str, amount_nanos: int | None, pay_to: str | None = None
) -> dict[str, Any]:
    """The payment request of a refused purchase; no offer when the amount is not known."""
    offer = {
        "scheme": "exact",
        "network": NETWORK,
        "amount": str(amount_nanos),
        "asset": ASSET,
        "payTo": pay_to or PLATFORM,
        "maxTimeoutSeconds": 60,
        "extra": {"decimals": 9},
    }
    return {
        "x402Version": 2,
        "error": reason,
        "resource": {"url": url, "mimeType": "application/json"},
        "accepts": [] if amount_nanos is None else [offer],
    }


def payment_header(document: dict[str, Any]) -> dict[str, str]:
    """The header that carries it: base64 of its JSON."""
    data = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    return {HEADER: base64.b64encode(data).decode()}
