"""`continuum market recheck | quarantine | release | revoke`: checking what is claimed.

`continuum market try`: for a day's rent, with the price held, your own questions decide.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.home import BaseOption, MemoryOption, existing_home, resolve_home
from tui.cli.market.options import (
    LayersOption,
    NameArgument,
    exact,
    moment,
)
from tui.cli.market.place import Here, in_market
from tui.cli.tables import credit_text, percent, print_table
from tui.printing import quiet_libraries, say

if TYPE_CHECKING:
    from marketplace.front import MarketLike
    from marketplace.trade.trial import TrialView

ReasonOption = Annotated[str, typer.Option(help="One line: what was found.")]


@in_market(key=True)
def recheck(
    here: Here,
    name: NameArgument,
    receipt: Annotated[
        int | None, typer.Option(help="Its number.", show_default="the headline exam")
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Ask other questions, which its maker cannot have known."),
    ] = False,
    base: BaseOption = None,
    layers: LayersOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Sit a listing's stated exam again, on the very same or on fresh questions, and file it.

    For who may use the layer (a day's rent is enough) and, without paying, for evaluators.
    """
    from economy.recheck import recheck_listing

    quiet_libraries()
    with here.open() as place:
        done = recheck_listing(
            place,
            resolve_home(here.home),
            name,
            receipt=receipt,
            fresh=fresh,
            by=here.account,
            base=base,
            layers=layers,
            key=here.key_or_new("recheck"),
        )
    say(
        f"{name}: {percent(done.n_correct / done.n_questions)} of {done.n_questions} questions, "
        f"base {percent(done.n_base_correct / done.n_questions)}: {done.reason}"
    )
    if not done.passed:
        say("the claim did not hold" + ("" if done.binding else "; an evaluator should re-run it"))
        raise typer.Exit(1)


@in_market(account="platform", key=True)
def quarantine(here: Here, name: NameArgument, reason: ReasonOption) -> None:
    """Stop sale and use of a layer until it is judged; for evaluators."""
    _change(here, "quarantine", name, reason)


@in_market(account="platform", key=True)
def release(here: Here, name: NameArgument, reason: ReasonOption) -> None:
    """Let a quarantined layer be sold and used again; for evaluators."""
    _change(here, "release", name, reason)


@in_market(account="platform", key=True)
def revoke(here: Here, name: NameArgument, reason: ReasonOption) -> None:
    """Stop sale and use of a layer for good; for evaluators, who have buyers paid back.

    For its owner as long as nobody has paid for it: `withdraw` stops sales alone.
    """
    _change(here, "revoke", name, reason)


def _change(here: Here, deed: str, name: str, reason: str) -> None:
    from economy.revocations import refresh

    with here.open() as place:
        change = {
            "quarantine": place.quarantine,
            "release": place.release,
            "revoke": place.revoke,
        }[deed]
        view = change(listing=name, by=here.account, reason=reason, key=here.key_or_new(deed))
        if deed == "revoke":
            refresh(place, resolve_home(here.home))
    say(f"{view.name} version {view.version} is {view.status}")


@in_market(key=True)
def try_layer(
    here: Here,
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
    _memory: MemoryOption = None,
) -> None:
    """Try a layer on your own questions for a day's rent; if it helps enough you may buy it."""
    from economy.trial import run_trial, told

    folder = resolve_home(here.home) if here.market else existing_home(here.home, "library")
    quiet_libraries()
    with here.open() as place:
        _say_price(place, name, here.account)
        done = run_trial(
            place,
            folder,
            name=name,
            buyer=here.account,
            questions=questions,
            n_questions=items,
            min_gain=gain,
            base=base,
            key=here.key or f"{here.account}-tries-{name}",
            agree=lambda measured: yes or _agrees(measured),
        )
    say(f"{name}: {told(done)}; wanted: {done.min_gain} more")
    price = credit_text(done.price_nanos)
    if done.state == "passed":
        say(f"{here.account} paid {price} credits: {name} is yours")
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


@in_market()
def trials(here: Here) -> None:
    """Your trials and what came of them."""
    with here.open() as place:
        rows = [
            (
                x.listing,
                x.state,
                credit_text(x.price_nanos),
                f"{x.n_questions}",
                "-" if x.n_correct is None else f"{x.n_correct}",
                "-" if x.n_base_correct is None else f"{x.n_base_correct}",
                moment(x.ends_at),
            )
            for x in place.trials(here.account)
        ]
    columns = ("listing", "state", "credits", "questions", "right", "base", "ends")
    print_table(f"trials of {here.account}", columns, rows)
