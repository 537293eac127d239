"""Promises of marketplace.names."""

import re

import pytest

from marketplace.errors import NameFormatError
from marketplace.market import Market
from marketplace.names import check_digest, check_key, check_name, check_text, did_you_mean
from tests.support.market import make_market, publish_example


@pytest.mark.parametrize("name", ["a", "sql-v2", "x" * 64, "0.1_b"])
def test_plain_names_pass(name: str) -> None:
    """Names of the documented alphabet and length come back unchanged."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "x" * 65, "Ada", "a b", "ok\n", "é", "../x", None, 7, ".", "..", ".git", "-x", "_x"],
)
def test_other_names_are_refused_on_one_line(name: object) -> None:
    """Also a trailing newline, which a `$` in a pattern would let through, and a first dot."""
    with pytest.raises(NameFormatError, match=r"\A[^\n]*choose another\Z"):
        check_name(name)


@pytest.mark.parametrize("text", ["\x1b[2J", "two\nlines", "x" * 11])
def test_text_cannot_control_a_terminal_or_outgrow_its_field(text: str) -> None:
    """Texts are shown on screens as they are."""
    with pytest.raises(NameFormatError, match=r"\A[^\n\x1b]*\Z"):
        check_text(text, "niche", max_chars=10)


def test_keys_and_digests_are_checked_too() -> None:
    """An empty key would make two unrelated requests one."""
    for check, value in ((check_key, ""), (check_digest, ""), (check_digest, "no spaces")):
        with pytest.raises(NameFormatError):
            check(value)


def test_closest_names_are_suggested() -> None:
    """Close names are suggested, best first; far ones are not."""
    assert did_you_mean("sorting-v", ["sorting-v1", "poetry"]) == "did you mean 'sorting-v1'?"
    assert did_you_mean("zzz", ["sorting-v1"]) == ""


def test_a_market_with_names_of_an_older_rule_still_opens(tmp_path, monkeypatch) -> None:
    """Names were allowed to begin with a dot: what is in the ledger stays, and verifies."""
    path = tmp_path / "market.db"
    with monkeypatch.context() as older:
        older.setattr("marketplace.names._NAME", re.compile(r"[a-z0-9._-]{1,64}"))
        with make_market(path, credits={"..": 9, "bob": 9}) as market:
            publish_example(market, "..", ".git")
    with Market.open(f"sqlite:///{path}", create=False) as market:
        assert market.verify() == []
        assert market.account("..").balance_nanos > 0 and market.listing(".git").owner == ".."
        market.buy(buyer="bob", listing=".git", key="sale")
        assert market.verify() == [] and [x.name for x in market.search().listings] == [".git"]
        with pytest.raises(NameFormatError):
            market.open_account(".")
