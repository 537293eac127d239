"""Promises of marketplace.ledger.chain."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from marketplace.errors import HeadError
from marketplace.ledger.chain import (
    GENESIS,
    PAYLOAD_TYPE,
    Head,
    SignedHead,
    check_head,
    link,
    postings_text,
    sign_head,
)
from tests.support.market import make_market

ROW = (7, 1.5, "sale", "ada buys sort", "key", None, None, None)
legs = st.lists(st.tuples(st.text(max_size=8), st.integers(-(2**63), 2**63 - 1), st.booleans()))


def test_the_head_names_the_last_transfer_and_the_last_event() -> None:
    """An empty journal has the genesis hash; every transfer and every other row move the head."""
    market = make_market()
    empty = market.head()
    assert (empty.seq, empty.hash, empty.at, empty.event) == (0, GENESIS, 0.0, 1)
    market.open_account("ada")
    opened = market.head()
    assert (opened.seq, opened.event) == (0, 2)
    assert opened.event_hash not in (empty.event_hash, GENESIS)
    heads = []
    for number in range(1, 4):
        market.fund("ada", 1, key=f"fund-{number}")
        heads.append(market.head())
    assert [head.seq for head in heads] == [1, 2, 3]
    assert len({head.hash for head in heads}) == 3


@given(legs=legs)
def test_postings_are_written_as_json(legs: list[tuple[str, int, bool]]) -> None:
    """So that any other program can make the same bytes."""
    text = postings_text(legs)
    assert json.loads(text) == [list(leg) for leg in legs]
    assert text == json.dumps(legs, separators=(",", ":"))


@given(one=legs, other=legs)
def test_different_postings_have_different_hashes(
    one: list[tuple[str, int, bool]], other: list[tuple[str, int, bool]]
) -> None:
    """Equal hashes only for equal postings."""
    hashes = [link(GENESIS, ROW, "buy", "", postings_text(some)) for some in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)


@pytest.mark.parametrize("place", range(len(ROW)))
def test_every_field_is_under_the_hash(place: int) -> None:
    """Also the ones that are often empty."""
    other = (*ROW[:place], {0: 8, 1: 2.5, 6: 3, 7: 9.0}.get(place, "x"), *ROW[place + 1 :])
    assert link(GENESIS, other, "buy", "h", "[]") != link(GENESIS, ROW, "buy", "h", "[]")
    assert link("1" * 64, ROW, "buy", "h", "[]") != link(GENESIS, ROW, "buy", "h", "[]")
    assert link(GENESIS, ROW, "buy", "g", "[]") != link(GENESIS, ROW, "buy", "h", "[]")
    assert link(GENESIS, ROW, "sell", "h", "[]") != link(GENESIS, ROW, "buy", "h", "[]")


def test_a_signed_head_comes_back_from_its_file() -> None:
    """What was signed is what is checked, also against the key one expects."""
    key = Ed25519PrivateKey.generate()
    head = Head(3, "ab" * 32, 1.25, 9, "cd" * 32)
    read = SignedHead.from_json(sign_head(head, key).to_json())
    assert check_head(read, ["00" * 32, read.public_key]) == head


def test_a_head_of_an_earlier_version_is_still_good() -> None:
    """Its signature does not cover an event, so it vouches for the journal and for no event."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    payload = f'{{"at":1.25,"hash":"{"ab" * 32}","seq":3}}'
    envelope = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} {payload}"
    kept = {
        "head": json.loads(payload),
        "public_key": key.public_key().public_bytes_raw().hex(),
        "signature": key.sign(envelope.encode()).hex(),
    }
    read = SignedHead.from_json(json.dumps(kept))
    assert check_head(read, [read.public_key]) == Head(3, "ab" * 32, 1.25)


def test_a_changed_head_is_refused() -> None:
    """Another number, hash, time, event or signature; leaving the event out is a change too."""
    head = Head(3, "ab" * 32, 1.25, 9, "cd" * 32)
    signed = sign_head(head, Ed25519PrivateKey.generate())
    for changes in (
        {"seq": 4},
        {"hash": "ac" * 32},
        {"at": 1.5},
        {"event": 8},
        {"event_hash": "ce" * 32},
        {"event": None, "event_hash": None},
    ):
        with pytest.raises(HeadError, match="does not fit"):
            check_head(replace(signed, head=replace(head, **changes)), [signed.public_key])
    with pytest.raises(HeadError, match="does not fit"):
        check_head(replace(signed, signature="00"), [signed.public_key])


@pytest.mark.parametrize("signers", [(), ("00" * 32,)])
def test_a_head_of_an_unknown_signer_is_refused(signers: tuple[str, ...]) -> None:
    """Whoever rewrites a market can sign the head that fits it: its own key proves nothing."""
    signed = sign_head(Head(3, "ab" * 32, 1.25), Ed25519PrivateKey.generate())
    with pytest.raises(HeadError, match=r"\Aa head must be signed by a key that is known[^\n]*\Z"):
        check_head(signed, signers)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"head": {"seq": "x"}}', "nonsense", "[" * 9999])
def test_what_is_no_head_file_is_refused(text: str) -> None:
    """One line that says so, whatever the file holds."""
    with pytest.raises(HeadError, match=r"\Athis is no signed head[^\n]*\Z"):
        SignedHead.from_json(text)
