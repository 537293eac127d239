"""Changes from coroutines that meet in one batch, whoever asked for them.

A service has many requests under way, each with a charge or two. Handed over one by one, each
would ask the database about its listing, its payer and its rights; together they ask once.
"""

import asyncio
from collections.abc import Sequence

from marketplace.errors import MarketError
from marketplace.facade.using import UsingFacade
from marketplace.trade.usage import Charge, UsageView


class BatchedFacade(UsingFacade):
    """The part of the market that coroutines use."""

    async def charge_each(self, charges: Sequence[Charge]) -> list[UsageView | MarketError]:
        """Pay for uses together with those of other requests; one answer each, in order.

        Unlike `charge_many` these are separate changes: each is acknowledged on its own.
        """
        if len(charges) == 1:  # as most requests are: no task of its own
            answers = [await self._charge_one(charges[0])]
        else:
            answers = await asyncio.gather(*(self._charge_one(charge) for charge in charges))
        if any(isinstance(one, MarketError) and one.sought is not None for one in answers):
            return await asyncio.to_thread(self._advised_once, answers)
        return answers

    async def _charge_one(self, charge: Charge) -> UsageView | MarketError:
        try:
            return await self._writer.change_in(self._charged, charge, key=charge.key)
        except MarketError as refusal:
            return refusal
