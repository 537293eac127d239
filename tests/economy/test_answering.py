"""A persona assembles itself for a message, and knows how sure it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from economy.answering import UNKNOWN, Answering, HomeMinds
from economy.revocations import DATABASE, FILE, Kept
from genome.base_model import BaseModel
from genome.library import Library
from genome.search.question_encoder import QuestionEncoder
from genome.shelf.manifest import Manifest
from genome.shelf.receipt import Receipt
from persona.errors import PersonaError
from persona.persona import Persona, PersonaStore
from persona.room.log import RoomLog
from persona.room.room import Room
from persona.room.thought_stream import Event, Rules
from tests.support.genome import random_layer

SORT, UPPER = [f"sort: {a} 3 1" for a in range(8)], [f"upper: a{a}" for a in "bcdefghi"]


@pytest.fixture
def answering(tmp_path: Path, embedded: BaseModel) -> Iterator[Answering]:
    """A home with two layers that search knows, one a persona's own, and one that retrieves."""
    library, encoder = Library.open(tmp_path), QuestionEncoder.fit(embedded, SORT + UPPER)
    library.save_encoder(encoder)
    store, own = PersonaStore(tmp_path), embedded.fingerprint
    for seed, (name, texts, n_correct) in enumerate((("sorter", SORT, 9), ("upper", UPPER, 6))):
        layer = random_layer(embedded.model, own, scale=0.1, seed=seed)
        receipt = Receipt("sort", 10, n_correct, 2)
        digest = library.add(layer, Manifest(name, own, receipts=(receipt,)))
        library.set_vector(digest, encoder.encode(texts).mean(0), n_results=8)
        store.create(Persona(name, own, (digest,)))
    store.create(Persona("helper", own, retrieves=True))
    with closing(Answering(tmp_path)) as answering:
        yield answering


def test_the_layer_that_is_sure_is_taken_up_for_one_message(answering: Answering) -> None:
    store = PersonaStore(answering.home)
    helper = store.load("helper")
    for message, name in (("sort: 9 3 1", "sorter"), ("upper: xy", "upper")):
        _, genome, found = answering.assembled(helper, message)
        assert found is not None and found.manifest.name == name
        assert [layer.digest for layer in genome.layers] == [*store.load(name).layers]
    sorter = replace(store.load("sorter"), retrieves=True)
    _, genome, _ = answering.assembled(sorter, "sort: 9 3 1")
    assert [layer.digest for layer in genome.layers] == [*sorter.layers]
    _, genome, found = answering.assembled(store.load("sorter"), "upper: xy")
    assert found is None and len(genome.layers) == 1


def test_a_layer_that_was_revoked_is_not_taken_up(answering: Answering) -> None:
    (digest,) = PersonaStore(answering.home).load("sorter").layers
    revoked = {DATABASE: asdict(Kept("", 1, {digest: "stolen"}, {}))}
    (answering.home / FILE).write_text(json.dumps(revoked))
    helper = PersonaStore(answering.home).load("helper")
    _, genome, found = answering.assembled(helper, "sort: 9 3 1")
    assert digest not in {layer.digest for layer in genome.layers}
    assert found is None or found.digest != digest
    with pytest.raises(PersonaError, match="stolen"):
        HomeMinds(answering).begin("sorter", [{"role": "user", "content": "sort: 9 3 1"}], 0)


def test_who_was_proven_able_is_surer(answering: Answering) -> None:
    minds = HomeMinds(answering)
    own, other = minds.bid("sorter", "sort: 9 3 1"), minds.bid("upper", "sort: 9 3 1")
    assert own.confidence == pytest.approx(0.9) and other.confidence <= 0.6
    assert other.relevance < own.relevance <= 1
    assert minds.bid("helper", "sort: 9 3 1") == own


def test_what_answers_were_worth_changes_how_sure_one_is(answering: Answering) -> None:
    minds, log = HomeMinds(answering), RoomLog(answering.home)
    before = minds.bid("sorter", "sort: 9 3 1")
    log.create("lab", Rules())
    log.join("lab", "me", human=True)
    log.join("lab", "sorter", human=False)
    room = Room(log, "lab", minds)
    for _ in range(12):
        answers = [
            what for what in room.say("me", "@sorter sort: 9 3 1") if isinstance(what, Event)
        ]
        log.judge("lab", answers[-1].number, right=False)
    after = minds.bid("sorter", "sort: 9 3 1")
    assert after.own == before.own == pytest.approx(0.9)
    assert after.confidence < 0.4 < before.confidence
    assert {o.confidence for o in log.outcomes()} == {before.own}
    assert len(log.outcomes()) > 6


def test_of_whom_nothing_is_known_speaks_when_asked_only(
    tmp_path: Path, embedded: BaseModel
) -> None:
    PersonaStore(tmp_path).create(Persona("ada", embedded.fingerprint))
    with closing(Answering(tmp_path)) as answering:
        assert HomeMinds(answering).bid("ada", "hello") == UNKNOWN._replace(own=0.4)
    assert UNKNOWN.confidence < 0.5


def test_what_was_said_first_is_left_out_where_there_is_no_room(answering: Answering) -> None:
    turns = [
        {"role": role, "content": f"{i} " + "x" * 20}
        for i in range(9)
        for role in ("user", "assistant")
    ]
    turns.append({"role": "user", "content": "sort: 9 3 1"})
    with closing(HomeMinds(answering).begin("sorter", turns, 0)) as answer:
        assert "".join(what.text for what in answer)
