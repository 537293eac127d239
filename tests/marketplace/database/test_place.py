"""Promises of marketplace.database.place."""

from pathlib import Path

import pytest

from marketplace.database.place import check_usable, find_place
from marketplace.errors import MarketFileError, MarketNotFoundError
from marketplace.market import Market


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "",
        "/tmp/market.db",
        "mysql://host/db",
        "postgresql+psycopg2://host/db",
        "sqlite:///file:market.db?mode=ro&uri=true",
        "sqlite:///null\0character",
    ],
)
def test_other_addresses_are_refused_with_an_example(url: str) -> None:
    """A plain path is a likely slip; the message shows the form."""
    with pytest.raises(MarketFileError, match="sqlite:////absolute/path"):
        Market.open(url)


def test_a_relative_path_is_fixed_when_the_market_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections made after a change of folder still reach the same file."""
    monkeypatch.chdir(tmp_path)
    market = Market.open("sqlite:///market.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    market._database._backend.writer.dispose()
    market.open_account("ada")
    assert (tmp_path / "market.db").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", [".", "absent/market.db", "x" * 300, "a\nb/market.db"])
def test_an_impossible_place_is_refused_on_one_line(tmp_path: Path, name: str) -> None:
    """A folder, a missing folder, a name no file can have, a name that breaks lines."""
    place = find_place(f"sqlite:///{tmp_path / name}")
    with pytest.raises(MarketFileError, match=r"\Amarket file [^\n]*: [^\n]*\Z"):
        check_usable(place, create=True)


def test_a_device_is_not_a_market() -> None:
    """/dev/null would confirm every purchase."""
    with pytest.raises(MarketFileError, match="is a device"):
        Market.open("sqlite:////dev/null")


def test_what_is_missing_is_not_found(tmp_path: Path) -> None:
    """Callers that must not create a market can tell absence from failure."""
    for name in ("market.db", "absent/market.db"):
        with pytest.raises(MarketNotFoundError):
            check_usable(find_place(f"sqlite:///{tmp_path / name}"), create=False)
