"""What must no longer be used: every market's list, kept in the home and asked before use.

    HOME/revocations.json   address of a market -> whose signature, newest number, what it revoked
    HOME/origins.json       digest of a layer -> addresses of the markets it came from

A list binds the layers that came from its market, and the home's own market binds all: else any
market that somebody once looked at could take away what he made himself or bought elsewhere.

A service's list is signed; the key is kept when it is first seen, and another one is refused from
then on, as is a list older than one that was seen. Revocations are never undone, so what is kept
holds for who is offline, too, however old it is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genome.files import write_json
from marketplace.client import is_remote
from marketplace.errors import ProvenanceError
from marketplace.front import MarketLike
from marketplace.market import Market
from marketplace.trade.moderation import RevocationList, check_revocations, stated_signer

FILE = "revocations.json"
ORIGINS = "origins.json"
DATABASE = "the market's database"


@dataclass(frozen=True, slots=True)
class Kept:
    """What one market revoked, as it was last seen."""

    public_key: str
    """Whose signature is believed; empty for a database, which needs none."""
    number: int
    layers: Mapping[str, str]
    """Digest -> reason."""
    keys: Mapping[str, str]


def refresh(market: MarketLike, home: Path, *, now: float | None = None) -> RevocationList:
    """The market's newest list, checked, and kept in the home if it revokes anything.

    Raises:
        ProvenanceError: It is not signed by the key that was seen first, has expired, or is older
            than the one that was seen last.
        MarketError: The market has no list, or cannot be reached.
    """
    everything = kept(home)
    address = address_of(market, home)
    if is_remote(market):
        data = market.revocations()
        seen = everything.get(address) or Kept(stated_signer(data), 0, {}, {})
        listed = check_revocations(
            data,
            public_key=seen.public_key,
            seen_number=seen.number,
            now=time.time() if now is None else now,
        )
        signer = seen.public_key
    else:
        assert isinstance(market, Market)
        signer, listed = "", market.revocation_list()
    newest = Kept(signer, listed.number, dict(listed.layers), dict(listed.keys))
    if everything.get(address) != newest and (signer or listed.number):
        everything[address] = newest
        home.mkdir(parents=True, exist_ok=True)
        write_json(home / FILE, {name: asdict(one) for name, one in everything.items()})
    return listed


def kept(home: Path) -> dict[str, Kept]:
    """What this home knows, by market.

    Raises:
        ProvenanceError: Its file cannot be read.
    """
    return {name: Kept(**facts) for name, facts in _read(home / FILE).items()}


def address_of(market: MarketLike, home: Path) -> str:
    """What a market is called in a home's files."""
    if is_remote(market):
        return market.url
    assert isinstance(market, Market)
    path = market.place.path
    own = path is None or path.parent.resolve() == home.resolve()
    return DATABASE if own else str(market.place)


def note_origin(home: Path, digest: str, market: MarketLike) -> None:
    """Remember that a layer came from a market, whose revocations bind it from now on."""
    known = _read(home / ORIGINS)
    known[digest] = sorted({*known.get(digest, ()), address_of(market, home)})
    home.mkdir(parents=True, exist_ok=True)
    write_json(home / ORIGINS, known)


def origins_of(home: Path, digest: str) -> list[str]:
    """Addresses of the services that a layer came from."""
    return [market for market in _read(home / ORIGINS).get(digest, ()) if market != DATABASE]


def refuse_revoked(home: Path, digests: Iterable[str], *, market: MarketLike | None = None) -> None:
    """Let layers be used, unless a market that one came from, or the home's own, revoked it.

    Args:
        market: Where they are about to come from.

    Raises:
        ProvenanceError: layer_revoked.
    """
    known = kept(home)
    origins = _read(home / ORIGINS) if known else {}
    binding = {DATABASE} if market is None else {DATABASE, address_of(market, home)}
    for digest in digests:
        for address, one in known.items():
            if digest in one.layers and address in binding | {*origins.get(digest, ())}:
                raise ProvenanceError(
                    f"layer {digest[:12]} must not be used any more: {address} revoked it"
                    f" ({one.layers[digest] or 'no reason given'}): use another layer",
                    "layer_revoked",
                )


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(one, dict | list) for one in found.values()):
            raise ValueError("neither facts nor addresses")
        if path.name == FILE:
            for facts in found.values():
                Kept(**facts)
        return found
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ProvenanceError(
            f"{path} is spoilt: remove it, then run `continuum market revocations` to know what was"
            " revoked, and fetch layers again to know where they came from",
            "revocations_unreadable",
        ) from None
