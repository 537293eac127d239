"""Reading a home folder: whatever is there, and only what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.screens import (
    BASE,
    fake_generation,
    fake_run_files,
    generation_name,
    write_files,
)
from tui.data.fields import RecordError
from tui.data.source import HomeSource


def test_an_absent_home_is_empty(tmp_path: Path) -> None:
    """Nothing is created by looking."""
    source = HomeSource(tmp_path / "nowhere")
    assert source.run().empty
    assert not source.market().exists
    assert not (tmp_path / "nowhere").exists()


def test_an_unchanged_home_gives_the_same_object(tmp_path: Path) -> None:
    """So the app can poll every second and redraw only what is new."""
    write_files(tmp_path, fake_run_files(3))
    source = HomeSource(tmp_path)
    first = source.run()
    assert source.run() is first
    write_files(tmp_path, {generation_name(3): fake_generation(3)})
    assert len(source.run().generations) == 4


@pytest.mark.parametrize("name", sorted(fake_run_files(2, phase="done")))
def test_half_a_run_can_be_read(tmp_path: Path, name: str) -> None:
    """Any one file may be missing, or be the only one."""
    files = fake_run_files(2, phase="done")
    write_files(tmp_path / "alone", {name: files.pop(name)})
    write_files(tmp_path / "rest", files)
    for home in ("alone", "rest"):
        run = HomeSource(tmp_path / home).run()
        assert not run.empty and not run.notices


def test_a_damaged_file_becomes_a_notice_and_heals(tmp_path: Path) -> None:
    """The other generations are shown meanwhile."""
    write_files(tmp_path, fake_run_files(3))
    (tmp_path / generation_name(1)).write_text("{")
    source = HomeSource(tmp_path)
    run = source.run()
    assert len(run.generations) == 2
    assert run.notices[0].startswith("run/generations/0001.json: ")
    write_files(tmp_path, {generation_name(1): fake_generation(1)})
    assert len(source.run().generations) == 3 and not source.run().notices


def test_a_run_without_its_process_is_not_live(tmp_path: Path) -> None:
    """Process ids end at 2**22 on Linux, so this one belongs to nobody."""
    files = fake_run_files(3)
    write_files(tmp_path, files)
    assert HomeSource(tmp_path).run().live
    files["run/status.json"]["pid"] = 2**22 + 1
    write_files(tmp_path, files)
    assert not HomeSource(tmp_path).run().live


def test_a_market_that_is_no_database_becomes_a_notice(tmp_path: Path) -> None:
    """It names the file, on one line, and a question about a listing fails alike."""
    (tmp_path / "market.db").write_bytes(b"not a database, but long enough to be read as one" * 9)
    source = HomeSource(tmp_path)
    (notice,) = source.market().notices
    assert notice.startswith("market.db: ") and "\n" not in notice
    with pytest.raises(RecordError, match=r"market\.db"):
        source.quote("sorter-2")


def test_a_real_market_is_read_and_read_again_after_a_sale(tmp_path: Path) -> None:
    """Listings, balances, statement newest first, and the reasons of a price."""
    from tests.support.market import make_market, publish_example

    source = HomeSource(tmp_path)
    with make_market(tmp_path / "market.db", credits={"ada": 50, "bob": 0}) as market:
        publish_example(market, "bob", "sorter-2")
        before = source.market()
        assert [item.name for item in before.listings] == ["sorter-2"]
        assert source.quote("sorter-2")
        market.buy(buyer="ada", listing="sorter-2", key="sale-1")
        after = source.market()
        assert after.listings[0].sales == before.listings[0].sales + 1
        balances = {account.name: account.balance_nanos for account in after.accounts}
        newest, *_, oldest = source.postings("ada")
        assert newest.amount_nanos < 0 < oldest.amount_nanos
        assert newest.balance_after_nanos == balances["ada"]


def test_a_long_statement_is_read_from_its_newest_line_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several pages, each movement once; older ones than are shown stay where they are."""
    from tests.support.market import make_market

    monkeypatch.setattr("marketplace.ledger.statement.MAX_STATEMENT_LINES", 2)
    monkeypatch.setattr("tui.data.source.SHOWN_POSTINGS", 6)
    source = HomeSource(tmp_path)
    with make_market(tmp_path / "market.db", credits={"ada": 0, "bob": 0}) as market:
        for number in range(1, 10):
            market.fund("ada", number, key=f"ada-{number}")
        market.fund("bob", 5, key="bob")
    assert [line.amount_nanos for line in source.postings("ada")] == [9, 8, 7, 6, 5, 4]
    assert [line.amount_nanos for line in source.postings("bob")] == [5]


def test_a_market_elsewhere_is_the_one_that_is_shown(tmp_path: Path) -> None:
    """`CONTINUUM_MARKET` names a database: its listings stand in a home that has no market."""
    from tests.support.market import make_market, publish_example

    with make_market(tmp_path / "there.db", credits={"bob": 3}) as market:
        publish_example(market, "bob", "sorter-2")
    source = HomeSource(tmp_path / "home", f"sqlite:///{tmp_path / 'there.db'}", "bob")
    found = source.market()
    assert found.exists and [x.name for x in found.listings] == ["sorter-2"]
    assert source.quote("sorter-2") and source.postings("bob")
    assert "there.db" in source.title
    assert source.market() is found  # not asked every second


def test_a_market_elsewhere_that_does_not_answer_is_a_notice(tmp_path: Path) -> None:
    """Not an absent market, and no crash."""
    found = HomeSource(tmp_path, f"sqlite:///{tmp_path / 'nowhere.db'}").market()
    assert found.exists and "nowhere.db" in found.notices[0]


def test_a_base_that_was_measured_is_known_to_the_screens(tmp_path: Path) -> None:
    """From the generations; else from the summary of an older run; else nothing is drawn."""
    files = fake_run_files(2, phase="done")
    write_files(tmp_path, files)
    assert HomeSource(tmp_path).run().base_by_skill == BASE
    for number in range(2):
        del files[generation_name(number)]["base_by_skill"]
    write_files(tmp_path, files)
    assert HomeSource(tmp_path).run().base_by_skill == ()
    files["summary.json"]["base_accuracy"] = [0.5] * len(BASE)
    write_files(tmp_path, files)
    assert HomeSource(tmp_path).run().base_by_skill == (0.5,) * len(BASE)
