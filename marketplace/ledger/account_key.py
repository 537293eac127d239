"""Which Ed25519 public keys may speak for an account.

First come, first served: whoever opens an account over the wire registers its first key in the
same transaction, with proof of holding the private half. Later keys are added by one that is
already good, or by whoever holds the database. Private keys are never here.

Rows are only added. A revoked key stays known, so that it can never speak again for anybody.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import bindparam, exists, func
from sqlmodel import Field, Session, col, select

from genome.shelf.signing import is_weak
from marketplace.database.statement import Question, ask
from marketplace.database.tables import MarketTable
from marketplace.errors import (
    KeyProofError,
    KeyTakenError,
    LastKeyError,
    NameFormatError,
    UnclaimedAccountError,
)
from marketplace.ledger.account import Account, refuse_house
from marketplace.ledger.idempotency import claim
from marketplace.ledger.signatures import is_signed
from marketplace.ledger.statement import find_account

MAX_KEYS = 16
"""Good keys of one account: more are a sign of a client that registers in a loop."""
_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")


class AccountKey(MarketTable, table=True):
    """One public key that was registered for an account."""

    __tablename__: ClassVar[str] = "account_key"

    public_key: str = Field(primary_key=True)
    """Raw Ed25519 public key, 64 hex digits."""
    account: str = Field(foreign_key="account.name", index=True)
    added_at: float


class KeyRevocation(MarketTable, table=True):
    """A public key that no longer speaks for anybody."""

    __tablename__: ClassVar[str] = "key_revocation"

    public_key: str = Field(primary_key=True, foreign_key="account_key.public_key")
    revoked_at: float


_SPEAKER = Question(
    select(AccountKey.account).where(
        col(AccountKey.public_key) == bindparam("public_key"),
        ~exists().where(col(KeyRevocation.public_key) == col(AccountKey.public_key)),
    )
)
_N_REVOKED = Question(select(func.count()).select_from(KeyRevocation))


@dataclass(frozen=True, slots=True)
class KeyView:
    """A registered key as its account sees it."""

    public_key: str
    account: str
    added_at: float
    revoked_at: float | None


def check_public_key(value: object) -> str:
    """The value itself, when it is 64 lower-case hex digits and a key that one person can have.

    Raises:
        NameFormatError: It is anything else.
    """
    if isinstance(value, str) and _PUBLIC_KEY.fullmatch(value):
        if is_weak(value):
            raise NameFormatError(
                f"with public_key {value[:16]} (a point of small order) anybody can sign: make"
                " another key with `continuum market open ACCOUNT`"
            )
        return value
    raise NameFormatError(
        "public_key must be 64 lower-case hex digits, the raw Ed25519 key: run `continuum market"
        " keys`"
    )


def key_statement(account: str, public_key: str) -> bytes:
    """What a new key signs to prove that its private half wants to speak for the account."""
    return f"continuum-account-key-v1\n{account}\n{public_key}".encode()


def prove_key(private_key: Ed25519PrivateKey, account: str) -> str:
    """The proof of possession, 128 hex digits, for `add_key`."""
    public_key = private_key.public_key().public_bytes_raw().hex()
    return private_key.sign(key_statement(account, public_key)).hex()


def check_proof(account: str, public_key: str, proof: object) -> None:
    """Refuse a key whose holder did not ask for this account.

    Raises:
        KeyProofError: The proof is not the new key's signature over `key_statement`.
    """
    is_text = isinstance(proof, str) and _SIGNATURE.fullmatch(proof) is not None
    statement = key_statement(account, public_key)
    if not is_text or not is_signed(check_public_key(public_key), str(proof), statement):
        raise KeyProofError(
            f"the proof for key {public_key[:16]} is not its signature over the statement for"
            f" account {account!r}: sign `key_statement` with the new key"
        )


def register_key(
    session: Session,
    *,
    account: str,
    public_key: str,
    key: str,
    at: float,
    first: bool,
    adopts: bool = False,
) -> KeyView:
    """Let a public key speak for an account, once per idempotency key.

    Args:
        first: The key opens the account, which must not exist, or must have this very key.
        adopts: Or may exist without ever having had a key, as in a home's own market.

    Raises:
        KeyTakenError: The key speaks or spoke for an account, or the account is somebody's.
        UnclaimedAccountError: The account never had a key, and `adopts` was not asked for.
    """
    refuse_house(account, "have keys")
    body: dict[str, object] = {"account": account, "public_key": public_key, "first": first}
    is_new = claim(session, key=key, operation="register_key", body=body, at=at)
    known = session.get(AccountKey, public_key)
    if known is not None and known.account == account:
        view = _view(session, known)
        if view.revoked_at is None:
            return view
    if known is not None:
        raise KeyTakenError(
            f"key {public_key[:16]} is already registered: make a new key for {account!r}"
        )
    assert is_new, f"idempotency key {key!r} was claimed by a registration that left no row"
    opens = first and session.get(Account, account) is None
    if first and not opens:
        _refuse_taken(session, account, public_key, adopts=adopts)
    return _add(session, account, public_key, at=at, opens=opens)


def revoke_key(session: Session, *, account: str, public_key: str, key: str, at: float) -> KeyView:
    """Take a key's voice for good, once per idempotency key.

    Raises:
        KeyTakenError: The account has no such key.
        LastKeyError: It is the only good key, and the account no mandate, for which its owner's
            keys speak too.
    """
    body: dict[str, object] = {"account": account, "public_key": public_key}
    claim(session, key=key, operation="revoke_key", body=body, at=at)
    known = session.get(AccountKey, public_key)
    if known is None or known.account != account:
        raise KeyTakenError(f"account {account!r} has no key {public_key[:16]}: list its keys")
    if session.get(KeyRevocation, public_key) is None:
        is_last = len(good_keys(session, account)) == 1
        if is_last and find_account(session, account).owner is None:
            raise LastKeyError(
                f"key {public_key[:16]} is the only one of {account!r}, which would be lost:"
                " add another key first"
            )
        session.add(KeyRevocation(public_key=public_key, revoked_at=at))
        session.flush()
    return _view(session, known)


def keys_of(session: Session, account: str) -> list[KeyView]:
    """Every key the account ever had, oldest first."""
    query = select(AccountKey).where(AccountKey.account == account)
    ordered = query.order_by(col(AccountKey.added_at), col(AccountKey.public_key))
    return [_view(session, row) for row in session.exec(ordered)]


def good_keys(session: Session, account: str) -> list[KeyView]:
    """The account's keys that are not revoked."""
    return [view for view in keys_of(session, account) if view.revoked_at is None]


def speaker(session: Session, public_key: str) -> str | None:
    """The account a key speaks for now; None for an unknown or revoked key."""
    found = ask(session, _SPEAKER, public_key=public_key)
    return str(found[0][0]) if found else None


def n_revoked_keys(session: Session) -> int:
    """How many keys were revoked so far."""
    return int(ask(session, _N_REVOKED)[0][0])


def _refuse_taken(session: Session, account: str, public_key: str, *, adopts: bool) -> None:
    if keys_of(session, account):
        raise KeyTakenError(
            f"account {account!r} exists: sign with one of its keys, or choose another name"
        )
    if not adopts:
        raise UnclaimedAccountError(
            f"account {account!r} was opened by the market's operator and has no key: whoever holds"
            f" the database gives it to yours, by `continuum market open {account} --public"
            f" {public_key} --proof PROOF`, or choose another name"
        )


def _add(session: Session, account: str, public_key: str, *, at: float, opens: bool) -> KeyView:
    if opens:
        session.add(Account(name=account, opened_at=at))
        session.flush()
    find_account(session, account)  # raises when there is none
    if len(good_keys(session, account)) >= MAX_KEYS:
        raise KeyTakenError(f"account {account!r} has {MAX_KEYS} keys, the most: revoke one first")
    row = AccountKey(public_key=public_key, account=account, added_at=at)
    session.add(row)
    session.flush()
    return _view(session, row)


def _view(session: Session, row: AccountKey) -> KeyView:
    revocation = session.get(KeyRevocation, row.public_key)
    revoked_at = None if revocation is None else revocation.revoked_at
    return KeyView(row.public_key, row.account, row.added_at, revoked_at)
