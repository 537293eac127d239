"""Promises of marketplace.listing.licence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genome.licence import HUB, PERMISSIVE, TERMS
from marketplace.errors import LicenceConflictError, LicenceError
from marketplace.listing.licence import (
    Ancestor,
    alternatives,
    check_inheritance,
    check_licence,
    is_commercial,
)

ANY = st.sampled_from([name for name in TERMS if name])


def refuses(parent: str, child: str, owner: str = "ada") -> bool:
    """Whether Ada may not publish a child under this licence of Bob's layer under that one."""
    try:
        check_inheritance(child, owner, [Ancestor("root", "bob", parent)])
    except LicenceConflictError as error:
        message = str(error)
    else:
        return False
    assert "\n" not in message
    assert "'root'" in message
    return True


@given(st.sampled_from(PERMISSIVE), ANY)
def test_a_permissive_parent_binds_no_child(parent: str, child: str) -> None:
    """Also not to a closed or copyleft licence."""
    assert not refuses(parent, child)


@given(ANY)
def test_a_child_may_carry_its_parents_licence_unless_none_are_allowed(name: str) -> None:
    """Every licence in the table passes itself on, but for those without derivatives."""
    assert refuses(name, name) == (not TERMS[name].derivatives)


@given(ANY)
def test_an_owner_is_not_bound_by_its_own_licence(name: str) -> None:
    """Bob relicenses Bob's work as he likes."""
    assert not refuses(name, "MIT", owner="bob")


@pytest.mark.parametrize(
    ("parent", "child", "refused"),
    [
        ("GPL-3.0-only", "MIT", True),
        ("GPL-3.0-only", "AGPL-3.0-only", False),
        ("AGPL-3.0-only", "GPL-3.0-only", True),
        ("GPL-2.0-only", "GPL-3.0-only", True),
        ("GPL-2.0-or-later", "GPL-3.0-only", False),
        ("CC-BY-SA-4.0", "CC-BY-4.0", True),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0", False),
        ("CC-BY-NC-4.0", "CC-BY-4.0", True),
        ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", False),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", True),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", True),
        ("LicenseRef-OpenRAIL", "MIT", True),
        ("LicenseRef-OpenRAIL", "MIT AND LicenseRef-OpenRAIL", False),
        ("", "MIT", True),
        ("MIT OR GPL-3.0-only", "MIT", False),
        ("MIT AND GPL-3.0-only", "MIT", True),
        ("GPL-3.0-only", "MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only WITH Classpath-exception-2.0", "GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND CC-BY-NC-4.0", "MIT", True),
        ("gpl-3.0", "MIT", True),
        ("gpl-3.0", "GPL-3.0-only", False),
        ("llama3", "llama3", False),
        ("llama3", "llama3.1", True),
        ("llama3", "MIT", True),
        ("llama3", "MIT AND LicenseRef-llama3", False),
        ("gemma", "openrail", True),
        ("openrail", "creativeml-openrail-m", True),
        ("creativeml-openrail-m", "openrail", True),
        ("apple-amlr", "apple-amlr", False),
        ("apple-amlr", "CC-BY-NC-4.0", True),
        ("other", "other", True),
        ("cc", "cc-by-4.0", True),
        ("LicenseRef-My-Terms", "LicenseRef-My-Terms", True),
        ("Sleepycat", "Sleepycat", True),
        ("bsd", "MIT", False),
    ],
)
def test_inheritance_by_example(parent: str, child: str, refused: bool) -> None:
    """Copyleft goes one way, NC stays NC, a choice is the maker's, a duty is everybody's."""
    assert refuses(parent, child) is refused


def test_a_grandparent_binds_through_a_permissive_parent() -> None:
    """Carol's child of Ada's MIT child of Bob's NC layer is bound by Bob."""
    line = [Ancestor("mid", "ada", "MIT"), Ancestor("root", "bob", "CC-BY-NC-4.0")]
    with pytest.raises(LicenceConflictError, match="'root' by 'bob'"):
        check_inheritance("MIT", "carol", line)


@pytest.mark.parametrize(
    "wrong",
    [
        "Apache2",
        "MIT OR",
        "(MIT",
        "MIT GPL-3.0-only",
        "MIT)",
        "AND",
        "\x1b[2J",
        7,
        "M;T",
        "x" * 201,
        "Llama 3",
        "apache-2",
        "MIT AND Foo-1.0",
    ],
)
def test_an_unknown_licence_is_refused_with_a_remedy(wrong: object) -> None:
    """One line, naming what could be written instead."""
    with pytest.raises(LicenceError, match=r"\A[^\n\x1b]*(use|write|shorten)[^\n\x1b]*\Z"):
        check_licence(wrong)


def test_a_typing_error_is_answered_with_the_same_licence() -> None:
    """apache20 is Apache-2.0, whatever its marks; case does not matter."""
    with pytest.raises(LicenceError, match=r"use Apache-2\.0"):
        check_licence("apache20")
    assert alternatives("apache-2.0") == (frozenset({"Apache-2.0"}),)


def test_an_expression_cannot_grow_without_bound() -> None:
    """(A OR B) AND (A OR B) ... doubles with every term; seven terms are refused at once."""
    with pytest.raises(LicenceError, match="alternatives"):
        check_licence(" AND ".join(["(MIT OR ISC)"] * 7))


@given(st.text(max_size=60))
def test_any_text_is_either_a_licence_or_refused(text: str) -> None:
    """No text makes the reader fail in any other way."""
    try:
        found = alternatives(check_licence(text))
    except LicenceError as error:
        message = str(error)
    else:
        assert found
        return
    assert message.splitlines() == [message]


@pytest.mark.parametrize("name", sorted(HUB))
def test_every_name_of_the_hub_is_understood_as_that_licence(name: str) -> None:
    """In any letter case, alone and in an expression; never as a more open one."""
    stated = check_licence(name)
    assert stated == check_licence(name.upper()) == check_licence(stated) == HUB[name]
    assert alternatives(f"{name} AND MIT") == (frozenset({stated, "MIT"}),)


@pytest.mark.parametrize("name", ["other", "unknown", "LicenseRef-Mine", "Sleepycat", "cc"])
def test_unknown_rights_are_no_rights(name: str) -> None:
    """Neither derivatives nor commercial use."""
    assert refuses(name, name) and not is_commercial(name)


@pytest.mark.parametrize(
    "wrong",
    [
        "Llama 3",
        "llama-5",
        "gemma2",
        "open rail",
        "cc-by-nc-5.0",
        "rail",
        "gpl-4.0",
        "apple",
        "mit-like",
        "proprietary",
    ],
)
def test_a_hint_never_offers_another_licences_rights(wrong: str) -> None:
    """What is proposed is another spelling of what was written, or a name that gives nothing."""
    with pytest.raises(LicenceError) as refusal:
        check_licence(wrong)
    offered = str(refusal.value).rpartition(": use ")[2]
    spelt = "".join(c for c in wrong.lower() if c.isalnum())
    named = [n for n in (*HUB, *TERMS) if n and n in offered.replace(",", " ").split()]
    assert all("".join(c for c in n.lower() if c.isalnum()) == spelt for n in named)
    assert named or "LicenseRef-NAME" in offered
