"""Which Ed25519 public keys may speak for an account.

First come, first served: whoever opens an account over the wire registers its first key in the
same transaction, with proof of holding the private half. Later keys are added by one that is
already good, or by whoever holds the database. Private keys are never here.

Rows are only added. A revoked key stays known, so that it can never speak again for anybody.

Whether an Ed25519 signature holds, for everything in the market that somebody signs.
"""

import re
from dataclasses import dataclass, field
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import bindparam, exists, func
from sqlmodel import Field, Session, col, select

from genome.shelf.signing import is_weak
from marketplace.database.sql import MarketTable, Statement, ask, put
from marketplace.errors import (
    KeyProofError,
    KeyTakenError,
    LastKeyError,
    NameFormatError,
    UnclaimedAccountError,
)
from marketplace.fields import AccountName, Actor, PublicKey
from marketplace.ledger.account import Account, refuse_house
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import find_account
from marketplace.names import check_name

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


_SPEAKER = Statement(
    select(AccountKey.account).where(
        col(AccountKey.public_key) == bindparam("public_key"),
        ~exists().where(col(KeyRevocation.public_key) == col(AccountKey.public_key)),
    )
)
_N_REVOKED = Statement(select(func.count()).select_from(KeyRevocation))


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


class _Speaking(Operation[KeyView]):
    """Lets a public key speak for an account.

    Raises:
        KeyTakenError: The key speaks or spoke for an account, or the account is somebody's.
        UnclaimedAccountError: The account exists, and never had a key.
    """

    __slots__ = ()
    OPERATION: ClassVar[str] = "register_key"
    FIRST: ClassVar[bool]
    """The key opens the account, which must not exist, or must have this very key."""
    ADOPTS: ClassVar[bool] = False
    """Or may exist without ever having had a key, as in a home's own market."""

    account: str
    public_key: str

    def identity(self, session: Session) -> dict[str, object]:
        """Whose key; the proof proves the same each time."""
        first = self.FIRST
        return {"account": self.account, "public_key": self.public_key, "first": first}

    def do(self, session: Session, at: float) -> None:
        """Register the key, unless it is known."""
        refuse_house(self.account, "have keys")
        if session.get(AccountKey, self.public_key) is not None:
            return
        opens = self.FIRST and session.get(Account, self.account) is None
        if self.FIRST and not opens:
            _refuse_taken(session, self.account, self.public_key, adopts=self.ADOPTS)
        _add(session, self.account, self.public_key, at=at, opens=opens)

    def done(self, session: Session, at: float) -> KeyView:
        """The key, if it speaks for this account now."""
        view = _view(session, session.get_one(AccountKey, self.public_key))
        if view.account != self.account or view.revoked_at is not None:
            raise KeyTakenError(
                f"key {self.public_key[:16]} is already registered: make a new key for"
                f" {self.account!r}"
            )
        return view


@dataclass(frozen=True, slots=True)
class Register(_Speaking):
    """Open an account with its first key, which signs this request.

    Whoever sends this has seen proof that the private half is held.
    """

    FIRST: ClassVar[bool] = True

    account: AccountName
    public_key: PublicKey

    def check(self) -> None:
        """Refuse a name or key that nobody can have."""
        check_name(self.account, "account name")
        check_public_key(self.public_key)


@dataclass(frozen=True, slots=True)
class Adopt(_Speaking):
    """Open an account with a key, or give its first one to an account that never had any.

    For who holds the database: over the wire such an account is nobody's.

    Raises:
        KeyProofError: The key's holder did not agree.
        KeyTakenError: The account or the key is somebody's already.
    """

    FIRST: ClassVar[bool] = True
    ADOPTS: ClassVar[bool] = True

    account: AccountName
    public_key: PublicKey
    proof: str = field(kw_only=True)
    """The key's signature, see `prove_key`."""

    def check(self) -> None:
        """Refuse a name that nobody can have, and a key whose holder did not agree."""
        check_name(self.account, "account name")
        check_proof(self.account, self.public_key, self.proof)


@dataclass(frozen=True, slots=True)
class AddKey(_Speaking):
    """Let one more key speak for the account, or for a mandate of it.

    Raises:
        KeyProofError: The new key's holder did not agree.
        KeyTakenError: The key is registered already, or the account has too many.
    """

    FIRST: ClassVar[bool] = False

    account: Actor
    public_key: PublicKey
    proof: str = field(kw_only=True)
    """The new key's signature over the key statement, 128 hex digits; see `prove_key`."""

    def check(self) -> None:
        """Refuse a key whose holder did not agree."""
        check_proof(self.account, self.public_key, self.proof)


@dataclass(frozen=True, slots=True)
class RevokeKey(Operation[KeyView]):
    """Take a key's voice for good; the last one stays.

    Raises:
        KeyTakenError: The account has no such key.
        LastKeyError: It is the only good key, and the account no mandate, for which its owner's
            keys speak too.
    """

    OPERATION: ClassVar[str] = "revoke_key"

    account: Actor
    public_key: PublicKey

    def check(self) -> None:
        """Refuse what is no key."""
        check_public_key(self.public_key)

    def do(self, session: Session, at: float) -> None:
        """Revoke it, unless it was."""
        if self.done(session, at).revoked_at is not None:
            return
        account, public_key = self.account, self.public_key
        is_last = len(good_keys(session, account)) == 1
        if is_last and find_account(session, account).owner is None:
            raise LastKeyError(
                f"key {public_key[:16]} is the only one of {account!r}, which would be lost:"
                " add another key first"
            )
        put(session, KeyRevocation(public_key=public_key, revoked_at=at))

    def done(self, session: Session, at: float) -> KeyView:
        """The key as it is now."""
        known = session.get(AccountKey, self.public_key)
        if known is None or known.account != self.account:
            raise KeyTakenError(
                f"account {self.account!r} has no key {self.public_key[:16]}: list its keys"
            )
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


def _add(session: Session, account: str, public_key: str, *, at: float, opens: bool) -> None:
    if opens:
        put(session, Account(name=account, opened_at=at))
    find_account(session, account)  # raises when there is none
    if len(good_keys(session, account)) >= MAX_KEYS:
        raise KeyTakenError(f"account {account!r} has {MAX_KEYS} keys, the most: revoke one first")
    put(session, AccountKey(public_key=public_key, account=account, added_at=at))


def _view(session: Session, row: AccountKey) -> KeyView:
    revocation = session.get(KeyRevocation, row.public_key)
    revoked_at = None if revocation is None else revocation.revoked_at
    return KeyView(row.public_key, row.account, row.added_at, revoked_at)


def is_signed(public_key: str, signature: str, message: bytes) -> bool:
    """Whether the key signed the message; False also for what is no key or no signature.

    A weak key signs nothing: everybody can sign with it.

    Args:
        public_key: 64 hex digits.
        signature: 128 hex digits.
    """
    from cryptography.exceptions import InvalidSignature  # slow to import and rarely needed
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        if is_weak(public_key):
            return False
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
