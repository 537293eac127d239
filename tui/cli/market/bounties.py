"""`continuum market bounty`: a reward, held by the market, for a layer that scores enough."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.home import BaseOption, RequiredBaseOption, resolve_home
from tui.cli.market.options import (
    LayersOption,
)
from tui.cli.market.place import Here, in_market
from tui.cli.tables import credit_text, nanos_of, percent, print_table
from tui.printing import quiet_libraries, say

PARTS = 1_000_000
app = typer.Typer(help="Rewards for layers that are wanted.", no_args_is_help=True)


@app.command()
@in_market(key=True)
def post(
    here: Here,
    skill: Annotated[str, typer.Argument(help="What the wanted layer is good at.")],
    reward: Annotated[
        str, typer.Option(metavar="CREDITS", help="Held until it is earned or expires.")
    ],
    base: RequiredBaseOption,
    accuracy: Annotated[float, typer.Option(help="Share of right answers, such as 0.9.")],
    items: Annotated[int, typer.Option(min=1, help="At least so many questions.")] = 100,
    exam: Annotated[str, typer.Option(help="Which exam decides.")] = "standard",
    days: Annotated[int, typer.Option(min=1)] = 30,
) -> None:
    """Put up a reward."""
    if not 0 < accuracy <= 1:
        raise OptionError(f"--accuracy is {accuracy}: use a share from 0 to 1, such as 0.9")
    from seeds.bases import fingerprint_of

    folder = resolve_home(here.home)
    reward_nanos = nanos_of(reward)
    with here.open() as place:
        bounty = place.bounty_post(
            sponsor=here.account,
            skill=skill,
            base_model=fingerprint_of(folder, base),
            exam=exam,
            min_questions=items,
            min_accuracy_parts=round(accuracy * PARTS),
            reward_nanos=reward_nanos,
            days=days,
            key=here.key_or_new("bounty"),
        )
    say(
        f"bounty {bounty.bounty}: {credit_text(bounty.reward_nanos)} credits for a layer right on"
        f" {percent(accuracy)} of {items} {skill} questions"
    )


@app.command("list")
@in_market(account=None)
def list_bounties(
    here: Here,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
) -> None:
    """What is wanted, and for how much."""
    from tui.cli.market.options import moment

    with here.open() as place:
        rows = [
            (
                str(x.bounty),
                x.skill,
                credit_text(x.reward_nanos),
                percent(x.min_accuracy_parts / PARTS),
                str(x.min_questions),
                x.state,
                moment(x.ends_at),
                x.sponsor,
            )
            for x in place.bounties(open_only=not everything)
        ]
    columns = ("bounty", "skill", "credits", "accuracy", "questions", "state", "ends", "sponsor")
    print_table("wanted", columns, rows)


@app.command()
@in_market(key=True)
def claim(
    here: Here,
    bounty: Annotated[int, typer.Argument(help="Its number.")],
    listing: Annotated[str, typer.Argument(help="The layer that earned it.")],
    base: BaseOption = None,
    layers: LayersOption = None,
) -> None:
    """Claim a reward: its sponsor or an evaluator sits the exam, the maker shows their result."""
    from economy.recheck import claim_bounty

    quiet_libraries()
    with here.open() as place:
        done = claim_bounty(
            place,
            resolve_home(here.home),
            bounty=bounty,
            listing=listing,
            by=here.account,
            base=base,
            layers=layers,
            key=here.key or f"bounty-{bounty}-{listing}-{here.account}",
        )
    say(f"bounty {done.bounty}: {credit_text(done.reward_nanos)} credits paid for {listing}")
