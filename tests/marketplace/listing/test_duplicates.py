"""Promises of marketplace.listing.duplicates, on SQLite and PostgreSQL."""

import threading
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from marketplace.errors import InvalidInputError, NearDuplicateError
from marketplace.listing.parents import shares_of
from marketplace.listing.similarity import Weights, update_cosine
from marketplace.market import Market
from marketplace.receipt import ReceiptFacts
from tests.support.market import buried, example_weights

ROOT = example_weights(0)
"""The layer that everybody copies."""


def near(noise: float = 0.01) -> dict[str, Any]:
    """Terms of a layer that nearly repeats it."""
    return {"weights": example_weights(0, noise)}


def kept(*layers: tuple[str, Weights]) -> dict[str, Any]:
    """Terms of who has these layers' files."""
    return {"others": dict(layers).get}


def facts(n_correct: int) -> ReceiptFacts:
    """A result of 400 questions."""
    return ReceiptFacts(skill="sorting", n_questions=400, n_correct=n_correct, n_base_correct=100)


def test_a_copy_with_noise_must_name_its_original(market: Market, publish: Any) -> None:
    """Unlinked it is refused; as a fork it is sold, marked, and never ranks first."""
    publish("bob", "root", weights=ROOT)
    with pytest.raises(NearDuplicateError, match=r"'root'.*share 0\.9.*as a fork"):
        publish("ada", "copy", **near(0.05))
    copy = publish("ada", "copy", **near(0.05), parents=("root",))
    assert copy.near_of == "root"
    assert [view.name for view in market.search().listings] == ["root", "copy"]


def test_an_unrelated_layer_is_free(publish: Any) -> None:
    """Also one whose sketch is unknown, and the same sketch for another base model."""
    publish("bob", "root", weights=ROOT)
    other = publish("ada", "other", weights=example_weights(5))
    assert other.near_of is None
    assert publish("ada", "unknown").near_of is None
    assert publish("ada", "elsewhere", weights=ROOT, base_model="big").near_of is None


def test_the_files_decide_where_they_are_at_hand(publish: Any) -> None:
    """A sketch only names candidates; files not at hand leave it to the sketch."""
    publish("bob", "root", weights=ROOT)
    asked: list[str] = []

    def others(digest: str) -> Weights:
        asked.append(digest)
        return example_weights(5)

    assert publish("ada", "near", **near(), others=others).near_of is None
    assert asked == ["digest-of-root"]
    with pytest.raises(NearDuplicateError):
        publish("ada", "nearer", **near(), others=lambda _: None)


@pytest.mark.parametrize("files", [{}, {"others": {"digest-of-root": ROOT}.get}])
def test_random_ranks_hide_no_copy(publish: Any, files: dict[str, Any]) -> None:
    """Whatever the cosine says, the original is still in there: refused, or linked and below."""
    publish("bob", "root", weights=ROOT)
    for rank, size in ((4, 0.25), (8, 1.0), (16, 4.0)):
        terms = {"weights": buried(ROOT, rank=rank, size=size), **files}
        assert update_cosine(ROOT, terms["weights"]) < 0.98
        with pytest.raises(NearDuplicateError, match="'root' as parent") as refusal:
            publish("ada", "copy", **terms)
        assert refusal.value.listings == ("root",)
    copy = publish("ada", "copy", **terms, parents=("root",))
    assert copy.near_of == "root"
    assert copy.reputation < publish("eve", "other", weights=example_weights(5)).reputation


def test_a_fork_for_another_niche_is_linked_and_ranks_for_itself(publish: Any) -> None:
    """It pays royalties to what it contains, but there is nothing to rank below."""
    publish("bob", "root", weights=ROOT)
    fork = {"weights": buried(ROOT), "niche": "counting"}
    with pytest.raises(NearDuplicateError):
        publish("ada", "fork", **fork)
    assert publish("ada", "fork", **fork, parents=("root",)).near_of is None
    files = kept(("digest-of-root", ROOT), ("digest-of-fork", fork["weights"]))
    same = publish("eve", "same", weights=ROOT, niche="counting", parents=("root",), **files)
    assert same.near_of == "root"


def test_what_a_layer_was_composed_of_is_named_whole(publish: Any) -> None:
    """Naming one of two parents leaves the other without royalties."""
    other = example_weights(5)
    publish("bob", "root", weights=ROOT)
    publish("carol", "other", weights=other)
    both = {
        m: (np.vstack([ROOT[m][0], other[m][0]]), np.hstack([ROOT[m][1], other[m][1]]))
        for m in ROOT
    }
    with pytest.raises(NearDuplicateError, match="'root' and 'other'") as refusal:
        publish("ada", "child", weights=both)
    assert refusal.value.listings == ("root", "other")
    with pytest.raises(NearDuplicateError, match="with 'other' as parent"):
        publish("ada", "child", weights=both, parents=("root",))
    child = publish("ada", "child", weights=both, parents=("root", "other"))
    assert child.parents == ("other", "root")


def test_a_fork_owes_nothing_to_other_forks_of_its_parent(publish: Any) -> None:
    """They contain the same parent, and so much of each other; a copy of a fork owes the fork."""
    first, copy = buried(ROOT, seed=1), example_weights(0, 0.01)
    files = kept(("digest-of-root", ROOT), ("digest-of-first", first), ("digest-of-copy", copy))
    publish("bob", "root", weights=ROOT)
    publish("ada", "first", weights=first, parents=("root",), **files)
    publish("eve", "copy", weights=copy, parents=("root",), **files)
    second = publish("carol", "second", weights=buried(ROOT, seed=2), parents=("root",), **files)
    assert second.parents == ("root",)
    third = {"weights": buried(first, seed=3), **files}
    with pytest.raises(NearDuplicateError, match="with 'first' as parent"):
        publish("eve", "third", **third, parents=("root",))
    assert publish("eve", "third", **third, parents=("first",)).near_of == "root"


def test_a_next_version_names_again_what_it_still_contains(publish: Any) -> None:
    """Parents belong to a version: the second must not shake off what the first was made from."""
    publish("bob", "root", weights=ROOT)
    publish("ada", "fork", weights=buried(ROOT, seed=1), parents=("root",))
    again = {"digest": "v2", "version_of": "fork", "weights": buried(ROOT, seed=2)}
    with pytest.raises(NearDuplicateError, match="with 'root' as parent"):
        publish("ada", "fork", **again)
    assert publish("ada", "fork", **again, parents=("root",)).near_of == "root"


def test_only_a_repeat_is_passed_over_by_royalties(market: Market, publish: Any) -> None:
    """What contains its parent and more earns from its own forks; a copy of it does not."""
    files = kept(("digest-of-root", ROOT))
    publish("bob", "root", weights=ROOT)
    publish("ada", "fork", weights=buried(ROOT), parents=("root",), **files)
    publish("eve", "copy", **near(), parents=("root",), **files)
    for seed, middle, owner in ((8, "fork", "ada"), (9, "copy", "eve")):
        child = publish("carol", f"of-{middle}", weights=example_weights(seed), parents=(middle,))
        with market._read() as session:
            (shares,) = shares_of(session, {child.digest: "carol"}).values()
        assert {share.owner for share in shares} == {"bob", *({owner} if middle == "fork" else ())}


def test_layers_listed_with_sketches_of_another_kind_are_found_by_their_files(
    market: Market, publish: Any
) -> None:
    """A market of an older version; without files nothing can be said of them."""
    publish("bob", "root")
    copy = {"weights": buried(ROOT)}
    assert publish("ada", "before", **copy).near_of is None
    with pytest.raises(NearDuplicateError, match="'root'"):
        publish("eve", "after", **copy, **kept(("digest-of-root", ROOT)))


def test_a_rank_that_hides_everything_is_refused(publish: Any) -> None:
    """As is a layer of which nothing could be told."""
    full = {"q": (np.eye(128, dtype=np.float32), np.eye(128, dtype=np.float32))}
    with pytest.raises(InvalidInputError, match="compress the layer to rank 64"):
        publish("ada", "full", weights=full)


def test_no_files_are_read_while_the_market_waits(market: Market, publish: Any) -> None:
    """What a stranger's layer costs to compare is spent outside the writer's thread."""
    threads = set()

    def others(digest: str) -> Weights | None:
        threads.add(threading.current_thread().name)
        if digest == "digest-of-root" and len(threads) == 1:
            with suppress(NearDuplicateError):  # somebody is faster
                publish("carol", "between", weights=buried(ROOT, seed=5), parents=("root",))
        return ROOT

    publish("bob", "root", weights=ROOT)
    copy = publish("ada", "copy", weights=buried(ROOT), parents=("root",), others=others)
    assert copy.near_of == "root"
    assert threads == {threading.current_thread().name}


@pytest.mark.parametrize("n_correct", [325, 360, 400])
def test_no_claim_makes_a_copy_an_improvement(publish: Any, n_correct: int) -> None:
    """Counts are the seller's own words, on any number of exams: linked or refused."""
    publish("bob", "root", weights=ROOT, receipt=facts(320))
    terms = {**near(), "receipt": facts(n_correct)}
    with pytest.raises(NearDuplicateError):
        publish("ada", "copy", **terms)
    assert publish("ada", "copy", **terms, parents=("root",)).near_of == "root"


def test_ones_own_next_version_may_be_near(publish: Any) -> None:
    """Not so a second listing: an owner's clone must be linked like anybody's."""
    publish("bob", "root", weights=ROOT)
    again = publish("bob", "root", digest="v2", version_of="root", **near())
    assert again.near_of is None
    with pytest.raises(NearDuplicateError):
        publish("bob", "second", **near())


def test_a_copy_is_no_elder_of_the_originals_next_version(publish: Any) -> None:
    """Else a copier could rank an original below its own copy."""
    publish("bob", "root", weights=ROOT)
    publish("ada", "copy", **near(), parents=("root",))
    again = publish("bob", "root", digest="v2", version_of="root", **near())
    assert again.near_of is None


def test_the_next_version_of_a_copy_is_a_copy(publish: Any) -> None:
    """Also when, step by step, it has drifted out of reach of the original."""
    publish("bob", "root", weights=ROOT)
    publish("ada", "copy", **near(), parents=("root",))
    drifted = {"digest": "v2", "version_of": "copy", **near()}
    files = kept(("digest-of-root", example_weights(5)), ("digest-of-copy", ROOT))
    with pytest.raises(NearDuplicateError, match="'root'"):
        publish("ada", "copy", **drifted, **files)
    assert publish("ada", "copy", **drifted, **files, parents=("root",)).near_of == "root"


def test_a_copy_of_an_older_version_names_the_listing(publish: Any) -> None:
    """What the message says to do works also when the listing's newest version is another layer."""
    publish("bob", "root", weights=ROOT)
    other = example_weights(5)
    publish("bob", "root", digest="v2", version_of="root", weights=other)
    with pytest.raises(NearDuplicateError, match="with 'root' as parent"):
        publish("ada", "copy", **near())
    assert publish("ada", "copy", **near(), parents=("root",)).near_of == "root"


def test_a_copy_of_a_copy_answers_to_the_original(publish: Any) -> None:
    """Naming the middle one is enough to be a fork; the eldest is the one it ranks below."""
    publish("bob", "root", weights=ROOT)
    publish("ada", "copy", weights=ROOT, parents=("root",))
    third = publish("carol", "third", weights=ROOT, parents=("copy",))
    assert third.near_of == "root"


def test_two_who_publish_the_same_at_once_do_not_both_pass(market: Market, publish: Any) -> None:
    """What was published between search and write lock is looked at again under the lock."""
    barrier = threading.Barrier(4)
    failures: list[Exception] = []

    def run(i: int) -> None:
        barrier.wait()
        try:
            publish("bob", f"layer-{i}", **near())
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
    publish("bob", "root", weights=ROOT)
    unrelated = example_weights(5)
    with pytest.raises(Exception, match=r"Apache-2\.0"):
        publish("ada", "other", weights=unrelated, licence="apache20")
    assert publish("carol", "other", weights=unrelated).near_of is None


def test_a_copy_is_priced_and_shown_below_its_original(market: Market, publish: Any) -> None:
    """Reputation at most 0.95 of the original's, from the first day and after an epoch."""
    root = publish("bob", "root", weights=ROOT, receipt=facts(200))
    copy = publish("ada", "copy", weights=ROOT, parents=("root",), receipt=facts(200))
    assert copy.reputation == pytest.approx(0.95 * root.reputation)
    assert copy.price_nanos < root.price_nanos
    market.close_epoch()
    shown = {view.name: view.reputation for view in market.search().listings}
    assert shown["copy"] <= 0.95 * shown["root"] + 1e-9
    assert market.verify() == []
