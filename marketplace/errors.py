"""What can go wrong in the marketplace; every message is one line: rule, value, remedy.

MarketError
├── MarketFileError             the file behind the market cannot be used
│   ├── MarketNotFoundError         there is no market at this address
│   └── MarketDamagedError          the file is not a database, cut short or corrupt
├── MarketBusyError             other writers held the market for longer than the wait
├── InvalidInputError           a value that no request may carry
│   ├── AmountError                 not a whole number of nano-credits in range
│   ├── NameFormatError             not a usable name, key or text
│   ├── LicenceError                no licence expression that the market can judge
│   ├── PageError                   not a page, an order or a cursor that search knows
│   ├── KeyProofError               a new public key without proof of its private half
│   ├── UnfitLayerError             a layer that its base model cannot run, or nobody can check
│   └── ReceiptError                an exam result that cannot be true or cannot carry a price
├── AccountNotFoundError
├── ListingNotFoundError
├── ReceiptNotFoundError        no receipt has this number
├── IdempotencyKeyReusedError   the same key came with another request
├── KeyInProgressError          the same key is being worked on right now
├── TransferNotFoundError       no transfer, or no hold, has this number
├── TradeNotFoundError          no trial, meter, bounty, bundle or offer is called so
├── HeadError                   a signed head that cannot be read or was not signed by its key
├── AccountKeyError             an account's private key is missing, unusable or open to others
├── ServiceError                a market's service, asked from afar, did not do its part
│   ├── ServiceUnreachableError     no answer, after every retry
│   ├── AnswerError                 an answer that cannot be understood
│   └── DownloadError               the bytes that came are not the layer that was asked for
└── RefusedError                understood, possible for others, not allowed here
    ├── HouseAccountError           'world' and 'platform' do not trade
    ├── KeyTakenError               the public key or the account is somebody's already
    │   └── UnclaimedAccountError       no key speaks for the account, on a market for others
    ├── LastKeyError                revoking it would lock the account for good
    ├── ListingTakenError           the name or the layer is already listed
    ├── LineageError                a parent that is missing, does not fit, or closes a circle
    ├── LicenceConflictError        the licence takes what a parent's licence does not give
    ├── NearDuplicateError          made from another listing's layer, and not linked to it
    ├── ProvenanceError             manifest, signature or files do not vouch for the layer
    ├── NotOwnerError               only the owner, or an evaluator, may do this
    ├── StatusError                 not possible in the listing's present status
    ├── NotForSaleError             withdrawn, quarantined or revoked
    ├── OwnLayerError               buying from oneself
    ├── AlreadyOwnedError           buying the same layer twice
    ├── NotOfferedError             the seller does not offer this way of paying
    ├── TrialError                  a trial that is not possible, or decided
    ├── BountyError                 a bounty that is over, or a layer that falls short of it
    ├── UnpaidReviewError           rating what one never paid for
    ├── UnpaidRecheckError          re-running what one never had the files of
    ├── CapacityError               more machine time than is left
    ├── TooManyOpenError            as many mandates, offers, holds ... as one may have
    ├── NotDueError                 what is still running cannot be settled
    ├── PriceAboveLimitError        the price is above what the buyer allowed
    ├── HoldClosedError             the hold was resolved before, or its time is over
    ├── HoldExceededError           posting more than was held
    ├── RefundExceededError         giving back more than was paid
    ├── MandateError                a sub-account that cannot be opened so
    ├── CapExceededError            the mandate's cap leaves too little
    └── InsufficientCreditsError    the account cannot pay
"""

from typing import Literal, TypeVar


class MarketError(Exception):
    """Anything the marketplace refuses or fails to do; the message fits on one line."""

    sought: tuple[str, str] | None = None
    """(table, name) that was not found, for whoever may look for the one that was meant."""


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


class UnfitLayerError(InvalidInputError):
    """The base model cannot run the layer, or its weights are not there to be checked."""


class ReceiptError(InvalidInputError):
    """An exam result that cannot be true, or that cannot carry a price."""


class AccountNotFoundError(MarketError):
    """No account has this name."""


class ListingNotFoundError(MarketError):
    """No listing has this name."""


class ReceiptNotFoundError(MarketError):
    """No receipt has this number."""


class IdempotencyKeyReusedError(MarketError):
    """The same key came with another request; nothing was changed."""


class AccountKeyError(MarketError):
    """An account's private key is missing, unusable, or may be read by others."""


class ServiceError(MarketError):
    """A market's service, asked from afar, did not do its part."""


class ServiceUnreachableError(ServiceError):
    """No answer, after every retry; a change may have happened: repeat it with the same key."""


class AnswerError(ServiceError):
    """An answer that cannot be understood."""


class DownloadError(ServiceError):
    """The bytes that came are not the layer that was asked for."""


class RefusedError(MarketError):
    """Understood, possible for others, not allowed here."""


class HouseAccountError(RefusedError):
    """The accounts 'world' and 'platform' neither sell, buy nor receive grants."""


class ListingTakenError(RefusedError):
    """The name or the layer is already listed."""


class LicenceError(InvalidInputError):
    """No licence expression that the market can judge."""


class PageError(InvalidInputError):
    """Not a page size, an order or a cursor that search knows."""


class LineageError(RefusedError):
    """A parent is missing, does not fit, or would descend from its child."""


class LicenceConflictError(RefusedError):
    """The licence takes what a parent's licence does not give."""


class NearDuplicateError(RefusedError):
    """The layer was made from another listing's, or repeats it, and does not name it as parent."""

    def __init__(self, message: str, listings: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.listings = listings
        """Those that are to be named; empty where the message alone came."""


class ProvenanceError(RefusedError):
    """Manifest, signature or files do not vouch for the layer; `code` is stable."""

    def __init__(self, message: str, code: str = "provenance") -> None:
        super().__init__(message)
        self.code = code


class NotOwnerError(RefusedError):
    """Only the owner, or an evaluator, may do this."""


class StatusError(RefusedError):
    """Not possible in the listing's present status."""


class NotForSaleError(RefusedError):
    """The listing is withdrawn, quarantined or revoked."""


class OwnLayerError(RefusedError):
    """An account wants to buy its own layer."""


class AlreadyOwnedError(RefusedError):
    """The buyer already owns the layer."""


class PriceAboveLimitError(RefusedError):
    """The price is above what the buyer allowed."""


class InsufficientCreditsError(RefusedError):
    """The account cannot pay."""


class KeyProofError(InvalidInputError):
    """A new public key without proof that its private half agrees."""


class KeyTakenError(RefusedError):
    """The public key or the account is somebody's already, or it has too many."""


class UnclaimedAccountError(KeyTakenError):
    """No key speaks for the account: on a served market nobody could reach what is in it."""


class LastKeyError(RefusedError):
    """Revoking the account's only key would lock it for good."""


class CapExceededError(RefusedError):
    """The mandate's cap leaves too little for this payment."""


class MandateError(RefusedError):
    """A spending mandate that cannot be opened or used so."""


class HoldClosedError(RefusedError):
    """The hold was posted, voided or expired before, or its time is over."""


class HoldExceededError(RefusedError):
    """More is to be posted than was held."""


class RefundExceededError(RefusedError):
    """More is to be given back than was paid and not yet given back."""


class TransferNotFoundError(MarketError):
    """No transfer, or no hold, has this number."""


class KeyInProgressError(MarketError):
    """A request with the same key is being worked on; its answer is not known yet."""


class HeadError(MarketError):
    """A signed head that cannot be read, or that its key did not sign."""


class TradeNotFoundError(MarketError):
    """No trial, meter, subscription, bounty, bundle or offer has this number or name."""


class NotOfferedError(RefusedError):
    """The seller does not offer the listing in this way, or not any more."""


class TrialError(RefusedError):
    """A trial that is not possible, was decided, or is over."""


class BountyError(RefusedError):
    """A bounty that is over, or a layer that falls short of it."""


class UnpaidRecheckError(RefusedError):
    """A re-run by somebody who never had a right to the files, or one re-run too many."""


class UnpaidReviewError(RefusedError):
    """Only settled use gives a right to rate."""


class CapacityError(RefusedError):
    """More machine time is asked for than is left in the epoch."""


class TooManyOpenError(RefusedError):
    """The account has as many of a kind open as one account may have."""


class NotDueError(RefusedError):
    """What is still running cannot be settled yet."""


Refusal = TypeVar("Refusal", bound=MarketError)


def unknown(refusal: Refusal, table: Literal["account", "listing"], name: str) -> Refusal:
    """The refusal, which now says what was not found; its remedy gives way to a suggestion.

    Args:
        refusal: Its remedy stands behind its last colon.
        table: Where the name was looked for.
    """
    refusal.sought = (table, name)
    return refusal
