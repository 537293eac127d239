"""Prices on a service: the methods of `marketplace.facade.pricing`, asked from afar."""

from dataclasses import dataclass
from typing import Any

from marketplace.client.base import ClientBase, path
from marketplace.ledger.epoch import PricePoint
from marketplace.price.quote import Quote


@dataclass(frozen=True, slots=True)
class _Epoch:
    number: int


class PricingClient(ClientBase):
    """What things cost, and why."""

    def quote(self, name: str) -> Quote:
        """What the listing costs now and why."""
        return self._transport.get(Quote, path("listings", name, "quote"))

    def price_history(self, name: str) -> list[PricePoint]:
        """Price and sales per epoch since publication."""
        return list(self._transport.pages(PricePoint, path("listings", name, "prices")))

    def epoch(self) -> int:
        """Number of the running epoch."""
        return self._transport.get(_Epoch, path("epoch")).number

    def close_epoch(self, number: int | None = None, *, key: str | None = None) -> None:
        """Let demand move every price: for the service's operator.

        Without a key the running epoch is named, so that a repeat after a lost answer closes no
        second one.
        """
        if key is None:
            number = self.epoch() if number is None else number
            key = f"close-epoch-{number}"
        self._transport.send(dict[str, Any], "POST", path("epochs"), {"number": number}, key=key)
