"""The service killed with -9 under load, again and again: what it answered is stored, once."""

import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from marketplace.client.remote import RemoteMarket
from marketplace.client.transport import Patience
from marketplace.errors import MarketError, ServiceUnreachableError
from marketplace.ledger.keyring import PrivateKey
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from marketplace.trade.charge import Charge, UsageView
from tests.support.cli import continuum
from tests.support.market import publish_example

ROOT = Path(__file__).parents[3]
N_CLIENTS = 16
N_ROUNDS = 5
FUNDS_NANOS = 1000 * NANOS_PER_CREDIT
IMPATIENT = Patience(answer_s=20.0, attempts=2, first_pause_s=0.02, longest_pause_s=0.05)


class Trap:
    """Kills a service with -9 the moment so many more answers have arrived.

    Then a charge has just been acknowledged, and its neighbours in the same commit have not.
    """

    def __init__(self) -> None:
        self.sprung = threading.Event()
        self._lock = threading.Lock()
        self._left = 0

    def set(self, process: subprocess.Popen[str], n_answers: int) -> None:
        """Wait for the next answers of this service."""
        with self._lock:
            self.sprung.clear()
            self._process, self._left = process, n_answers

    def count(self) -> None:
        """An answer arrived."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._process.kill()
                self.sprung.set()


@dataclass
class Client:
    """An account that charges until told to stop, and repeats what was not answered."""

    name: str
    trap: Trap
    key: PrivateKey = field(default_factory=PrivateKey.generate)
    answered: dict[str, UsageView] = field(default_factory=dict)
    n_lost: int = 0
    """Requests that no answer came to; each was repeated with its keys."""
    failure: BaseException | None = None

    def work(self, url: str, stop: threading.Event) -> None:
        """The target of a thread."""
        rng = random.Random(self.name)
        try:
            with RemoteMarket(url, account=self.name, key=self.key, patience=IMPATIENT) as market:
                while not stop.is_set():
                    first, size = len(self.answered), rng.choice((1, 1, 1, 5))
                    self._charge(market, [self._one(rng, first + i) for i in range(size)])
        except BaseException as failure:
            self.failure = failure
            self.trap.sprung.set()

    def _one(self, rng: random.Random, number: int) -> Charge:
        return Charge(self.name, "sorter", rng.randint(1000, 9000), f"use-{number}")

    def _charge(self, market: RemoteMarket, charges: list[Charge]) -> None:
        while True:
            try:
                answers = market.charge_many(charges)
            except ServiceUnreachableError:
                self.n_lost += 1
                time.sleep(0.2)  # the service needs the processor to come back
                continue
            self.trap.count()
            for charge, answer in zip(charges, answers, strict=True):
                assert not isinstance(answer, MarketError), answer
                assert answer.units == charge.units
                self.answered[charge.key] = answer
            return


@contextmanager
def serving(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`continuum market serve` on the home's database, ready; dead with -9 afterwards."""
    words = ["market", "serve", "--port", str(port), "--home", str(home)]
    with (home / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tui.cli.main", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        assert f":{port}" in process.stdout.readline(), (home / "log").read_text()
        yield process
    finally:
        process.kill()
        assert process.wait(10) == -signal.SIGKILL


def free_port(rng: random.Random) -> int:
    """A port that no outgoing connection gets by itself: a client must not meet itself there."""
    while True:
        port = rng.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def found_market(url: str, clients: list[Client]) -> None:
    """A layer for sale, and clients with credits."""
    with Market.open(url) as market:
        market.open_account("seller")
        publish_example(market, "seller", "sorter")
        for client in clients:
            market.register(client.name, client.key.public, key=f"register-{client.name}")
            market.fund(client.name, FUNDS_NANOS, key=f"fund-{client.name}")


def check_books(url: str, clients: list[Client]) -> None:
    """Every answered charge is stored once and nothing else is; all balances follow from them."""
    with Market.open(url, create=False) as market:
        paid_nanos = 0
        for client in clients:
            stored = [p for p in market.postings(client.name) if p.kind == "usage"]
            answered = sorted(client.answered.values(), key=lambda view: view.transfer or 0)
            assert [p.transfer_id for p in stored] == [view.transfer for view in answered]
            assert [-p.amount_nanos for p in stored] == [view.amount_nanos for view in answered]
            assert all(market.has_request(f"{client.name}:{key}") for key in client.answered)
            spent = sum(view.amount_nanos for view in answered)
            assert market.account(client.name).balance_nanos == FUNDS_NANOS - spent
            paid_nanos += spent
        received = sum(market.account(name).balance_nanos for name in ("seller", "platform"))
        assert received == paid_nanos
        assert sum(account.balance_nanos for account in market.accounts()) == 0


@pytest.mark.slow
def test_killed_service_keeps_what_it_answered_and_charges_nobody_twice(tmp_path: Path) -> None:
    """Five rounds under load; clients repeat what was not answered under the same keys."""
    url, rng = f"sqlite:///{tmp_path / 'market.db'}", random.Random(8)
    trap = Trap()
    clients = [Client(f"client-{number}", trap) for number in range(N_CLIENTS)]
    found_market(url, clients)
    port, stop = free_port(rng), threading.Event()
    address = f"http://127.0.0.1:{port}"
    threads = [
        threading.Thread(target=client.work, args=(address, stop), daemon=True)
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for _ in range(N_ROUNDS):
        with serving(tmp_path, port) as process:
            trap.set(process, rng.randint(30, 90))
            assert trap.sprung.wait(60), "the clients got too few answers in a minute"
    with serving(tmp_path, port):
        stop.set()
        for thread in threads:  # what they still wait for is repeated, and answered now
            thread.join(60)
    for client in clients:
        if client.failure is not None:
            raise client.failure
        assert client.n_lost >= N_ROUNDS
    check_books(url, clients)
    audit = continuum("market", "verify", "--home", tmp_path)
    assert audit.code == 0 and "the books balance" in audit.out
