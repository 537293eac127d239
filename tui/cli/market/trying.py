"""`continuum market try`: for a day's rent, with the price held, your own questions decide."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.academy.entrants import BaseOption
from tui.cli.home import HomeOption, existing_home, resolve_home
from tui.cli.market.moments import exact, moment
from tui.cli.market.options import AccountOption, KeyOption, MarketOption, NameArgument
from tui.cli.market.place import open_market
from tui.cli.quiet import quiet_libraries
from tui.cli.tables import credit_text, print_table


def try_layer(
    name: NameArgument,
    questions: Annotated[
        str, typer.Option("--questions", "-q", help="A built-in skill, or a JSONL file of yours.")
    ],
    items: Annotated[int, typer.Option(min=1, max=500, help="How many questions.")] = 50,
    gain: Annotated[
        int, typer.Option(min=1, help="Right answers wanted beyond the base model's.")
    ] = 5,
    base: BaseOption = None,
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Try a layer on your own questions for a day's rent; the price is only held meanwhile."""
    from tui.jobs.buyer_trial import run_trial

    folder = resolve_home(home) if market else existing_home(home, "library")
    quiet_libraries()
    with open_market(home, market, account) as place:
        terms = place.terms(name)
        print(
            f"trying {name} costs a day's rent, {exact(terms.trial_nanos)}, which stays paid "
            f"whatever comes out; its price, {exact(terms.price_nanos)}, is held meanwhile"
        )
        done = run_trial(
            place, folder, name=name, buyer=account, questions=questions, n_questions=items,
            min_gain=gain, base=base, key=key or f"{account}-tries-{name}",
        )  # fmt: skip
    print(
        f"{name} answers {done.n_correct} of {done.n_questions} of your questions, "
        f"the base model {done.n_base_correct}; wanted: {done.min_gain} more"
    )
    if done.state == "passed":
        print(f"{account} paid {credit_text(done.price_nanos)} credits: {name} is yours")
    else:
        print(f"{credit_text(done.price_nanos)} credits were released: only the rent was paid")


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
