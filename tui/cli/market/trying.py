"""`continuum market try`: for a day's rent, with the price held, your own questions decide."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.home import BaseOption, HomeOption, existing_home, resolve_home
from tui.cli.market.moments import exact, moment
from tui.cli.market.options import AccountOption, KeyOption, MarketOption, NameArgument
from tui.cli.market.place import open_market
from tui.cli.quiet import quiet_libraries
from tui.cli.tables import credit_text, print_table
from tui.printing import say

if TYPE_CHECKING:
    from marketplace.front import MarketLike
    from marketplace.trade.trial import TrialView


def try_layer(
    name: NameArgument,
    questions: Annotated[
        str, typer.Option("--questions", "-q", help="A built-in skill, or a JSONL file of yours.")
    ],
    items: Annotated[int, typer.Option(min=1, max=500, help="How many questions.")] = 50,
    gain: Annotated[
        int, typer.Option(min=1, help="Right answers wanted beyond the base model's.")
    ] = 5,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Buy it without asking if it helps enough.")
    ] = False,
    base: BaseOption = None,
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Try a layer on your own questions for a day's rent; if it helps enough you may buy it."""
    from economy.trial import run_trial, told

    folder = resolve_home(home) if market else existing_home(home, "library")
    quiet_libraries()
    with open_market(home, market, account) as place:
        _say_price(place, name, account)
        done = run_trial(
            place, folder, name=name, buyer=account, questions=questions, n_questions=items,
            min_gain=gain, base=base, key=key or f"{account}-tries-{name}",
            agree=lambda measured: yes or _agrees(measured),
        )  # fmt: skip
    say(f"{name}: {told(done)}; wanted: {done.min_gain} more")
    price = credit_text(done.price_nanos)
    if done.state == "passed":
        say(f"{account} paid {price} credits: {name} is yours")
    elif done.state == "open":
        say(
            f"nothing was bought: {price} credits stay held until {moment(done.ends_at)}, and "
            "until then the same command with --yes buys it"
        )
    else:
        say(f"{price} credits were released: only the rent was paid")


def _say_price(place: MarketLike, name: str, account: str) -> None:
    """What a trial costs before it begins; nothing more where one was begun before."""
    terms = place.terms(name)
    before = next((x for x in place.trials(account) if x.listing == name), None)
    if before is None:
        say(
            f"trying {name} costs a day's rent, {exact(terms.trial_nanos)}, which stays paid "
            f"whatever comes out; its price, {exact(terms.price_nanos)}, is held meanwhile"
        )


def _agrees(measured: TrialView) -> bool:
    """The buyer's word, where there is somebody to ask; nobody there buys nothing."""
    from economy.trial import told

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    price = credit_text(measured.price_nanos)
    return typer.confirm(f"{told(measured)}: buy {measured.listing} for {price} credits?")


def trials(
    account: AccountOption = "me", home: HomeOption = None, market: MarketOption = None
) -> None:
    """Your trials and what came of them."""
    with open_market(home, market, account) as place:
        rows = [
            (x.listing, x.state, credit_text(x.price_nanos), f"{x.n_questions}",
             "-" if x.n_correct is None else f"{x.n_correct}",
             "-" if x.n_base_correct is None else f"{x.n_base_correct}", moment(x.ends_at))
            for x in place.trials(account)
        ]  # fmt: skip
    columns = ("listing", "state", "credits", "questions", "right", "base", "ends")
    print_table(f"trials of {account}", columns, rows)
