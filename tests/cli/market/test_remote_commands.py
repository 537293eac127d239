"""Two users and one service, by the commands they type: the real server in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from genome.library import Library
from genome.validate import check_folder
from marketplace.client.remote import RemoteMarket
from marketplace.ledger.keyring import KeyStore
from marketplace.market import Market
from marketplace.receipt import ReceiptFacts
from tests.support.cli import Done, continuum
from tests.support.hostile import write_valid


@dataclass
class Town:
    """A service and the homes of its users."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    def home(self, user: str) -> Path:
        return self.folder / user

    def run(self, user: str, *words: object) -> Done:
        return continuum("market", *words, "--home", self.home(user), "--market", self.url)

    def ok(self, user: str, *words: object) -> str:
        done = self.run(user, *words)
        assert done.code == 0, done
        return done.out


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A running `continuum market serve`, with the operator's key in its home."""
    folder = tmp_path_factory.mktemp("town")
    KeyStore(folder / "host" / "keys", lambda: None).create("operator")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tui.cli.main",
            "market",
            "serve",
            "--port",
            "0",
            "--home",
            str(folder / "host"),
            "--operator",
            "operator",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    yield Town(first.split()[-1], folder, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def digest(town: Town) -> str:
    """ada has an account, and a layer for sale; bob has an account and credits."""
    for user in ("ada", "bob"):
        assert f"account {user} is open" in town.ok(user, "open", user)
    assert "bob received 9.0000" in town.ok(
        "host", "fund", 9, "--key", "gift", "-a", "bob", "--operator", "operator"
    )
    layer = write_valid(town.folder / "layer")
    with check_folder(layer) as checked:
        found = checked.digest
    key = KeyStore(town.home("ada") / "keys", lambda: None).load("ada")
    with RemoteMarket(town.url, account="ada", key=key) as market:
        market.upload_layer(found, layer)
        market.publish(
            owner="ada",
            name="sql",
            digest=found,
            base_model="tiny",
            niche="sql",
            ask_nanos=10**8,
            key="publish-sql",
            receipt=ReceiptFacts(skill="sql", n_questions=100, n_correct=80, n_base_correct=30),
        )
    return found


def test_a_buyer_finds_pays_and_has_the_layer(town: Town, digest: str) -> None:
    """Search, explain, buy; the layer is then in the buyer's own library, checked."""
    assert "sql" in town.ok("bob", "search", "sql")
    assert "reputation L" in town.ok("bob", "quote", "sql", "--explain")
    assert "not" in town.run("bob", "fetch", "sql", "-a", "bob").refusal
    out = town.ok("bob", "buy", "sql", "-a", "bob")
    assert "bob bought sql for" in out and "in the library" in out
    assert digest in Library.open(town.home("bob"))
    again = town.ok("bob", "buy", "sql", "-a", "bob")
    assert "nothing was charged again" in again and "in the library" not in again
    assert "already" in town.ok("bob", "fetch", "sql", "-a", "bob")
    assert "sale" in town.ok("bob", "wallet", "bob")


def test_credits_before_the_account_strand_nowhere(town: Town, digest: str) -> None:
    """The host is told what the owner types first; after it the same grant arrives."""
    at_host = ("market", "fund", 5, "--key", "hello", "-a", "zoe", "--home", town.home("host"))
    assert "continuum market open zoe" in continuum(*at_host).refusal
    by_operator = ("fund", 5, "--key", "hi", "-a", "zoe", "--operator", "operator")
    assert "continuum market open zoe" in town.run("host", *by_operator).refusal
    assert "with 0.0000 credits" in town.ok("zoe", "open", "zoe")
    assert "zoe has 5.0000" in continuum(*at_host).out
    assert "zoe received 5.0000" in town.ok("host", *by_operator)
    assert "10.0000" in town.ok("zoe", "wallet", "zoe")


def test_an_account_from_before_the_service_is_claimed_by_its_owner(
    town: Town, digest: str
) -> None:
    """What the refusal prints works when the host types it; the owner's key then speaks."""
    with Market.open(f"sqlite:///{town.home('host') / 'market.db'}") as market:
        market.open_account("old")
    printed = town.run("old", "open", "old").refusal.rpartition("`CONTINUUM_MARKET= ")[2]
    words = printed.rstrip("`").split()[1:]
    assert "speaks for it" in continuum(*words, "--home", town.home("host")).out
    assert "account old is open" in town.ok("old", "open", "old")
    assert "exists" in town.run("eve", "open", "old").refusal
    assert "exists" in continuum("market", "open", "old", "--home", town.home("host")).refusal


def test_the_host_opens_accounts_of_its_own_with_a_key(town: Town, digest: str) -> None:
    """On a served market `open` makes one wherever it is typed."""
    done = continuum("market", "open", "house", "--home", town.home("host"))
    assert "its key is" in done.out
    assert "with 0.0000 credits" in town.ok("host", "open", "house")
    assert "postings of house" in town.ok("host", "wallet", "house")


def test_a_refusal_reads_as_at_home(town: Town, digest: str) -> None:
    """One line: the market's own words, or the service's."""
    assert "did you mean 'sql'" in town.run("bob", "quote", "sqll").refusal
    assert "no key of account 'ada'" in town.run("bob", "wallet", "ada").refusal
    assert "continuum market open eve" in town.run("eve", "buy", "sql", "-a", "eve").refusal
    assert "exists" in town.run("eve", "open", "ada").refusal
    assert not KeyStore(town.home("eve") / "keys", lambda: None).has("ada")
    assert "not an operator" in town.run("bob", "fund", 1, "--key", "x", "-a", "bob").refusal
    done = town.run("bob", "buy", "sql", "-a", "bob", "--key", "two words")
    assert "without spaces" in done.refusal


def test_a_key_others_can_read_is_not_used(town: Town, digest: str) -> None:
    """The command stops before anything is signed."""
    town.ok("mia", "open", "mia")
    key = town.home("mia") / "keys" / "mia.pem"
    key.chmod(0o644)
    assert "chmod 600" in town.run("mia", "buy", "sql", "-a", "mia").refusal


def test_keys_are_listed_by_their_public_half(town: Town, digest: str) -> None:
    """Nothing secret is printed."""
    shown = continuum("market", "keys", "--home", town.home("bob"))
    store = KeyStore(town.home("bob") / "keys", lambda: None)
    assert store.load("bob").public in shown.out
    assert "PRIVATE" not in shown.out


def test_a_program_elsewhere_spends_by_a_key_of_its_own(town: Town, digest: str) -> None:
    """It asks, its owner agrees, it uses what it may, and its owner stops it; no key travels."""
    town.ok("bob", "mandate", "open", "agent", "--cap", 1, "--fund", 1, "-a", "bob")
    assert "no key of account" in town.run("agent", "wallet", "bob/agent").refusal
    told = continuum("market", "mandate", "ask", "bob/agent", "--home", town.home("agent")).out
    refused = town.run("agent", "use", "sql", 10, "-a", "bob/agent").refusal
    assert "registered for no account" in refused
    town.ok("bob", *told.splitlines()[-1].split()[2:])
    town.ok("agent", "use", "sql", 10, "-a", "bob/agent")
    assert "no key of account 'bob'" in town.run("agent", "wallet", "bob").refusal
    town.ok("bob", "mandate", "revoke", "agent", "-a", "bob")
    assert "revoked" in town.run("agent", "use", "sql", 10, "-a", "bob/agent").refusal


def test_a_search_in_vain_counts_for_whoever_has_a_key(
    town: Town, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account of the environment; without its key the search is anonymous, not refused."""
    monkeypatch.setenv("CONTINUUM_ACCOUNT", "bob")
    assert "nothing for sale fits" in town.ok("eve", "search", "--skill", "cooking")
    assert "cooking" not in town.ok("host", "demand")
    town.ok("bob", "search", "--skill", "cooking")
    assert "cooking" in town.ok("host", "demand")


def test_the_operators_head_is_kept_elsewhere_and_verified(town: Town, digest: str) -> None:
    """The head comes over the wire, the audit is done on the database while the service runs."""
    kept = town.folder / "head.json"
    assert "signed by" in town.ok("host", "head", kept)
    town.ok("bob", "use", "sql", 10, "-a", "bob")
    done = continuum("market", "verify", "--head", kept, "--home", town.home("host"))
    assert done.code == 0 and "still contains" in done.out


def test_a_revoked_layer_is_named_in_the_home_that_has_it(town: Town, digest: str) -> None:
    """Fetching it again says so instead of `is in the library already`; the list says where."""
    town.ok("bob", "fetch", "sql", "-a", "bob")
    done = continuum("market", "quarantine", "sql", "--reason", "odd", "--home", town.home("host"))
    assert done.code == 0
    assert "is quarantined" in town.run("bob", "fetch", "sql", "-a", "bob").refusal
    revoked = ("market", "revoke", "sql", "--reason", "poisoned", "--home", town.home("host"))
    assert continuum(*revoked).code == 0
    assert "poisoned" in town.run("bob", "fetch", "sql", "-a", "bob").refusal
    listed = town.ok("bob", "revocations")
    assert digest[:12] in listed and "sql" in listed and "poisoned" in listed
    persona = ("persona", "create", "sue", "--layer", "sql", "--home", town.home("bob"))
    assert "must not be used any more" in continuum(*persona).refusal


def test_a_service_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """The address is named, nothing is retried for ever."""
    done = continuum("market", "list", "--market", "http://127.0.0.1:9", "--home", tmp_path)
    assert "http://127.0.0.1:9" in done.refusal
