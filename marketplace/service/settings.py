"""What a service may be told, with defaults that suit one team."""

from dataclasses import dataclass, field
from pathlib import Path

from marketplace.ledger.keyring import PrivateKey


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many requests per window, all at once if they like."""

    quota: int
    window_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What may be open and unfinished at the same time, and for how long."""

    most: int = 1000
    """Connections, if the system grants so many descriptors."""
    most_per_peer: int = 64
    """Connections of one address, or forwarded for it, that wait for their client and are not a
    member's."""
    most_bytes: int = 64 << 20
    """Bodies that strangers have announced and not sent to the end, together."""
    max_head_bytes: int = 64 << 10
    """Address and headers of one request."""
    head_s: float = 10.0
    """To send a head, from the connection or the head's first byte."""
    stall_s: float = 20.0
    """Between two parts of a body."""
    body_s: float = 60.0
    """To send a body that is no layer's file."""
    read_s: float = 60.0
    """To take a part of an answer."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How one service is reached, whom it obeys and what it refuses."""

    origins: tuple[str, ...] = ("http://127.0.0.1:8080", "http://localhost:8080")
    """Scheme and authority that clients sign, such as https://market.example. A request signed for
    another service, replayed here under its name, is refused."""
    operators: frozenset[str] = frozenset()
    """Public keys (hex) that may grant credits and close epochs."""
    layers: Path | None = None
    """Folder of uploaded layers; None = the service keeps none and publishes without files."""
    must_be_signed: bool = False
    """Refuse layers without a signed manifest."""
    signing_key: PrivateKey | None = field(default=None, repr=False)
    """Signs the list of revocations; clients keep its public half, so it must stay the same. None =
    there is no list."""
    cursor_secret: bytes = field(default=b"", repr=False)
    """Signs page cursors; empty = a new one per start, which ends running lists at a restart."""
    max_validity_s: int = 60
    """Longest time between `created` and `expires` of a signature."""
    clock_skew_s: int = 5
    """How far a client's clock may be ahead."""
    max_body_bytes: int = 1 << 20
    """Of every body but a layer's files."""
    max_layer_bytes: int = 1 << 30
    """Of a layer's weights file."""
    max_uploads: int = 4
    """Unfinished uploads that one account may have."""
    max_unlisted_bytes: int = 4 << 30
    """Of layers that one account, mandates included, has uploaded and not listed."""
    upload_rests_s: float = 86_400.0
    """How long an upload may rest, unfinished or not listed, before it is removed."""
    signed: RateLimit = RateLimit(6000)
    """Per public key."""
    unsigned: RateLimit = RateLimit(600)
    """Per peer address: requests without a signature, with a bad one, or by an unknown key."""
    registrations: RateLimit = RateLimit(100, 3600.0)
    """Per peer address: attempts to open an account."""
    connections: ConnectionLimits = ConnectionLimits()
    change_threads: int = 64
    """Changes that wait for the writer together; what is committed as one group."""
    read_threads: int = 8
    stop_timeout_s: float = 30.0
    """How long a stopping service waits for what it has begun."""
