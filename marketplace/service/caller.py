"""Who is asking, and whether they may: dependencies of the routes.

Signed    a good signature of a registered, unrevoked key
Anyone    the same, or no signature at all
Changing  Signed with an Idempotency-Key, for everything that changes something
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from marketplace.errors import TradeNotFoundError
from marketplace.service.problems import ProblemError
from marketplace.service.rates import SEAT, Allowance
from marketplace.service.signature import (
    CHALLENGE,
    PUBLIC_KEY,
    HeaderLines,
    Proof,
    SignedMessage,
    check_body,
    check_signature,
)
from marketplace.service.state import Service, service_of

T = TypeVar("T")
BODY_STREAMED = "continuum.body_streamed"
"""In the scope of a request whose handler hashes the body itself, while it arrives."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever signed the request."""

    account: str | None
    """The account the key speaks for; None for a key that only registers or operates."""
    proof: Proof
    operator: bool

    def may_be(self, account: str) -> bool:
        """Whether the caller speaks for the account: its own, or a mandate it gave."""
        return self.account is not None and (
            account == self.account or account.startswith(f"{self.account}/")
        )

    def must_be(self, account: str) -> str:
        """The account, when the caller speaks for it.

        The refusal is the same whether the account exists or not.

        Raises:
            ProblemError: forbidden.
        """
        if not self.may_be(account):
            raise ProblemError(
                "forbidden", f"the signing key does not speak for {account!r}: sign with its key"
            )
        return account

    def must_see(self, account: str, what: str) -> None:
        """Refuse who does not speak for an agreement's account, as if there were no agreement.

        Args:
            what: Its kind and number, such as `meter 7`.

        Raises:
            TradeNotFoundError: The caller does not speak for the account.
        """
        if not self.may_be(account):
            raise TradeNotFoundError(f"{what} does not exist: open one first")

    def must_operate(self) -> None:
        """Refuse everybody but the operators.

        Raises:
            ProblemError: operator-only.
        """
        if not self.operator:
            raise ProblemError(
                "operator-only", "the signing key is not an operator's: ask one of them"
            )

    @property
    def name(self) -> str:
        """The account's name, or for a key without one, its public key."""
        return self.account or self.proof.public_key

    @property
    def namespace(self) -> str:
        """What stands before the caller's idempotency keys, and before nobody else's.

        An account may be named like somebody's public key; `=` is in no name.
        """
        if self.account is not None and PUBLIC_KEY.fullmatch(self.account):
            return f"account={self.account}:"
        return f"{self.name}:"


async def proven(request: Request) -> Proof:
    """The proof of whoever signed; used once, within the rate limit, with an unchanged body.

    Raises:
        ProblemError: signature-*, wrong-host, rate-limited, digest-mismatch.
    """
    service = service_of(request)
    now = service.clock()
    try:  # whatever others did at this address: a member's signature is worth looking at
        proof = _checked(request, service, now)
    except ProblemError:
        _within(service.unsigned_rates.take(peer_of(request), now), request)
        raise
    _within(service.signed_rates.take(proof.public_key, now), request)
    if not request.scope.get(BODY_STREAMED):
        check_body(proof.digest, await request.body())
    request.state.public_key = proof.public_key[:16]
    return proof


async def signed_by_any(request: Request) -> Caller:
    """The caller, whose key may be new: it proves only that it is held.

    Keys cost nothing to make, so an unknown one has no quota of its own: its peer's counts.

    Raises:
        ProblemError: As `proven`.
    """
    proof, service = await proven(request), service_of(request)
    now = service.clock()
    account = await service.speakers.account(proof.public_key, now)
    request.state.account = account
    caller = Caller(account, proof, proof.public_key in service.settings.operators)
    if account is None and not caller.operator:
        _within(service.unsigned_rates.take(peer_of(request), now), request)
    elif (seat := request.scope.get(SEAT)) is not None:
        seat.known = True
    return caller


async def signed(request: Request) -> Caller:
    """The caller, whose key is registered or an operator's.

    Raises:
        ProblemError: key-unknown, or as `proven`.
    """
    caller = await signed_by_any(request)
    if caller.account is None and not caller.operator:
        raise ProblemError(
            "key-unknown",
            f"key {caller.proof.public_key[:16]} is registered for no account, or revoked:"
            " register it with PUT /v1/accounts/NAME",
            CHALLENGE,
        )
    return caller


async def anyone(request: Request) -> Caller | None:
    """The caller, if the request is signed; nobody otherwise.

    Raises:
        ProblemError: As `signed`, or rate-limited.
    """
    if "signature" in request.headers or "signature-input" in request.headers:
        return await signed(request)
    service = service_of(request)
    _within(service.unsigned_rates.take(peer_of(request), service.clock()), request)
    return None


Signed = Annotated[Caller, Depends(signed)]
Anyone = Annotated[Caller | None, Depends(anyone)]


def within_registrations(request: Request) -> None:
    """Count an attempt to open an account.

    Raises:
        ProblemError: rate-limited.
    """
    service = service_of(request)
    taken = service.registration_rates.take(peer_of(request), service.clock())
    _within(taken, request)


def peer_of(request: Request) -> str:
    """The address the request came from; of IPv6 the network, whose addresses one host has."""
    return peer_name(request.client.host if request.client else "unknown")


def peer_name(host: str) -> str:
    """What an address counts as: itself, or its IPv6 network."""
    return _network(host) if ":" in host else host


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    try:
        address = IPv6Address(host)
    except ValueError:
        return host
    inside = address.ipv4_mapped
    return str(inside or IPv6Network((int(address), 64), strict=False))


def _checked(request: Request, service: Service, now: float) -> Proof:
    settings = service.settings
    headers = HeaderLines(
        (k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw
    )
    message = SignedMessage(request.method, _target(request, settings.origins), headers)
    has_body = headers.get("content-length") not in (None, "0") or "chunked" in (
        headers.get("transfer-encoding") or ""
    )
    proof = check_signature(
        message,
        has_body=has_body,
        now=now,
        max_validity_s=settings.max_validity_s,
        skew_s=settings.clock_skew_s,
    )
    fresh = proof.created >= int(service.started_at) and service.nonces.take(
        proof.public_key, proof.nonce, until=proof.expires + 1.0, now=now
    )
    if not fresh:
        raise ProblemError(
            "signature-replayed",
            "this nonce was used before, or the signature is older than this service: sign again",
            CHALLENGE,
        )
    return proof


def _target(request: Request, origins: tuple[str, ...]) -> str:
    """The address as it was signed, under one of the names this service answers to."""
    host = request.headers.get("host", "")
    origin = next((o for o in origins if o.partition("://")[2] == host), None)
    if origin is None:
        raise ProblemError(
            "wrong-host", "this service is not known under that name: use its public address"
        )
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope.get("query_string", b"")
    return origin + path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")


def _within(allowance: Allowance, request: Request) -> None:
    """Note the allowance for the answer's headers.

    Raises:
        ProblemError: rate-limited.
    """
    request.state.allowance = allowance
    if not allowance.allowed:
        raise ProblemError(
            "rate-limited",
            f"{allowance.limit.quota} requests per {allowance.limit.window_s:.0f} s are allowed:"
            f" wait {allowance.wait_s:.1f} s",
        )
