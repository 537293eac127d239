"""Promises of marketplace.database.postgresql: the market's rules on a real server."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, text

from marketplace.database.place import find_place
from marketplace.errors import (
    MarketBusyError,
    MarketDamagedError,
    MarketError,
    MarketFileError,
    MarketNotFoundError,
)
from marketplace.market import Market
from marketplace.store import schema
from marketplace.store.database import Database
from tests.support.market import publish_example
from tests.support.private_server import PrivateServer


def administer(url: str, *statements: str) -> None:
    """Run statements outside any transaction, as the server's owner."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_day_at_the_market(postgres_url: str) -> None:
    """Publish, fund, buy, close an epoch; repeats have no second effect; the audit is content."""
    with Market.open(postgres_url) as market:
        for name in ("ada", "bob"):
            market.open_account(name)
        market.fund("ada", 100 * 10**9, key="fund")
        market.fund("ada", 100 * 10**9, key="fund")
        publish_example(market, "bob", "sort")
        assert market.buy(buyer="ada", listing="sort", key="k").replayed is False
        assert market.buy(buyer="ada", listing="sort", key="k").replayed is True
        market.close_epoch()
        assert market.verify() == []
        assert market.owns("ada", "digest-of-sort")
    with Market.open(postgres_url, create=False) as market:
        assert sum(view.balance_nanos for view in market.accounts()) == 0


def test_writers_wait_for_each_other_and_readers_for_nobody(postgres_url: str) -> None:
    """The second writer gives up after its wait, with nothing changed."""
    first = Market.open(postgres_url)
    second = Market.open(postgres_url, busy_timeout_s=0.1)
    with first._database.write():
        with pytest.raises(MarketBusyError, match="try again, with the same key"):
            second.open_account("eve")
        assert len(second.accounts()) == 3
    assert second.open_account("eve").balance_nanos == 0
    first.close()
    second.close()


def test_a_view_does_not_change_while_it_is_read(postgres_url: str) -> None:
    """One snapshot for all questions of a read, and no way to write in it."""
    with Market.open(postgres_url) as market, market._database.read() as session:
        count = text("SELECT count(*) FROM account")
        assert session.connection().execute(count).scalar_one() == 3
        market.open_account("eve")
        assert session.connection().execute(count).scalar_one() == 3
    with (
        Market.open(postgres_url) as market,
        pytest.raises(MarketFileError, match="read-only"),
        market._database.read() as session,
    ):
        session.connection().execute(text("INSERT INTO epoch VALUES (7, 1.0)"))


def test_commits_are_durable_whatever_the_database_says(postgres_url: str) -> None:
    """A database default that trades safety for speed does not reach the money."""
    name = find_place(postgres_url).url.database
    administer(postgres_url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    with Market.open(postgres_url) as market, market._database.read() as session:
        setting = session.connection().execute(text("SHOW synchronous_commit"))
        assert setting.scalar_one() == "on"


def test_eight_openings_at_once_make_one_market(postgres_url: str) -> None:
    """Whoever comes first creates it; the others find it, complete."""

    def open_and_join(number: int) -> list[str]:
        with Market.open(postgres_url) as market:
            market.open_account(f"member-{number}")
            return market.verify()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(open_and_join, range(8))) == [[]] * 8
    with Market.open(postgres_url, create=False) as market:
        assert len(market.accounts()) == 3 + 8


def test_what_is_missing_is_named(postgres_server: PrivateServer, postgres_url: str) -> None:
    """No database, an empty one, no server: each with its own remedy, on one line."""
    for url, error, remedy in (
        (postgres_server.url("absent"), MarketNotFoundError, "createdb"),
        (postgres_url, MarketNotFoundError, "create the market first"),
        ("postgresql://nobody@127.0.0.1:1/absent", MarketFileError, "check that the server runs"),
    ):
        with pytest.raises(error, match=rf"\A[^\n]*{remedy}[^\n]*\Z"):
            Market.open(url, create=False)


def test_a_password_is_never_shown() -> None:
    """Neither by a failure nor by the place itself."""
    with pytest.raises(MarketError) as caught:
        Market.open("postgresql://ada:s3cret-word@127.0.0.1:1/market")
    assert "s3cret-word" not in str(caught.value)
    assert "s3cret-word" not in str(find_place("postgresql://ada:s3cret-word@host/market"))
    with pytest.raises(MarketFileError) as caught:
        find_place("postgresql+asyncpg://ada:s3cret-word@host/market")
    assert "s3cret-word" not in str(caught.value)


def test_another_programs_database_is_left_alone(postgres_url: str) -> None:
    """No tables of ours appear among somebody else's."""
    administer(postgres_url, "CREATE TABLE account (id integer)")
    with pytest.raises(MarketFileError, match="another program"):
        Market.open(postgres_url)


def test_a_newer_market_is_left_alone(postgres_url: str) -> None:
    """A later version may keep books we would misread."""
    Market.open(postgres_url).close()
    administer(postgres_url, f"UPDATE {schema.VERSION_TABLE} SET version_num = '0999'")
    with pytest.raises(MarketFileError, match="schema version 999"):
        Market.open(postgres_url)


@pytest.mark.parametrize("table", ["transfer", "posting", "request", "listing", "price"])
def test_history_refuses_update_delete_and_truncate(postgres_url: str, table: str) -> None:
    """Even from the server's owner."""
    with Market.open(postgres_url) as market:
        market.open_account("ada")
        market.fund("ada", 5, key="f")
        publish_example(market, "ada", "sort")
    column = "account" if table == "posting" else "key" if table != "price" else "listing"
    for deed in (
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
    ):
        with pytest.raises(Exception, match="append-only"):
            administer(postgres_url, deed)


def test_of_an_account_only_the_caches_can_change(postgres_url: str) -> None:
    """Nobody grants himself an overdraft, a higher cap or a new name."""
    Market.open(postgres_url).close()
    for column, value in {"overdraft": "true", "name": "'x'", "cap_nanos": "1"}.items():
        with pytest.raises(Exception, match="append-only"):
            administer(postgres_url, f"UPDATE account SET {column} = {value}")


def test_an_ordinary_owner_can_trade_but_has_no_right_to_delete(
    postgres_server: PrivateServer, postgres_url: str
) -> None:
    """The rights that are taken back do not get in the way of checking references."""
    name = find_place(postgres_url).url.database
    administer(postgres_url, f"CREATE ROLE owner_{name} LOGIN", "CREATE ROLE passer_by LOGIN")
    administer(postgres_url, f"ALTER DATABASE {name} OWNER TO owner_{name}")
    url = postgres_url.replace("postgres@", f"owner_{name}@")
    with Market.open(url) as market:
        for account in ("ada", "bob"):
            market.open_account(account)
        market.fund("ada", 100 * 10**9, key="fund")
        publish_example(market, "bob", "sort")
        market.buy(buyer="ada", listing="sort", key="k")
        assert market.verify() == []
    for deed in ("DELETE FROM transfer", "TRUNCATE posting"):
        with pytest.raises(Exception, match="permission denied"):
            administer(url, deed)
    with pytest.raises(Exception, match="permission denied"):
        administer(postgres_url.replace("postgres@", "passer_by@"), "SELECT * FROM posting")


@pytest.mark.parametrize(
    ("deed", "trigger"),
    [
        ("ALTER TABLE transfer DISABLE TRIGGER transfer_no_change", "transfer_no_change"),
        ("DROP TRIGGER posting_no_truncate ON posting", "posting_no_truncate"),
        (
            "CREATE OR REPLACE FUNCTION market_keep_rows() RETURNS trigger LANGUAGE plpgsql"
            " AS $$BEGIN RETURN NEW; END$$",
            "market_keep_rows",
        ),
    ],
)
def test_the_audit_misses_a_trigger(postgres_url: str, deed: str, trigger: str) -> None:
    """Absent, turned off, or made toothless."""
    Market.open(postgres_url).close()
    administer(postgres_url, deed)
    database = Database(postgres_url, create=False, at=0.0)
    with database.read() as session:
        assert schema.missing_triggers(session.connection()) == [trigger]
    database.close()


def test_a_lost_connection_costs_one_error_at_most(postgres_url: str) -> None:
    """After the server has dropped every connection, the same key goes through."""
    with Market.open(postgres_url) as market:
        market.open_account("ada")
        administer(
            postgres_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        market.fund("ada", 5, key="f")
        assert market.account("ada").balance_nanos == 5


def test_a_connection_lost_inside_a_change_confirms_nothing(postgres_url: str) -> None:
    """Everybody in the group is told, and trying again works."""
    with Market.open(postgres_url) as market:
        market.open_account("ada")
        with pytest.raises((MarketFileError, MarketDamagedError), match="nothing was confirmed"):
            market._change(
                lambda session: session.connection().execute(
                    text("SELECT pg_terminate_backend(pg_backend_pid())")
                )
            )
        market.fund("ada", 5, key="f")
        assert market.verify() == []
