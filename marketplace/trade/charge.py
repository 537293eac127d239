"""Metered use: every call pays for what it used, fractions of a cent included.

A charge is one transfer; many are posted by one call, in few statements. Use that is covered
already - of a bought, rented or tried layer, or under a subscription - is noted and costs nothing;
a subscription's units decide later who gets its fee. Use of one's own layer costs nothing either
and decides nothing, so it leaves no row: nobody could say how many there will be.

A batch of uses under one key: the same batch again is welcome, another one is refused.

Every use has a key of its own and happens once by that. What the batch's key adds is that it
belongs to one list of uses; so it is claimed before the first of them, and they need not share its
transaction: a repeat after a crash finds the claim, and does what is left.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from sqlmodel import Session

from marketplace.database import bulk
from marketplace.database.sql import table_of
from marketplace.errors import MarketError, NotForSaleError
from marketplace.fields import NAME_PATTERN, NESTED, AccountName, Key, Nanos, Several
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.idempotency import Request, body_hash, canonical_body, claim, reused
from marketplace.ledger.ledger import Entry, Posted, post_many
from marketplace.listing import catalogue
from marketplace.listing.listing import UNUSABLE
from marketplace.listing.parents import shares_of
from marketplace.money import check_amount
from marketplace.names import check_key, check_name, check_text
from marketplace.trade import rights, terms
from marketplace.trade.rights import running_rights
from marketplace.trade.settlement import Part, Payment, divide, legs, note
from marketplace.trade.terms import Goods, goods
from marketplace.trade.usage import Usage, usages

_USAGE, _REQUEST = table_of(Usage), table_of(Request)
USAGE = "usage"
"""What a use is called among requests and transfers."""
CHARGE = "charge"
"""What covers use that was paid for by itself."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One use: which listing, how many units, under which key."""

    __pydantic_config__: ClassVar[ConfigDict] = NESTED

    account: AccountName
    listing: Annotated[str, Field(pattern=NAME_PATTERN)]
    units: Several
    """Tokens, or calls where tokens are not counted."""
    key: Key


@dataclass(frozen=True, slots=True)
class UsageView:
    """A use as its user sees it."""

    account: str
    listing: str
    units: int
    amount_nanos: Nanos
    """What was paid now; 0 when something else covers the use."""
    covered_by: str
    transfer: int | None
    """Number of the payment, or of what covers the use."""
    key: str
    at: float
    replayed: bool = False


def charge_many(
    session: Session, charges: Sequence[Charge], *, at: float
) -> list[UsageView | MarketError]:
    """Charge many uses; one answer per use, in order. A refused one does not stop the others."""
    answers: dict[int, UsageView | MarketError] = {}
    waiting = list(enumerate(charges))
    while waiting:
        first: dict[str, tuple[int, Charge]] = {}  # a repeated key waits for its first answer
        later: list[tuple[int, Charge]] = []
        for place, one in waiting:
            refusal = _refusal(one)
            if refusal is not None:
                answers[place] = refusal
            elif one.key in first:
                later.append((place, one))
            else:
                first[one.key] = (place, one)
        batch = list(first.values())
        made = _Batch(session, [one for _, one in batch], at).run()
        answers |= {place: answer for (place, _), answer in zip(batch, made, strict=True)}
        waiting = later
    return [answers[place] for place in range(len(charges))]


def charge(session: Session, one: Charge, *, at: float) -> UsageView:
    """Charge one use.

    Raises:
        NotForSaleError: The listing was withdrawn, quarantined or revoked.
        NotOfferedError: The seller offers no metered use.
        InsufficientCreditsError: The account cannot pay.
    """
    (answer,) = charge_many(session, [one], at=at)
    if isinstance(answer, MarketError):
        raise answer
    return answer


@dataclass(frozen=True, slots=True)
class _Layer:
    """A listing as a batch needs it."""

    goods: Goods
    terms: terms.TermsView
    part: Part


class _Facts:
    """Everything the charges of one batch rest on, asked for once; few questions, however many."""

    def __init__(self, session: Session, charges: Sequence[Charge], at: float) -> None:
        found = goods(session, {one.listing for one in charges})
        bred = {one.digest: one.owner for one in found.values() if one.is_bred}
        shares = shares_of(session, bred)
        self.layers = {
            name: _Layer(one, terms.terms_from(one, one.terms), terms.part_from(one, shares))
            for name, one in found.items()
        }
        pairs = {(principal_of(one.account), one.listing) for one in charges}
        self.rights = rights.best_rights(
            pairs,
            running_rights(session, pairs, at),
            sellers={name: principal_of(one.owner) for name, one in found.items()},
            closed={name for name, layer in self.layers.items() if not layer.terms.subscribable},
        )
        self.known = usages(session, {one.key for one in charges})
        self.requests = _requests(session, list(self.known))


class _Batch:
    """One run of `charge_many` over charges of which no two share a key."""

    def __init__(self, session: Session, charges: Sequence[Charge], at: float) -> None:
        self._session, self._charges, self._at = session, charges, at
        self._facts = _Facts(session, charges, at)
        self._rows: list[bulk.Row] = []

    def run(self) -> list[UsageView | MarketError]:
        answers: list[UsageView | Payment | MarketError] = []
        for one in self._charges:
            try:
                answers.append(self._repeat(one) or self._covered(one) or self._payment(one))
            except MarketError as refusal:
                answers.append(refusal)
        paid = iter(
            self._post(
                [
                    (one, answer)
                    for one, answer in zip(self._charges, answers, strict=True)
                    if isinstance(answer, Payment)
                ]
            )
        )
        found = [next(paid) if isinstance(answer, Payment) else answer for answer in answers]
        self._claim(found)
        bulk.insert(self._session.connection(), _USAGE, self._rows)
        return found

    def _claim(self, answers: list[UsageView | MarketError]) -> None:
        """Note the uses that something else covers; a key that is taken is refused."""
        covered = [
            (place, one, answer)
            for place, (one, answer) in enumerate(zip(self._charges, answers, strict=True))
            if isinstance(answer, UsageView)
            and not answer.replayed
            and answer.covered_by not in (CHARGE, rights.OWN)
        ]
        taken = _requests(self._session, [one.key for _, one, _ in covered])
        claimed: list[bulk.Row] = []
        for place, one, answer in covered:
            if one.key in taken:
                answers[place] = reused(one.key, taken[one.key][0], USAGE)
                continue
            body = canonical_body(_body(one))
            claimed.append((one.key, USAGE, body, self._at, body_hash(body)))
            self._note(one, answer)
        bulk.insert(self._session.connection(), _REQUEST, claimed)

    def _repeat(self, one: Charge) -> UsageView | None:
        """The first answer, when the key took effect before and the request is equal."""
        row = self._facts.known.get(one.key)
        if row is None:
            return None
        canonical = canonical_body(_body(one))
        if self._facts.requests[one.key] != (USAGE, body_hash(canonical)):
            raise reused(one.key, self._facts.requests[one.key][0], USAGE)
        return UsageView(
            row.account,
            row.listing,
            row.units,
            row.amount_nanos,
            row.covered_by,
            row.cover_id,
            row.key,
            row.at,
            replayed=True,
        )

    def _covered(self, one: Charge) -> UsageView | None:
        """The use, when it costs nothing more."""
        refuse_house(one.account, "use layers")
        principal, layer = principal_of(one.account), self._layer(one.listing)
        right = self._facts.rights.get((principal, one.listing))
        if right is None or right.kind == rights.METER:
            return None
        if layer.goods.status in UNUSABLE:
            raise NotForSaleError(
                f"listing {one.listing!r} is {layer.goods.status} and must not be used:"
                " choose another one"
            )
        return self._view(one, 0, right.kind, right.number)

    def _payment(self, one: Charge) -> Payment:
        layer = self._layer(one.listing)
        catalogue.refuse_unsold(one.listing, layer.goods.status)
        rate = terms.offered(layer.terms.use_rate_nanos, one.listing, "by use")
        return Payment(
            way=USAGE,
            payer=one.account,
            principal=principal_of(one.account),
            gross_nanos=terms.cost_nanos(one.units, rate),
            parts=(layer.part,),
            epoch=layer.goods.epoch,
            memo=f"{one.account} uses {one.units} units of {one.listing}",
        )

    def _post(self, bills: Sequence[tuple[Charge, Payment]]) -> list[UsageView | MarketError]:
        if not bills:
            return []
        divisions = [divide(payment.gross_nanos, payment.parts) for _, payment in bills]
        entries = [
            Entry(one.key, USAGE, payment.memo, legs(payment, division), _body(one))
            for (one, payment), division in zip(bills, divisions, strict=True)
        ]
        posted = post_many(self._session, entries, at=self._at)
        answers: list[UsageView | MarketError] = []
        settled = []
        for (one, payment), division, answer in zip(bills, divisions, posted, strict=True):
            if not isinstance(answer, Posted):
                answers.append(answer)
                continue
            number = answer.transfer_id
            settled.append((number, payment, division))
            view = self._view(one, payment.gross_nanos, CHARGE, number)
            self._note(one, view)
            answers.append(view)
        if settled:
            note(self._session, settled, at=self._at)
        return answers

    def _note(self, one: Charge, view: UsageView) -> None:
        self._rows.append(
            (
                one.key,
                one.account,
                principal_of(one.account),
                one.listing,
                one.units,
                view.amount_nanos,
                view.covered_by,
                view.transfer,
                self._at,
            )
        )

    def _view(self, one: Charge, nanos: int, covered_by: str, number: int | None) -> UsageView:
        return UsageView(
            one.account, one.listing, one.units, nanos, covered_by, number, one.key, self._at
        )

    def _layer(self, listing: str) -> _Layer:
        found = self._facts.layers.get(listing)
        if found is None:
            raise catalogue.no_listing(listing)
        return found


def _refusal(one: Charge) -> MarketError | None:
    """What is wrong with a charge by itself."""
    try:
        check_key(one.key)
        check_amount(one.units, "units")
        check_name(one.listing, "listing name")
        check_text(one.account, "account name", min_chars=1)  # what no column holds poisons a batch
    except MarketError as refusal:
        return refusal
    return None


def _requests(session: Session, keys: list[str]) -> dict[str, tuple[str, str]]:
    """Operation and body's hash of each of these keys that is taken."""
    found = bulk.known_requests(session.connection(), keys) if keys else []
    return {key: (operation, hashed) for key, operation, hashed, *_ in found}


def _body(one: Charge) -> dict[str, object]:
    return {"account": one.account, "listing": one.listing, "units": one.units}


def claim_batch(session: Session, charges: Sequence[Charge], *, key: str, at: float) -> None:
    """Let the key belong to these uses, in this order.

    Raises:
        IdempotencyKeyReusedError: It belongs to something else.
    """
    uses = canonical_body({"charges": [asdict(one) for one in charges]})
    body: dict[str, object] = {"n_charges": len(charges), "sha256": body_hash(uses)}
    claim(session, key=key, operation="usage-batch", body=body, at=at)
