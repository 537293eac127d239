"""The service as a process: it starts, serves, and stops without breaking a promise."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from marketplace.errors import InvalidInputError, MarketError, NameFormatError
from marketplace.market import Market
from marketplace.service.serve import serve
from tests.support.service import SigningClient, key_of, public_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def process(tmp_path):
    """A service on a free port and its address; ended at the end."""
    url = f"sqlite:///{tmp_path}/market.db"
    command = [sys.executable, "-m", "marketplace.service.serve", url]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [*command, public_of(key_of("operator"))],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "log").open("wb"),
        text=True,
    )
    yield child, child.stdout.readline().strip(), url
    child.kill()
    child.wait(10)


def test_sigterm_finishes_what_is_acknowledged(process):
    """Under load, every grant that was answered is in the books, and the process ends with 0."""
    child, address, url = process
    acknowledged, enough = [], threading.Event()

    def work(number: int) -> None:
        with httpx.Client(base_url=address, timeout=30) as transport:
            operator = SigningClient(transport, key_of("operator"))
            for turn in range(10_000):
                key = f"{number}-{turn}"
                try:
                    answer = operator.change(
                        "POST", "/v1/accounts/ada/grants", {"amount": "1"}, idempotency_key=key
                    )
                except httpx.TransportError:
                    return
                if answer.status_code != 200:
                    assert answer.status_code == 503, answer.text
                    return
                acknowledged.append(key)
                if len(acknowledged) >= 20:
                    enough.set()

    with httpx.Client(base_url=address) as transport:
        body = {"public_key": public_of(key_of("ada"))}
        ada = SigningClient(transport, key_of("ada"))
        assert ada.change("PUT", "/v1/accounts/ada", body).status_code == 200
        assert transport.get("/ready").status_code == 200
    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    assert enough.wait(60)
    child.send_signal(signal.SIGTERM)
    for worker in workers:
        worker.join(30)
    assert child.wait(30) == 0
    with Market.open(url, create=False) as market:
        stored = len(market.postings("ada"))
        assert len(acknowledged) <= stored <= len(acknowledged) + 4
        assert market.verify() == []


def test_taken_port_and_unsignable_address_are_refused(tmp_path, process):
    """One line each, before the market is touched."""
    _, address, _ = process
    url = f"sqlite:///{tmp_path}/other.db"
    with pytest.raises(MarketError, match="choose another --port"):
        serve(url, port=int(address.rpartition(":")[2]))
    with pytest.raises(InvalidInputError, match="--origin"):
        serve(url, host="0.0.0.0", port=0)
    with pytest.raises(NameFormatError, match="public_key"):
        serve(url, port=0, operators=frozenset({"not-a-key"}))
    assert not (tmp_path / "other.db").exists()
