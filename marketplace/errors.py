"""What can go wrong in the marketplace; every message is one line: rule, value, remedy.

MarketError
├── MarketFileError             the file behind the market cannot be used
│   ├── MarketNotFoundError         there is no market at this address
│   └── MarketDamagedError          the file is not a database, cut short or corrupt
├── MarketBusyError             other writers held the market for longer than the wait
├── InvalidInputError           a value that no request may carry
│   ├── AmountError                 not a whole number of nano-credits in range
│   ├── NameFormatError             not a usable name, key or text
│   └── ReceiptError                an exam result that cannot be true or cannot carry a price
├── AccountNotFoundError
├── ListingNotFoundError
├── IdempotencyKeyReusedError   the same key came with another request
└── RefusedError                understood, possible for others, not allowed here
    ├── HouseAccountError           'world' and 'platform' do not trade
    ├── ListingTakenError           the name or the layer is already listed
    ├── OwnLayerError               buying from oneself
    ├── AlreadyOwnedError           buying the same layer twice
    ├── PriceAboveLimitError        the price is above what the buyer allowed
    └── InsufficientCreditsError    the account cannot pay
"""


class MarketError(Exception):
    """Anything the marketplace refuses or fails to do; the message fits on one line."""


class MarketFileError(MarketError):
    """The file behind the market cannot be used; the message names the file."""


class MarketNotFoundError(MarketFileError):
    """There is no market at this address."""


class MarketDamagedError(MarketFileError):
    """The file is not a database, was cut short, or is corrupt."""


class MarketBusyError(MarketError):
    """Other writers held the market for longer than the wait; nothing was changed."""


class InvalidInputError(MarketError):
    """A value that no request may carry."""


class AmountError(InvalidInputError):
    """Not a whole number of nano-credits in range."""


class NameFormatError(InvalidInputError):
    """Not a usable name, key or text."""


class ReceiptError(InvalidInputError):
    """An exam result that cannot be true, or that cannot carry a price."""


class AccountNotFoundError(MarketError):
    """No account has this name."""


class ListingNotFoundError(MarketError):
    """No listing has this name."""


class IdempotencyKeyReusedError(MarketError):
    """The same key came with another request; nothing was changed."""


class RefusedError(MarketError):
    """Understood, possible for others, not allowed here."""


class HouseAccountError(RefusedError):
    """The accounts 'world' and 'platform' neither sell, buy nor receive grants."""


class ListingTakenError(RefusedError):
    """The name or the layer is already listed."""


class OwnLayerError(RefusedError):
    """An account wants to buy its own layer."""


class AlreadyOwnedError(RefusedError):
    """The buyer already owns the layer."""


class PriceAboveLimitError(RefusedError):
    """The price is above what the buyer allowed."""


class InsufficientCreditsError(RefusedError):
    """The account cannot pay."""
