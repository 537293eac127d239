"""`continuum market list | search | show | quote`: what is for sale and what it costs.

`continuum market demand`: what users want, as the file that `academy run` reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.hints import hint
from tui.cli.home import BaseOption, resolve_home
from tui.cli.market.options import MaxPriceOption, NameArgument, exact, moment
from tui.cli.market.place import Here, in_market, open_market, speaker
from tui.cli.tables import credit_text, nanos_of, percent, print_facts, print_table
from tui.printing import say

DAY_S = 86_400.0

if TYPE_CHECKING:
    from marketplace.listing.listing import ListingView


@in_market(account=None)
def list_listings(
    here: Here, limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 50
) -> None:
    """Everything for sale, by name."""
    with here.open() as place:
        found = list(place.listings(limit=limit + 1))
    _print_listings(here, "for sale", found[:limit])
    if len(found) > limit:
        hint(
            f"these are the first {limit}: find others with `continuum market search`, or raise "
            "--limit"
        )


@in_market(account=None)
def search(
    here: Here,
    words: Annotated[str, typer.Argument(help="Words that name, niche, tags or text hold.")] = "",
    skill: Annotated[str | None, typer.Option(help="Niche, exactly.")] = None,
    base: BaseOption = None,
    licence: Annotated[list[str] | None, typer.Option(help="Any of these.")] = None,
    commercial: Annotated[
        bool, typer.Option("--commercial", help="Only what may be used commercially.")
    ] = False,
    tag: Annotated[list[str] | None, typer.Option(help="All of these.")] = None,
    owner: Annotated[str | None, typer.Option()] = None,
    max_price: MaxPriceOption = None,
    min_reputation: Annotated[float, typer.Option(min=0, max=1)] = 0.0,
    order: Annotated[str, typer.Option(help="rank, price, newest, sales or name.")] = "rank",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    account: Annotated[
        str | None,
        typer.Option(
            "--account",
            "-a",
            envvar="CONTINUUM_ACCOUNT",
            help="Count a search in vain as your wish.",
        ),
    ] = None,
) -> None:
    """Find layers; what nobody offers is noted as demand, without your words."""
    from marketplace.errors import AccountNotFoundError
    from marketplace.listing.listing import Wanted
    from seeds.bases import fingerprint_of

    base_model = None if base is None else fingerprint_of(resolve_home(here.home), base)
    wanted = Wanted(
        base_model=base_model,
        niche=skill,
        owner=owner,
        licences=tuple(licence or ()),
        commercial=commercial,
        tags=tuple(tag or ()),
        min_reputation=min_reputation,
        max_price_nanos=None if max_price is None else nanos_of(max_price),
    )
    with open_market(here.home, here.market, speaker(here.home, here.market, account)) as place:
        page = place.search(words, wanted, order=order, limit=limit)
        if not page.listings and skill and account:
            with suppress(AccountNotFoundError):  # of another market, where it means nothing
                place.record_miss(account=account, skill=skill)
    if not page.listings:
        hint(
            "nothing for sale fits; `continuum market bounty post SKILL --base BASE --accuracy 0.9 "
            "--reward CREDITS` says what you would pay for"
        )
        return
    more = f" of {page.total}" if page.total > len(page.listings) else ""
    _print_listings(here, f"{len(page.listings)}{more} found", page.listings)


@in_market(account=None)
def show(here: Here, name: NameArgument) -> None:
    """Everything about a listing: terms, versions, exams and what others say."""
    with here.open() as place:
        x, terms = place.listing(name), place.terms(name)
        versions, receipts = place.versions(name), place.receipts(name)
        reviews = place.reviews(name)
    print_facts(
        f"{x.name} version {x.version}, {x.status}",
        {
            "description": x.description,
            "owner": x.owner,
            "price": exact(x.price_nanos),
            "rent": f"{exact(terms.rent_day_nanos)} a day" if terms.rent_day_nanos else "",
            "use": f"{exact(terms.use_rate_nanos)} per 1,000 units" if terms.use_rate_nanos else "",
            "reputation": f"{x.reputation:.3f}",
            "sales": str(x.sales),
            "licence": x.licence or "not stated",
            "tags": ", ".join(x.tags),
            "made from": ", ".join(x.parents),
            "nearly": x.near_of or "",
            "base model": f"{_base_names(here).get(x.base_model, 'not here')} ({x.base_model})",
            "digest": x.digest,
        },
    )
    rows = [
        (
            f"{r.id}",
            r.exam,
            r.skill,
            f"{r.version}",
            percent(r.n_correct / r.n_questions),
            "-" if r.n_ancestor_correct is None else percent(r.n_ancestor_correct / r.n_questions),
            percent(r.n_base_correct / r.n_questions),
            f"{r.n_questions}",
            f"{r.n_passed} agreed, {r.n_failed} did not{', REFUTED' if r.refuted else ''}",
        )
        for r in receipts
    ]
    columns = (
        "receipt",
        "exam",
        "skill",
        "version",
        "accuracy",
        "ancestor",
        "base",
        "questions",
        "re-runs",
    )
    print_table("exams", columns, rows)
    if len(versions) > 1:
        facts = [(f"{v.number}", v.status, v.digest[:12], moment(v.published_at)) for v in versions]
        print_table("versions", ("version", "status", "digest", "published"), facts)
    if reviews:
        said = [(r.reviewer, f"{r.n_good}", f"{r.n_bad}", r.text) for r in reviews]
        print_table("reviews", ("by", "good", "bad", "text"), said)


@in_market(account=None)
def quote(
    here: Here,
    name: NameArgument,
    explain: Annotated[bool, typer.Option("--explain", help="Every term of the formula.")] = False,
) -> None:
    """What a listing costs now, and why."""
    with here.open() as place:
        found = place.quote(name)
    say(*([term.line() for term in found.terms] if explain else found.lines))


def _base_names(here: Here) -> dict[str, str]:
    """What bases are called in the home that a command is about, by fingerprint."""
    from genome.bases import Bases

    return Bases(resolve_home(here.home)).names()


def _print_listings(here: Here, title: str, listings: Iterable[ListingView]) -> None:
    names = _base_names(here)
    rows = [
        (
            x.name,
            names.get(x.base_model, x.base_model),
            x.niche,
            credit_text(x.price_nanos),
            f"{x.reputation:.3f}",
            percent(x.accuracy),
            percent(x.base_accuracy),
            str(x.sales),
            x.owner,
        )
        for x in listings
    ]
    columns = (
        "name",
        "for base",
        "niche",
        "credits",
        "reputation",
        "accuracy",
        "base",
        "sales",
        "owner",
    )
    print_table(title, columns, rows)


@in_market(account=None)
def demand(
    here: Here,
    out: Annotated[
        Path | None, typer.Option(help="Write it as JSON for the Academy's `demand` setting.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How far to look back.")] = 30,
    known: Annotated[
        bool, typer.Option("--known", help="Only our own skills, which the Academy can teach.")
    ] = False,
) -> None:
    """What users want per skill: paid use, bounties, and searches in vain."""
    import time

    if out is not None and out.suffix != ".json":
        raise OptionError(f"--out is {out}: name a file that ends in .json")
    with here.open() as place:
        found = place.demand(since=time.time() - days * DAY_S)
    if known:
        from academy.skills.curriculum import is_skill

        found = [x for x in found if is_skill(x.skill)]
    weights = {x.skill: x.weight for x in found if x.weight > 0}
    if out is not None and not weights:
        raise OptionError(
            f"nobody wanted anything in the last {days} days: nothing to write, use even demand"
        )
    print_table(
        f"demand of the last {days} days",
        ("skill", "share", "paid", "in vain", "bounties", "searches in vain"),
        [
            (
                x.skill,
                percent(x.weight),
                exact(x.paid_nanos),
                exact(x.vain_nanos),
                exact(x.bounty_nanos),
                str(x.n_misses),
            )
            for x in found
        ],
    )
    if out is None:
        return
    out.write_text(json.dumps(weights, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    say(f"written to {out}: use it as `demand` in the Academy's configuration")
