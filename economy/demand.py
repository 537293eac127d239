"""The demand that a run in a home follows, the market's among it.

What the market said when the run began is kept in HOME/run/demand.json: a resumed run hears the
same, whatever users have wanted since.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from academy.errors import DemandError
from academy.evolution.config import RunConfig
from academy.run_folder import RunFolder
from academy.selection.demand import Demand, open_demand
from academy.sources.source import ChallengeSource
from genome.files import write_json

REMOTE = ("http://", "https://")


def wanted(config: RunConfig, source: ChallengeSource, home: Path) -> Demand:
    """What users want of each skill of the source, as the settings name it.

    `market` is the home's own market, `market:PLACE` that of another home, a database's address
    or a service's. Skills that the source does not teach are left out.

    Raises:
        DemandError: It cannot be read, or nobody wants any of these skills.
    """
    heard = partial(_heard, home, source.skills)
    return open_demand(config.selection.demand, source.skills, {"market": heard})


def _heard(home: Path, skills: tuple[str, ...], place: str) -> Mapping[str, object]:
    """What the market said when this run began: skill -> weight, those of `skills` alone."""
    folder = RunFolder(home)
    path = folder.path / "demand.json"
    kept = folder.read(path) if path.exists() else {}
    if kept.get("market") != place:
        kept = {"market": place, "weights": _market_demand(home, place)}
        write_json(path, kept)
    known = {skill: weight for skill, weight in kept["weights"].items() if skill in skills}
    if not any(known.values()):
        raise DemandError(f"nobody wants any of {', '.join(skills)} there")
    return known


def _market_demand(home: Path, place: str) -> dict[str, float]:
    """Every skill's weight in the market as it is now, of the last 30 days."""
    from marketplace.client.remote import RemoteMarket
    from marketplace.market import Market

    if place.startswith(REMOTE):
        with RemoteMarket(place) as market:
            return {found.skill: found.weight for found in market.demand()}
    url = place if "://" in place else f"sqlite:///{Path(place or home).absolute() / 'market.db'}"
    with Market.open(url, create=False) as database:
        return {found.skill: found.weight for found in database.demand()}
