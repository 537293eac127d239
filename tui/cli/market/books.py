"""`continuum market fund | wallet | refund | head | verify`: credits and the audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.market.place import REMOTE, Here, in_market, key_store, open_database, open_market
from tui.cli.tables import amount_text, credit_text, nanos_of, print_table
from tui.printing import say

if TYPE_CHECKING:
    from marketplace.front import MarketLike
    from marketplace.ledger.chain import Head
    from marketplace.ledger.journal import PostingView

MAX_HEAD_BYTES = 10_000


@in_market()
def fund(
    here: Here,
    credits_: Annotated[str, typer.Argument(metavar="CREDITS")],
    key: Annotated[str, typer.Option(help="Idempotency key of this grant.")],
    operator: Annotated[
        str | None, typer.Option(help="On a service: the operator's account, which signs.")
    ] = None,
) -> None:
    """Grant play credits to an account; for the market's operator.

    A new account is opened in a home's own market; on a served one its owner opens it first.
    """
    amount_nanos = nanos_of(credits_)
    if here.market is not None and here.market.startswith(REMOTE):
        with open_market(here.home, here.market, operator or here.account) as service:
            service.fund(here.account, amount_nanos, key=key)
        say(f"{here.account} received {credit_text(amount_nanos)} credits")
        return
    with open_database(here.home, here.market) as place:
        if not place.is_served():
            place.open_account(here.account)
        place.fund(here.account, amount_nanos, key=key)
        say(f"{here.account} has {credit_text(place.account(here.account).balance_nanos)} credits")


@in_market(account=None)
def wallet(
    here: Here,
    account: Annotated[
        str | None,
        typer.Argument(envvar="CONTINUUM_ACCOUNT", help="One account's postings."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show the newest so many postings.")] = 50,
) -> None:
    """All balances, or one account's newest postings."""
    with open_market(here.home, here.market, account) as place:
        if account is None:
            rows = [(x.name, amount_text(x.balance_nanos)) for x in place.accounts()]
            print_table("accounts", ("account", "credits"), rows)
            return
        newest, more = _newest(place, account, limit)
        postings = [
            (
                str(p.transfer_id),
                p.kind,
                amount_text(p.amount_nanos),
                amount_text(p.balance_after_nanos),
                p.memo,
            )
            for p in reversed(newest)
        ]
        held = place.account(account).held_nanos
    print_table(
        f"postings of {account}", ("transfer", "kind", "credits", "balance", "memo"), postings
    )
    if more:
        say(f"these are the newest {limit}: raise --limit to see older ones")
    if held:
        say(f"{amount_text(held)} credits are held for trials, bounties, meters or subscriptions")


@in_market(key=True)
def refund(
    here: Here,
    transfer: Annotated[int, typer.Argument(help="Its number, as `wallet ACCOUNT` shows it.")],
    credits_: Annotated[
        str | None,
        typer.Option(
            "--credits", metavar="CREDITS", help="Only so much.", show_default="all of it"
        ),
    ] = None,
) -> None:
    """Give a payment back, from all who received a share; for the market's operator."""
    amount = None if credits_ is None else nanos_of(credits_)
    with here.open() as place:
        made = place.refund(transfer, amount_nanos=amount, key=here.key_or_new("refund"))
    say(f"transfer {transfer} is refunded by transfer {made}")


@in_market(account=None)
def head(
    here: Here,
    file: Annotated[Path, typer.Argument(help="Where to keep it; best on another machine.")],
    account: Annotated[str, typer.Option("--account", "-a", help="Whose key signs.")] = "auditor",
) -> None:
    """Write the signed end of the market's two chains: with it, no rewriting goes unnoticed."""
    from genome.files import write_atomically
    from marketplace.ledger.chain import sign_head

    key = key_store(here.home).create(account)
    with here.open() as place:
        signed = sign_head(place.head(), key.private)
    write_atomically(file, lambda path: _write(path, signed.to_json()))
    say(f"the head of {_ends(signed.head)} is in {file}, signed by {signed.public_key}")


@in_market(account=None)
def verify(
    here: Here,
    head: Annotated[
        Path | None, typer.Option(help="A signed head kept elsewhere; the market must contain it.")
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option(
            metavar="KEY|FILE",
            help="Public key that must have signed the head, or a file with it.",
            show_default="a key of this home",
        ),
    ] = None,
) -> None:
    """Check balances against postings, every other row against the event log, and both chains.

    Who edits the file is found; who makes both chains anew to fit is found with --head only.
    """
    kept = None if head is None else _kept_head(head, _signers(here.home, signer))
    with open_database(here.home, here.market) as place:
        problems = place.verify(kept)
        accounts = len(place.accounts())
    if problems:
        say(*problems)
        raise typer.Exit(1)
    say(f"the books balance: {accounts} accounts, every balance is the sum of its postings")
    if kept is not None:
        say(f"the market still contains the head of {_ends(kept)}")
    if kept is not None and kept.event is None:
        say(
            "that head is of an earlier version and vouches for transfers only: write a new one"
            " with `continuum market head FILE`"
        )


def _newest(place: MarketLike, account: str, limit: int) -> tuple[list[PostingView], bool]:
    """The newest lines of a statement, newest first, and whether there are older ones."""
    from marketplace.ledger.statement import MAX_STATEMENT_LINES

    found: list[PostingView] = []
    cursor: str | None = None
    while len(found) < limit:
        at_once = min(limit - len(found), MAX_STATEMENT_LINES)
        page = place.statement(account, limit=at_once, cursor=cursor)
        found += page.lines
        cursor = page.next
        if cursor is None:
            break
    return found, cursor is not None


def _ends(head: Head) -> str:
    return f"transfer {head.seq}" + ("" if head.event is None else f" and event {head.event}")


def _signers(home: Path | None, signer: str | None) -> list[str]:
    """Public keys that may have signed a head: the named one, or else this home's own."""
    from marketplace.ledger.account_key import check_public_key

    if signer is None:
        return list(key_store(home).accounts().values())
    if Path(signer).is_file():
        signer = _start_of(Path(signer)).strip()
    return [check_public_key(signer)]


def _kept_head(file: Path, signers: list[str]) -> Head:
    from marketplace.ledger.chain import SignedHead, check_head

    return check_head(SignedHead.from_json(_start_of(file)), signers)


def _start_of(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(MAX_HEAD_BYTES).decode("utf-8", errors="replace")


def _write(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")
