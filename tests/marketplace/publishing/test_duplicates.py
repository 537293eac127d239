"""Promises of marketplace.publishing.duplicates, on SQLite and PostgreSQL."""

import threading
from typing import Any

import numpy as np
import pytest

from marketplace.errors import NearDuplicateError
from marketplace.market import Market
from marketplace.receipt import ReceiptFacts
from marketplace.similarity import SKETCH_NUMBERS

RNG = np.random.default_rng(0)
ONE = RNG.standard_normal(SKETCH_NUMBERS)


def sketch(noise: float = 0.0, of: np.ndarray = ONE) -> bytes:
    """A sketch at about this distance from the first one."""
    moved = of + noise * np.linalg.norm(of) * RNG.standard_normal(SKETCH_NUMBERS) / 8
    return bytes((moved / np.linalg.norm(moved)).astype("<f4").tobytes())


def facts(n_correct: int) -> ReceiptFacts:
    """A result of 400 questions."""
    return ReceiptFacts(skill="sorting", n_questions=400, n_correct=n_correct, n_base_correct=100)


def test_a_copy_with_noise_must_name_its_original(market: Market, publish: Any) -> None:
    """Unlinked it is refused; as a fork it is sold, marked, and never ranks first."""
    publish("bob", "root", sketch=sketch())
    with pytest.raises(NearDuplicateError, match=r"'root'.*cosine 0\.99.*as a fork"):
        publish("ada", "copy", sketch=sketch(0.05))
    copy = publish("ada", "copy", sketch=sketch(0.05), parents=("root",))
    assert copy.near_of == "root"
    assert [view.name for view in market.search().listings] == ["root", "copy"]


def test_an_unrelated_layer_is_free(publish: Any) -> None:
    """Also one whose sketch is unknown, and the same sketch for another base model."""
    publish("bob", "root", sketch=sketch())
    other = publish("ada", "other", sketch=sketch(of=RNG.standard_normal(SKETCH_NUMBERS)))
    assert other.near_of is None
    assert publish("ada", "unknown").near_of is None
    assert publish("ada", "elsewhere", sketch=sketch(), base_model="big").near_of is None


def test_the_exact_cosine_decides(publish: Any) -> None:
    """The sketch only names candidates; files not at hand leave it to the sketch."""
    publish("bob", "root", sketch=sketch())
    asked: list[str] = []

    def exact(digest: str) -> float:
        asked.append(digest)
        return 0.97

    assert publish("ada", "near", sketch=sketch(0.01), exact=exact).near_of is None
    assert asked == ["digest-of-root"]
    with pytest.raises(NearDuplicateError):
        publish("ada", "nearer", sketch=sketch(), exact=lambda _: None)


@pytest.mark.parametrize("n_correct", [325, 360, 400])
def test_no_claim_makes_a_copy_an_improvement(publish: Any, n_correct: int) -> None:
    """Counts are the seller's own words, on any number of exams: linked or refused."""
    publish("bob", "root", sketch=sketch(), receipt=facts(320))
    terms = {"sketch": sketch(0.01), "receipt": facts(n_correct)}
    with pytest.raises(NearDuplicateError):
        publish("ada", "copy", **terms)
    assert publish("ada", "copy", **terms, parents=("root",)).near_of == "root"


def test_ones_own_next_version_may_be_near(publish: Any) -> None:
    """Not so a second listing: an owner's clone must be linked like anybody's."""
    publish("bob", "root", sketch=sketch())
    again = publish("bob", "root", digest="v2", version_of="root", sketch=sketch(0.01))
    assert again.near_of is None
    with pytest.raises(NearDuplicateError):
        publish("bob", "second", sketch=sketch(0.01))


def test_a_copy_is_no_elder_of_the_originals_next_version(publish: Any) -> None:
    """Else a copier could rank an original below its own copy."""
    publish("bob", "root", sketch=sketch())
    publish("ada", "copy", sketch=sketch(0.01), parents=("root",))
    again = publish("bob", "root", digest="v2", version_of="root", sketch=sketch(0.01))
    assert again.near_of is None


def test_the_next_version_of_a_copy_is_a_copy(publish: Any) -> None:
    """Also when, step by step, it has drifted out of reach of the original."""
    publish("bob", "root", sketch=sketch())
    publish("ada", "copy", sketch=sketch(0.01), parents=("root",))
    drifted = {"digest": "v2", "version_of": "copy", "sketch": sketch(0.01)}

    def exact(digest: str) -> float:
        return 0.97 if digest == "digest-of-root" else 0.99

    with pytest.raises(NearDuplicateError, match="'root'"):
        publish("ada", "copy", **drifted, exact=exact)
    assert publish("ada", "copy", **drifted, exact=exact, parents=("root",)).near_of == "root"


def test_a_copy_of_an_older_version_names_the_listing(publish: Any) -> None:
    """What the message says to do works also when the listing's newest version is another layer."""
    publish("bob", "root", sketch=sketch())
    other = sketch(of=RNG.standard_normal(SKETCH_NUMBERS))
    publish("bob", "root", digest="v2", version_of="root", sketch=other)
    with pytest.raises(NearDuplicateError, match="with 'root' as parent"):
        publish("ada", "copy", sketch=sketch(0.01))
    assert publish("ada", "copy", sketch=sketch(0.01), parents=("root",)).near_of == "root"


def test_a_copy_of_a_copy_answers_to_the_original(publish: Any) -> None:
    """Naming the middle one is enough to be a fork; the eldest is the one it ranks below."""
    publish("bob", "root", sketch=sketch())
    publish("ada", "copy", sketch=sketch(), parents=("root",))
    third = publish("carol", "third", sketch=sketch(), parents=("copy",))
    assert third.near_of == "root"


def test_two_who_publish_the_same_at_once_do_not_both_pass(market: Market, publish: Any) -> None:
    """What was published between search and write lock is looked at again under the lock."""
    barrier = threading.Barrier(4)
    failures: list[Exception] = []

    def run(i: int) -> None:
        barrier.wait()
        try:
            publish("bob", f"layer-{i}", sketch=sketch(0.01))
        except NearDuplicateError as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 3
    assert len(market.listings()) == 1


def test_a_refused_layer_leaves_no_trace_in_the_search_for_copies(publish: Any) -> None:
    """A refused publication does not block the one that comes after."""
    publish("bob", "root", sketch=sketch())
    unrelated = sketch(of=RNG.standard_normal(SKETCH_NUMBERS))
    with pytest.raises(Exception, match=r"Apache-2\.0"):
        publish("ada", "other", sketch=unrelated, licence="apache20")
    assert publish("carol", "other", sketch=unrelated).near_of is None


def test_a_copy_is_priced_and_shown_below_its_original(market: Market, publish: Any) -> None:
    """Reputation at most 0.95 of the original's, from the first day and after an epoch."""
    root = publish("bob", "root", sketch=sketch(), receipt=facts(200))
    copy = publish("ada", "copy", sketch=sketch(), parents=("root",), receipt=facts(200))
    assert copy.reputation == pytest.approx(0.95 * root.reputation)
    assert copy.price_nanos < root.price_nanos
    market.close_epoch()
    shown = {view.name: view.reputation for view in market.search().listings}
    assert shown["copy"] <= 0.95 * shown["root"] + 1e-9
    assert market.verify() == []
