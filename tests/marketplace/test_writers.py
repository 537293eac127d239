"""Several processes at one market, and one that dies in the middle of it."""

import multiprocessing
import signal
import time
from pathlib import Path

from marketplace.market import Market
from tests.support.market import buy_loop, fund_loop, make_market, publish_example
from tests.support.trading import purchases

SPAWN = multiprocessing.get_context("spawn")


def test_four_processes_lose_no_purchase_and_no_credit(tmp_path: Path) -> None:
    """4 x 25 concurrent purchases: all 100 are there and every balance is the serial one."""
    path = tmp_path / "market.db"
    buyers = [f"buyer-{number}" for number in range(4)]
    listings = [f"layer-{number}" for number in range(25)]
    with make_market(path, credits={"bob": 0} | dict.fromkeys(buyers, 1000)) as market:
        for listing in listings:
            publish_example(market, "bob", listing)
        price = market.listing(listings[0]).price_nanos
    processes = [
        SPAWN.Process(
            target=buy_loop, args=(f"sqlite:///{path}", buyer, listings, tmp_path / f"{buyer}.ack")
        )
        for buyer in buyers
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    with Market.open(f"sqlite:///{path}", create=False) as market:
        assert market.verify() == []
        assert len(purchases(market)) == 100
        spent = {market.account(buyer).balance_nanos for buyer in buyers}
        assert spent == {1000 * 10**9 - 25 * price}
        fee = -(-price // 10)
        assert market.account("platform").balance_nanos == 100 * fee
        assert market.account("bob").balance_nanos == 100 * (price - fee)


def test_a_killed_writer_leaves_a_verified_ledger(tmp_path: Path) -> None:
    """After kill -9 in mid-loop: everything that was confirmed is there, nothing is half there."""
    path = tmp_path / "market.db"
    make_market(path, credits={"ada": 0}).close()
    acknowledged = tmp_path / "ack"
    acknowledged.touch()
    writer = SPAWN.Process(
        target=fund_loop, args=(f"sqlite:///{path}", "ada", 7, acknowledged), daemon=True
    )
    writer.start()
    deadline = time.monotonic() + 30
    while acknowledged.read_text().count("\n") < 20 and time.monotonic() < deadline:
        time.sleep(0.005)
    writer.kill()
    writer.join(10)
    assert writer.exitcode == -signal.SIGKILL
    confirmed = acknowledged.read_text().count("\n")
    assert confirmed >= 20
    with Market.open(f"sqlite:///{path}", create=False) as market:
        assert market.verify() == []
        n_funded = len(market.postings("ada"))
        assert n_funded - confirmed in (0, 1)  # one may be stored without its answer delivered
        assert market.account("ada").balance_nanos == 7 * n_funded
        market.fund("ada", 7, key=f"ada:{confirmed}")  # confirmed before: no second effect
        assert len(market.postings("ada")) == n_funded
