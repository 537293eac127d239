"""Cursors are opaque, signed and belong to one list."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.service.problems import ProblemError
from marketplace.service.state import Cursors
from tests.support.market import publish_example

SCOPE = ("postings", "ada")


@given(st.integers(0, 2**60) | st.text(max_size=64))
def test_what_was_sealed_is_opened(position):
    """A cursor gives back the position it was made of."""
    cursors = Cursors(b"secret")
    assert cursors.open(SCOPE, cursors.seal(SCOPE, position)) == position


@given(st.text(max_size=80))
def test_made_up_cursor_is_refused(text):
    """Nobody without the secret makes a cursor."""
    with pytest.raises(ProblemError) as caught:
        Cursors(b"secret").open(SCOPE, text)
    assert caught.value.slug == "cursor-invalid"


def test_changed_or_foreign_cursor_is_refused():
    """A flipped character, another list, another reader or another service: all refused."""
    cursors = Cursors(b"secret")
    good = cursors.seal(SCOPE, 50)
    flipped = [good[:i] + ("A" if good[i] != "A" else "B") + good[i + 1 :] for i in range(22)]
    for cursor in flipped:
        with pytest.raises(ProblemError):
            cursors.open(SCOPE, cursor)
    for other, scope in ((cursors, ("postings", "bob")), (cursors, ("keys", "ada"))):
        with pytest.raises(ProblemError):
            other.open(scope, good)
    with pytest.raises(ProblemError):
        Cursors(b"another").open(SCOPE, good)


@given(st.lists(st.text("abc", min_size=1, max_size=4), unique=True), st.integers(1, 5))
def test_pages_by_name_show_everything_once(names, limit):
    """Following the cursor to the end shows every item once, in order."""
    cursors, names = Cursors(b"secret"), sorted(names)
    seen, cursor = [], None
    while True:
        page, cursor = cursors.page_after(SCOPE, names, str, cursor=cursor, limit=limit)
        seen += page
        if cursor is None:
            break
    assert seen == names


def test_item_that_appears_between_pages_hides_no_other():
    """A listing published before the cursor's place does not push another out of sight."""
    cursors = Cursors(b"secret")
    first, cursor = cursors.page_after(SCOPE, ["b", "d"], str, cursor=None, limit=1)
    rest, _ = cursors.page_after(SCOPE, ["a", "b", "c", "d"], str, cursor=cursor, limit=9)
    assert first + rest == ["b", "c", "d"]


@pytest.mark.parametrize("what", ["bundles", "offers", "bounties"])
def test_a_page_of_a_public_list_builds_no_more_than_a_page(hosted, monkeypatch, what):
    """Each item once, in order, and each request looks at its page and one more."""
    market, n_items, built = hosted.market, 25, []
    hosted.member("bob", "100")
    for name in ("one", "two"):
        publish_example(market, "bob", name)
    for number in range(n_items):
        name = f"n{number:03}"
        if what == "bundles":
            market.bundle_create(owner="bob", name=name, listings=["one", "two"], key=name)
        elif what == "offers":
            market.offer_compute(
                owner="bob", name=name, resource="training", ask_nanos=9, capacity_units=9, key=name
            )
        else:
            market.bounty_post(
                sponsor="bob",
                skill="sql",
                base_model="tiny",
                exam="standard",
                min_questions=100,
                min_accuracy_parts=1,
                reward_nanos=100,
                days=1,
                key=name,
            )
    where = {
        "bundles": "marketplace.trade.bundle.bundle_view",
        "offers": "marketplace.trade.compute.offer_view",
        "bounties": "marketplace.trade.bounty._view",
    }[what]
    module, _, function = where.rpartition(".")
    build = getattr(sys.modules[module], function)
    monkeypatch.setattr(where, lambda *given: built.append(1) or build(*given))
    found, cursor = [], ""
    while cursor is not None:
        built.clear()
        answer = hosted.client.get(f"/v1/{what}?limit=10" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status_code == 200 and len(built) <= 11
        found += [item.get("name") or item["bounty"] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
    assert len(found) == n_items and found == sorted(set(found))
