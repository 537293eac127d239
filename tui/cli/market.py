"""`continuum market`: publish, buy, and look at the books of one home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.amounts import nanos_of
from tui.cli.home import HomeOption, existing_home, market_url
from tui.cli.quiet import quiet_libraries
from tui.cli.tables import credit_text, percent, print_table

if TYPE_CHECKING:
    from marketplace.market import Market

app = typer.Typer(help="Publish, price, buy and audit layers.", no_args_is_help=True)
AccountOption = Annotated[str, typer.Option("--account", "-a", help="Who acts.")]
KeyOption = Annotated[
    str | None,
    typer.Option(help="Idempotency key: repeating a request with its key has no second effect."),
]
NameArgument = Annotated[str, typer.Argument(help="The listing's name.")]


def _open(home: Path | None) -> Market:
    from marketplace.market import Market

    return Market.open(market_url(existing_home(home, "market.db")), create=False)


@app.command("list")
def list_listings(home: HomeOption = None) -> None:
    """Everything for sale."""
    with _open(home) as market:
        rows = [
            (x.name, x.niche, credit_text(x.price_nanos), f"{x.reputation:.3f}",
             percent(x.accuracy), percent(x.base_accuracy), str(x.sales), x.owner)
            for x in market.listings()
        ]  # fmt: skip
    columns = ("name", "niche", "credits", "reputation", "accuracy", "base", "sales", "owner")
    print_table("for sale", columns, rows)


@app.command()
def quote(name: NameArgument, home: HomeOption = None) -> None:
    """What a listing costs now, and why."""
    with _open(home) as market:
        print("\n".join(market.quote(name).lines))


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="A PEFT LoRA folder.")],
    name: Annotated[str, typer.Option(help="What to call it.")],
    skill: Annotated[str, typer.Option(help="Built-in skill to examine it on.")],
    ask: Annotated[float, typer.Option(help="Asking price in credits.")] = 0.1,
    account: AccountOption = "me",
    home: HomeOption = None,
) -> None:
    """Examine a layer on unseen questions and put it up for sale."""
    from tui.jobs.publish import publish_folder

    ask_nanos = nanos_of(ask)
    path = existing_home(home, "market.db")
    quiet_libraries()
    listing = publish_folder(
        path, folder, name=name, skill=skill, ask_nanos=ask_nanos, owner=account
    )
    print(
        f"{listing.name} is for sale at {credit_text(listing.price_nanos)} credits: "
        f"{percent(listing.accuracy)} of {listing.n_questions} unseen {skill} questions, "
        f"base {percent(listing.base_accuracy)}"
    )


@app.command()
def buy(
    name: NameArgument,
    account: AccountOption = "me",
    key: KeyOption = None,
    max_price: Annotated[float | None, typer.Option(help="Refuse to pay more, in credits.")] = None,
    home: HomeOption = None,
) -> None:
    """Buy a layer; it is yours for good."""
    limit = None if max_price is None else nanos_of(max_price)
    with _open(home) as market:
        market.listing(name)  # an unknown name is refused before an unknown account
        bought = market.buy(
            buyer=account, listing=name, key=key or f"{account}-buys-{name}", max_price_nanos=limit
        )
        balance = market.account(account).balance_nanos
    if bought.replayed:
        print(f"{account} bought {name} with this key before: nothing was charged again")
        return
    print(
        f"{account} bought {name} for {credit_text(bought.price_nanos)} credits "
        f"(creator {credit_text(bought.creator_nanos)}, fee {credit_text(bought.fee_nanos)}); "
        f"{credit_text(balance)} left"
    )


@app.command()
def fund(
    credits_: Annotated[float, typer.Argument(metavar="CREDITS")],
    key: Annotated[str, typer.Option(help="Idempotency key of this grant.")],
    account: AccountOption = "me",
    home: HomeOption = None,
) -> None:
    """Grant play credits to an account, opening it if it is new."""
    with _open(home) as market:
        market.open_account(account)
        market.fund(account, nanos_of(credits_), key=key)
        print(f"{account} has {credit_text(market.account(account).balance_nanos)} credits")


@app.command()
def wallet(
    account: Annotated[str | None, typer.Argument(help="One account's postings.")] = None,
    home: HomeOption = None,
) -> None:
    """All balances, or one account's postings."""
    with _open(home) as market:
        if account is None:
            rows = [(x.name, credit_text(x.balance_nanos)) for x in market.accounts()]
            print_table("accounts", ("account", "credits"), rows)
            return
        postings = [
            (str(p.transfer_id), p.kind, credit_text(p.amount_nanos),
             credit_text(p.balance_after_nanos), p.memo)
            for p in market.postings(account)
        ]  # fmt: skip
    print_table(
        f"postings of {account}", ("transfer", "kind", "credits", "balance", "memo"), postings
    )


@app.command()
def verify(home: HomeOption = None) -> None:
    """Check every balance against its postings."""
    with _open(home) as market:
        problems = market.verify()
        accounts = len(market.accounts())
    if problems:
        print("\n".join(problems))
        raise typer.Exit(1)
    print(f"the books balance: {accounts} accounts, every balance is the sum of its postings")
