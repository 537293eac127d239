"""Single things by their number, key or digest, for who has to know whose they are."""

from marketplace.database.bulk import known_requests
from marketplace.facade.base import MarketBase
from marketplace.listing.catalogue import version_of_digest
from marketplace.trade.meter import MeterView, meter_view
from marketplace.trade.trial import TrialView, trial_view


class LookupFacade(MarketBase):
    """The part of the market that answers `which is number 7?`."""

    def meter(self, number: int) -> MeterView:
        """The meter of this number.

        Raises:
            TradeNotFoundError: There is none.
        """
        with self._read() as session:
            return meter_view(session, number)

    def trial(self, number: int) -> TrialView:
        """The trial of this number.

        Raises:
            TradeNotFoundError: There is none.
        """
        with self._read() as session:
            return trial_view(session, number, self._now())

    def has_layer(self, digest: str) -> bool:
        """Whether the layer was ever put up for sale, whatever became of it."""
        with self._read() as session:
            return version_of_digest(session, digest) is not None

    def has_request(self, key: str) -> bool:
        """Whether a change under this key has taken effect."""
        with self._read() as session:
            return bool(known_requests(session.connection(), [key]))
