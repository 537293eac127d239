"""Promises of marketplace.names."""

import pytest

from marketplace.errors import NameFormatError
from marketplace.names import check_digest, check_key, check_name, check_text, did_you_mean


@pytest.mark.parametrize("name", ["a", "sql-v2", "x" * 64, "0.1_b"])
def test_plain_names_pass(name: str) -> None:
    """Names of the documented alphabet and length come back unchanged."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "Ada", "a b", "ok\n", "é", "../x", None, 7])
def test_other_names_are_refused_on_one_line(name: object) -> None:
    """Also a trailing newline, which a `$` in a pattern would let through."""
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
