"""Market commands on a home of one's own: what they print, and what they refuse in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from academy.selection import demand
from academy.skills.letters import SKILL_NAMES
from genome.base_model import BaseModel
from genome.library import Library, Manifest, Parent
from marketplace.errors import MarketError
from marketplace.ledger.keyring import PrivateKey
from marketplace.market import Market
from marketplace.store.database import Database
from persona.persona import Persona, PersonaStore
from tests.support.cli import Done, continuum
from tests.support.genome import random_layer
from tests.support.market import publish_example


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """ada sells two layers, bob has credits."""
    with Market.open(f"sqlite:///{tmp_path / 'market.db'}") as market:
        for name in ("ada", "bob"):
            market.open_account(name)
        market.fund("bob", 50 * 10**9, key="start")
        publish_example(market, "ada", "sorter")
        publish_example(market, "ada", "adder")
    return tmp_path


def run(home: Path, *words: object) -> Done:
    done = continuum("market", *words, "--home", home)
    assert "Traceback" not in done.err
    return done


def ok(home: Path, *words: object) -> str:
    done = run(home, *words)
    assert done.code == 0, done
    return done.out


def test_listings_are_listed_searched_shown_and_explained(home: Path) -> None:
    """Each view names price, proof and owner."""
    assert "sorter" in ok(home, "list") and "adder" in ok(home, "list")
    found = ok(home, "search", "sorter")
    assert "sorter" in found and "adder" not in found
    assert "nothing for sale fits" in ok(home, "search", "--skill", "cooking")
    shown = ok(home, "show", "sorter")
    assert "a day" in shown and "per 1,000 units" in shown and "agreed" in shown
    short, long = ok(home, "quote", "sorter"), ok(home, "quote", "sorter", "--explain")
    assert short.startswith("ask ") and len(long.splitlines()) > len(short.splitlines())


def test_buying_pays_once(home: Path) -> None:
    """The same command again charges nothing; another key is refused."""
    assert "bob bought sorter for " in ok(home, "buy", "sorter", "-a", "bob")
    assert "nothing was charged again" in ok(home, "buy", "sorter", "-a", "bob")
    assert "already" in run(home, "buy", "sorter", "-a", "bob", "--key", "other").refusal
    assert "sale" in ok(home, "wallet", "bob")
    assert "seller" in ok(home, "royalties", "-a", "ada")
    assert "cost recovery" in ok(home, "royalties", "-a", "ada", "--cost", "50")


def test_buying_is_one_transaction(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing is found, the price paid and the rest counted in the same view of the market."""
    seen: list[str] = []
    for name in ("read", "transaction"):
        way = getattr(Database, name)

        def noted(self: Database, name: str = name, way: Any = way) -> Any:
            seen.append(name)
            return way(self)

        monkeypatch.setattr(Database, name, noted)
    assert "left" in ok(home, "buy", "sorter", "-a", "bob")
    assert seen == ["read", "transaction"]  # the first by whoever opens a market


def test_rent_use_review_and_subscriptions(home: Path) -> None:
    """Every way to pay is one command; what is covered costs nothing."""
    assert "bob paid" in ok(home, "use", "adder", 5, "-a", "bob")
    assert "bob rents adder for 2 days" in ok(home, "rent", "adder", "--days", 2, "-a", "bob")
    assert "covered by" in ok(home, "use", "adder", 5, "-a", "bob")
    assert "3 good and 1 bad" in ok(
        home, "review", "adder", "--good", 3, "--bad", 1, "--text", "fine", "-a", "bob"
    )
    assert "bob subscribes" in ok(home, "subscribe", 2, "-a", "bob")
    assert "open" in ok(home, "subscriptions", "-a", "bob")
    assert "held" in ok(home, "wallet", "bob")
    assert "0 meters" in ok(home, "sweep")


def test_bundles_bounties_and_compute(home: Path) -> None:
    """Made, listed and paid for."""
    assert "2 layers" in ok(home, "bundle", "create", "both", "sorter", "adder", "-a", "ada")
    assert "both" in ok(home, "bundle", "list")
    assert "bob bought" in ok(home, "bundle", "buy", "both", "-a", "bob")
    assert "bounty" in ok(
        home,
        "bounty",
        "post",
        "sorting",
        "--reward",
        3,
        "--base",
        "tiny-llama",
        "--accuracy",
        0.9,
        "-a",
        "bob",
    )
    number = ok(home, "bounty", "list").splitlines()[2].split()[0]
    refused = run(home, "bounty", "claim", number, "sorter", "-a", "ada").refusal
    assert "no judge" in refused and "bounty claim" in refused  # the maker's word earns nothing
    with Market.open(f"sqlite:///{home / 'market.db'}") as market:
        (receipt,) = market.receipts("sorter")
        market.recheck(
            receipt=receipt.id,
            by="bob",
            n_correct=95,
            n_base_correct=30,
            seed=7,
            questions_digest="f" * 64,
            key="exam",
        )
    assert "paid for sorter" in ok(home, "bounty", "claim", number, "sorter", "-a", "ada")
    assert "gpu" in ok(
        home, "compute", "offer", "gpu", "--ask", 0.001, "--capacity", 10000, "-a", "ada"
    )
    assert "0.0 %" in ok(home, "compute", "list")
    assert "bob paid" in ok(home, "compute", "use", "gpu", 1500, "-a", "bob")
    assert "the books balance" in ok(home, "verify")


def test_a_mandate_spends_up_to_its_cap(home: Path) -> None:
    """Opened, funded, listed, used and taken back."""
    assert "may spend 2.0000 credits" in ok(
        home, "mandate", "open", "shopper", "--cap", 2, "--fund", 1, "-a", "bob"
    )
    assert "2.0000 credits" in ok(home, "mandate", "fund", "shopper", 1, "-a", "bob")
    assert "bob/shopper" in ok(home, "mandate", "list", "-a", "bob")
    ok(home, "use", "sorter", 1000, "-a", "bob/shopper")
    assert "bob has 49." in ok(home, "mandate", "reclaim", "shopper", "-a", "bob")


def test_a_mandate_has_a_key_of_its_own(home: Path) -> None:
    """Made here, or elsewhere and proven; taken back by its owner; nothing secret is printed."""
    ok(home, "mandate", "open", "shopper", "--cap", 2, "--fund", 1, "-a", "bob")
    assert "bob/shopper signs for itself" in ok(home, "mandate", "key", "shopper", "-a", "bob")
    assert "PRIVATE" not in ok(home, "keys") and "bob/shopper" in ok(home, "keys")
    told = continuum("market", "mandate", "ask", "bob/shopper", "--home", home / "elsewhere").out
    words = told.splitlines()[-1].split()[2:]  # `continuum market ...`, as it is to be typed
    assert "bob/shopper signs for itself" in ok(home, *words)
    gone = ok(home, "mandate", "revoke", "shopper", "-a", "bob")
    assert gone.count("no longer speaks for bob/shopper") == 2
    assert "no key did" in ok(home, "mandate", "revoke", "shopper", "-a", "bob")
    assert "bob/shopper" not in ok(home, "keys")
    assert "already registered" in run(home, *words).refusal
    assert "does not exist" in run(home, "mandate", "key", "nothing", "-a", "bob").refusal
    assert "bob/nothing" not in ok(home, "keys")


def test_long_tables_show_their_beginning(home: Path) -> None:
    """Listings by name, postings from the newest; both say that there are more."""
    listed = ok(home, "list", "--limit", 1)
    assert "adder" in listed and "sorter" not in listed and "the first 1:" in listed
    assert "raise" not in ok(home, "list", "--limit", 2)
    ok(home, "buy", "sorter", "-a", "bob")
    newest = ok(home, "wallet", "bob", "--limit", 1)
    assert "sale" in newest and "fund" not in newest and "the newest 1:" in newest
    whole = ok(home, "wallet", "bob", "--limit", 2)
    assert whole.index("fund") < whole.index("sale") and "raise" not in whole


def test_an_epoch_is_closed_once_per_key(home: Path) -> None:
    """The same command again moves nothing."""
    for _ in range(2):
        assert "prices have moved" in ok(home, "epoch", "close", "--key", "monday")
    with Market.open(f"sqlite:///{home / 'market.db'}") as market:
        assert market.epoch() == 1


def test_a_seller_sets_terms_withdraws_and_relists(home: Path) -> None:
    """What is withdrawn is not sold."""
    assert "not for rent" in ok(home, "terms", "sorter", "--rent", 0, "-a", "ada")
    assert "no longer for sale" in ok(home, "withdraw", "sorter", "-a", "ada")
    assert "sorter" in run(home, "buy", "sorter", "-a", "bob").refusal
    assert "is for sale" in ok(home, "relist", "sorter", "-a", "ada")


def test_evaluators_quarantine_release_and_revoke(home: Path) -> None:
    """The platform and whom it appoints; nobody else."""
    assert "quarantined" in ok(home, "quarantine", "sorter", "--reason", "found a trigger")
    assert run(home, "buy", "sorter", "-a", "bob").refusal
    assert run(home, "release", "sorter", "--reason", "no", "-a", "bob").refusal
    ok(home, "appoint", "bob")
    assert "listed" in ok(home, "release", "sorter", "--reason", "false alarm", "-a", "bob")
    assert "revoked" in ok(home, "revoke", "sorter", "--reason", "stolen")


def test_an_epoch_moves_prices_and_an_operator_vouches(home: Path) -> None:
    """Both are single commands."""
    assert "vouched for" in ok(home, "vouch", "bob")
    assert "prices have moved" in ok(home, "epoch", "close")


def test_a_head_kept_elsewhere_finds_a_rewritten_ledger(home: Path, tmp_path: Path) -> None:
    """Verify is green with it, and red when the ledger is another one."""
    kept = tmp_path / "elsewhere" / "head.json"
    signer = ok(home, "head", kept).split()[-1]
    ok(home, "buy", "sorter", "-a", "bob")
    assert "still contains" in ok(home, "verify", "--head", kept, "--signer", signer)
    (tmp_path / "signer.pub").write_text(f"{signer}\n")
    assert "still contains" in ok(
        home, "verify", "--head", kept, "--signer", tmp_path / "signer.pub"
    )
    assert "still contains" in ok(home, "verify", "--head", kept)
    unknown = "signed by a key that is known here"
    stranger = PrivateKey.generate().public
    assert unknown in run(home, "verify", "--head", kept, "--signer", stranger).refusal
    assert "64 lower-case hex" in run(home, "verify", "--head", kept, "--signer", "ada").refusal
    other = tmp_path / "other"
    other.mkdir()
    with Market.open(f"sqlite:///{other / 'market.db'}") as market:
        market.open_account("bob")
        market.fund("bob", 7, key="start")
    assert unknown in run(other, "verify", "--head", kept).refusal
    done = run(other, "verify", "--head", kept, "--signer", signer)
    assert done.code == 1 and "head" in done.out


def test_demand_is_written_as_the_academy_reads_it(home: Path, tmp_path: Path) -> None:
    """Shares per skill; the Academy's own reader accepts the file."""
    skill = SKILL_NAMES[0]
    ok(
        home,
        "bounty",
        "post",
        skill,
        "--reward",
        1,
        "--base",
        "x",
        "--accuracy",
        0.5,
        "-a",
        "bob",
    )
    ok(home, "search", "--skill", "cooking", "-a", "bob")
    out = tmp_path / "demand.json"
    assert "cooking" in ok(home, "demand")
    assert str(out) in ok(home, "demand", "--known", "--out", out)
    assert set(json.loads(out.read_text())) == {skill}
    assert demand.load(out, SKILL_NAMES)[skill] == 1.0


def test_no_digit_of_money_is_lost(home: Path) -> None:
    """What is typed is what is credited; a fraction of a cent is seen in the wallet."""
    ok(home, "fund", "123456789.123456789", "--key", "big", "-a", "ada")
    with Market.open(f"sqlite:///{home / 'market.db'}") as market:
        assert market.account("ada").balance_nanos == 123456789123456789
    assert "123456789.123456789" in ok(home, "wallet")
    ok(home, "use", "sorter", 1, "-a", "bob")
    with Market.open(f"sqlite:///{home / 'market.db'}") as market:
        paid = -market.postings("bob")[-1].amount_nanos
    assert 0 < paid < 10**5
    assert f"-0.{paid:09d}".rstrip("0") in ok(home, "wallet", "bob")


def test_a_payment_is_refunded_whole(home: Path) -> None:
    """Buyer and seller are back where they were."""
    ok(home, "buy", "sorter", "-a", "bob")
    number = ok(home, "wallet", "bob").splitlines()[-1].split()[0]
    assert f"transfer {number} is refunded" in ok(home, "refund", number)
    assert "50.0000" in ok(home, "wallet")
    assert "the books balance" in ok(home, "verify")


def test_a_market_is_migrated_and_moved(home: Path, tmp_path: Path) -> None:
    """Every transfer and the head go along."""
    assert "up to date" in ok(home, "migrate")
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    assert "moved with all of its" in ok(home, "move", target)
    assert continuum("market", "verify", "--market", target).code == 0
    assert run(home, "move", target).refusal  # not over another market


def test_a_search_in_vain_is_the_wish_of_who_is_named_in_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for every other command; an account of another market is no reason to fail."""
    monkeypatch.setenv("CONTINUUM_ACCOUNT", "elsewhere")
    assert "nothing for sale fits" in ok(home, "search", "--skill", "cooking")
    assert "cooking" not in ok(home, "demand")
    monkeypatch.setenv("CONTINUUM_ACCOUNT", "bob")
    ok(home, "search", "--skill", "cooking")
    assert "cooking" in ok(home, "demand")


def test_what_was_revoked_is_said_and_used_no_more(home: Path) -> None:
    """By the list, by `fetch`, and by whoever asks a persona that has it."""
    with Market.open(f"sqlite:///{home / 'market.db'}") as market:
        digest = market.listing("sorter").digest
    PersonaStore(home).save(Persona("sam", "tiny-llama", (digest,)))
    (home / "library").mkdir()
    assert "poisoned" not in ok(home, "revocations")
    ok(home, "revoke", "sorter", "--reason", "poisoned")
    assert "poisoned" in ok(home, "revocations")
    assert "poisoned" in run(home, "fetch", "sorter", "-a", "bob").refusal
    asked = continuum("persona", "ask", "sam", "sort: 2 1", "--home", home)
    assert "must not be used any more" in asked.refusal and "poisoned" in asked.refusal


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("buy", "sortre"), "did you mean 'sorter'"),
        (("buy", "sorter", "-a", "nobody"), "nobody"),
        (("buy", "sorter", "-a", "bob", "--max-price", "0.0001"), "raise the limit"),
        (("buy", "sorter", "-a", "bob", "--max-price", "-1"), "above 0"),
        (("rent", "sorter", "-a", "bob", "--max-price", "nan"), "above 0"),
        (("fund", "0", "--key", "k"), "above 0"),
        (("fund", "1e30", "--key", "k"), "write it such as 0.25"),
        (("fund", "-1", "--key", "k"), "not -1: write it such as 0.25"),
        (("fund", "0.0000000001", "--key", "k"), "at most 9 decimals"),
        (("fund", "a lot", "--key", "k"), "not a lot: write it"),
        (("review", "sorter", "--good", "1", "-a", "bob"), "sorter"),
        (("subscribe", "1e8", "-a", "bob"), "credits"),
        (("bounty", "post", "x", "--reward", "1", "--base", "b", "--accuracy", "2"), "0.9"),
        (("bundle", "create", "b", "sorter", "--discount", "1"), "--discount"),
        (("mandate", "open", "x", "--cap", "1", "-a", "bob/y"), "mandate"),
        (("mandate", "key", "x", "-a", "bob", "--public", "00"), "--proof belong together"),
        (("mandate", "ask", "bob"), "OWNER/NAME"),
        (("verify", "--head", "/nowhere/head.json"), "/nowhere/head.json"),
        (("verify", "--market", "http://127.0.0.1:1"), "database itself"),
        (("list", "--market", "ftp://x"), "ftp://x"),
        (("list", "--market", "http://"), "HOST"),
        (("list", "--market", "sqlite:////nowhere/m.db"), "/nowhere/m.db"),
        (("buy", "x", "--market", "http://127.0.0.1:1"), "continuum market open me"),
        (("demand", "--out", "x.txt"), ".json"),
        (("demand", "--out", "x.json"), "nobody wanted"),
        (("search", "--order", "colour"), "colour"),
        (("quote", "../x"), "../x"),
        (("refund", "9999"), "9999"),
        (("withdraw", "sorter", "-a", "bob"), "sorter"),
        (("serve", "--market", "http://x"), "database"),
        (("serve", "--operator", "nobody", "--port", "0"), "public_key"),
        (("serve", "--host", "0.0.0.0", "--port", "0"), "--origin"),
        (("move", "sqlite:////nowhere/x.db"), "/nowhere/x.db"),
        (("publish", "nothing", "--name", "n", "--skill", "sort"), "nothing"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(
    home: Path, words: tuple[str, ...], said: str
) -> None:
    """No traceback, no half work, the value or the remedy in the words."""
    assert said in run(home, *words).refusal


def test_an_unknown_attack_is_refused(tmp_path: Path) -> None:
    """Before anything is simulated."""
    done = continuum("market", "simulate", "--out", tmp_path / "s", "--attack", "magic")
    assert "magic" in done.refusal


COMMANDS = [
    ("list",),
    ("search", "sort"),
    ("show", "sorter"),
    ("quote", "sorter", "--explain"),
    ("buy", "sorter", "-a", "bob"),
    ("use", "adder", "3", "-a", "bob"),
    ("wallet",),
    ("verify",),
    ("demand",),
    ("keys",),
    ("bounty", "list"),
    ("open", "eve"),
    ("head", "head.json"),
]


def test_commands_on_a_market_load_no_model_library(home: Path) -> None:
    """They start at once: no torch, transformers, peft, faiss, matplotlib or web framework."""
    code = (
        "import sys\nfrom tests.support.cli import continuum\n"
        f"for words in {COMMANDS!r}:\n"
        f"    done = continuum('market', *words, '--home', {str(home)!r})\n"
        "    assert done.code == 0, done\n"
        "heavy = ('torch', 'transformers', 'peft', 'faiss', 'matplotlib', 'fastapi')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=home,
        env=environment,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_wallet_is_that_of_the_account_in_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for every other command; without it, all balances."""
    assert "accounts" in ok(home, "wallet").splitlines()[0]
    monkeypatch.setenv("CONTINUUM_ACCOUNT", "bob")
    assert "postings of bob" in ok(home, "wallet")
    assert "postings of ada" in ok(home, "wallet", "ada")


def test_what_was_bred_names_its_listed_parents_by_itself(
    home: Path, embedded: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A persona of two bought layers, and a child of them; --parent and --no-parents overrule."""
    library = Library.open(home)
    digests = {}
    with Market.open(f"sqlite:///{home / 'market.db'}") as market:
        for seed, name in enumerate(("shift", "shout")):
            layer = random_layer(embedded.model, embedded.fingerprint, seed=seed)
            manifest = Manifest(name=name, base_model=embedded.fingerprint)
            digests[name] = library.add(layer, manifest)
            publish_example(market, "ada", name, digest=digests[name])
    made_of = tuple(Parent(digest) for digest in digests.values())
    child = random_layer(embedded.model, embedded.fingerprint, seed=9)
    line = Manifest(name="child", base_model=embedded.fingerprint, parents=made_of)
    store = PersonaStore(home)
    store.create(Persona("both", embedded.fingerprint, (library.add(child, line),)))
    store.create(Persona("stack", embedded.fingerprint, tuple(digests.values())))
    given: list[set[str]] = []

    def publish_folder(*_: object, parents: Sequence[str], **__: object) -> None:
        given.append(set(parents))
        raise MarketError("far enough")

    monkeypatch.setattr("economy.publish.publish_folder", publish_folder)
    words = ("--name", "mine", "--skill", "sort", "-a", "bob")
    for layer_words in (("persona:both",), ("persona:stack",), ("child",)):
        assert "made from shift, shout" in run(home, "publish", *layer_words, *words).out
    run(home, "publish", "persona:both", *words, "--parent", "sorter")
    run(home, "publish", "persona:both", *words, "--no-parents")
    assert given == [set(digests.values())] * 3 + [{"sorter"}, set()]


def test_what_is_owed_is_shown_and_collected(home: Path) -> None:
    """A seller spent what a revoked layer brought: seen, and paid when there is something."""
    url = f"sqlite:///{home / 'market.db'}"
    with Market.open(url) as market:
        market.open_account("tom")
        publish_example(market, "tom", "dear", ask_nanos=9 * 10**8)
        market.buy(buyer="bob", listing="sorter", key="sale")
        market.buy(buyer="ada", listing="dear", key="spend")
    assert "0 credits owed in all" in ok(home, "owed")
    ok(home, "revoke", "sorter", "--reason", "stolen")
    for words in ((), ("bob",), ("ada", "--collect")):
        shown = ok(home, "owed", *words)
        assert "sorter" in shown and "0 credits owed" not in shown
    assert "0 credits owed in all" in ok(home, "owed", "tom")
    ok(home, "fund", 5, "--account", "ada", "--key", "found")
    assert "1 payments given back" in ok(home, "sweep")
    assert "0 credits owed in all" in ok(home, "owed")
