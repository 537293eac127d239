"""A refusal is the same error on both sides of the wire."""

from __future__ import annotations

import pytest

from marketplace import errors
from marketplace.errors import InsufficientCreditsError, MarketError, ServiceError
from marketplace.wire import error_of, problem_type


def every_error() -> list[type[MarketError]]:
    found = vars(errors).values()
    return [x for x in found if isinstance(x, type) and issubclass(x, MarketError)]


def test_every_error_survives_the_wire() -> None:
    """Same class, same words; and no two classes share a type."""
    kinds = every_error()
    assert len(kinds) > 15
    for kind in kinds:
        returned = error_of(problem_type(kind), "rule, value: remedy")
        assert type(returned) is kind and str(returned) == "rule, value: remedy"
    assert len({problem_type(kind) for kind in kinds}) == len(kinds)


def test_types_are_readable_and_stable() -> None:
    """The type is part of the service's contract: renaming a class must not go unnoticed."""
    assert problem_type(InsufficientCreditsError) == "urn:continuum:market:insufficient-credits"


def test_the_services_own_refusals_are_one_class() -> None:
    """Told apart by their words."""
    found = error_of("urn:continuum:service:signature-invalid", "sign again")
    assert type(found) is ServiceError and str(found) == "sign again"


@pytest.mark.parametrize("kind", [None, 5, "about:blank", "urn:continuum:market:unheard-of"])
def test_an_unknown_type_is_still_a_market_error(kind: object) -> None:
    """A newer service's refusal is shown, not hidden behind a traceback."""
    assert type(error_of(kind, "no")) is MarketError


@pytest.mark.parametrize("detail", [None, 7, "", "\x1b[2J\n"])
def test_there_is_always_one_harmless_line(detail: object) -> None:
    """A stranger's text moves no cursor, and silence is put into words."""
    line = str(error_of(None, detail))
    assert line and line.isprintable()
