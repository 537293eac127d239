"""Settings of an evolution run: frozen sections with bounds.

Every key is known, typed and bounded here; `load_config` reads them from TOML.

A run's settings from strict TOML: a typing mistake is answered with the nearest key.

The shipped presets are TOML files in `presets/`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from academy.errors import ConfigError, did_you_mean

OPERATORS = (
    "memetic-4",
    "memetic-16",
    "memetic-64",
    "merge",
    "extrapolate",
    "split",
    "ties",
    "dare",
    "knots",
    "spectral",
    "noise",
    "rank-up",
    "rank-down",
    "weights",
    "cma",
    "add",
    "drop",
    "swap",
)


@dataclass(frozen=True)
class RunSection:
    """What is evolved, on what, for how much."""

    base: str = ""
    """Folder or hub id of the base model; empty = the embedded one."""
    base_fingerprint: str = ""
    """If given, the base must be exactly this one."""
    source: str = ""
    """Challenges, as `academy.sources.opening.open_source` reads them; empty = the skills made for
    the base (`academy.skills.curriculum`)."""
    seed: int = 1
    tokens: int = 2_000_000
    """Budget in token-equivalents (forward 1, forward + backward 3), everything included."""
    interactions: int = 0
    """Budget in scored answers of candidates instead, study not counted; 0 = count tokens."""
    threads: int = 2
    """Torch threads; the number can change the last bit of a sum, so it belongs to the run."""

    @property
    def unit(self) -> str:
        """What the budget is counted in, by the key that sets it."""
        return "interactions" if self.interactions else "tokens"

    @property
    def limit(self) -> int:
        """The budget, in its unit."""
        return self.interactions or self.tokens


@dataclass(frozen=True)
class PopulationSection:
    """How many, and how hard they are looked at."""

    size: int = 16
    """Candidates alive per island."""
    births: int = 8
    """Children per island and generation."""
    items: int = 8
    """Select questions per skill and generation."""
    own: float = 0.0
    """Share of a newborn's questions that are of the kind it was made for, the others evenly of
    the rest; who lives is not asked again. 0 = everybody is asked the same in every generation."""
    base_items: int = 0
    """Select questions per skill that the base is measured on; 0 = as many as `items`."""
    audition: float = 0.04
    """Share of the budget kept for the final re-test of the cast on fresh questions."""
    halving: bool = True
    """Judge children that no gradient made on a quarter of the items first; half of them go."""


@dataclass(frozen=True)
class AncestorSection:
    """Radiation: a common ancestor trained jointly, species stacked on it late."""

    share: float = 0.7
    """Part of the budget spent on the ancestor; 0 = founders start from noise on the base."""
    rank: int = 64
    learning_rate: float = 0.003
    rows: int = 64
    """Rows of one step."""
    teacher: str = "learnable"
    """`learnable` asks skills by p(1-p), `hard` by 1-p, `balanced` by (1-p)(p+.25), `even` alike.

    `coevolution` lets a teacher choose skills and levels."""


@dataclass(frozen=True)
class OperatorSection:
    """How children are made."""

    names: tuple[str, ...] = (
        "memetic-16",
        "memetic-64",
        "merge",
        "extrapolate",
        "split",
        "spectral",
        "noise",
        "weights",
    )
    rates: dict[str, float] = field(default_factory=dict)
    """Fixed shares by name, on every island; empty = the bandit chooses among `names`."""
    rank: int = 8
    """Of a species layer."""
    max_layers: int = 3
    learning_rate: float = 0.003
    rows: int = 12
    """Rows of one child in one training step."""
    pull: float = 0.0
    """Weight of the squared distance of a child's update to its parent's."""
    tau: float = 0.15
    """Spread of the log singular values in spectral mutation."""
    rotation: float = 0.05
    noise: float = 0.1
    """Norm of residual noise relative to the update's."""


@dataclass(frozen=True)
class SelectionSection:
    """Who reproduces and who stays."""

    parents: str = "lexicase"
    """`lexicase`, `best` (the highest estimate at the niche), `tournament` or `random`."""
    mates: str = "attraction"
    """`attraction` or `random`."""
    survival: str = "sharing"
    """`sharing`, `nsga3`, `demand`, `top` or `random`."""
    archive: int = 24
    """Capacity of the dominated-novelty archive; 1 = only the best is remembered."""
    demand: str = "even"
    """`even`, `file:PATH` (weights), `trace:PATH` or `trace:PATH?half-life=7d`, or `market`.

    See `academy.selection.demand`; `market` is for runs in a home (`economy.demand`)."""


@dataclass(frozen=True)
class SpeciesSection:
    """When candidates count as of one kind."""

    target: int = 0
    """How many species the threshold is steered to; 0 = no species."""
    grace: int = 2
    """Generations in which a newborn is not culled."""
    stagnation: int = 6
    """Generations without improvement after which a species may be culled."""
    spawning: bool = False
    """Deal children to species by their members' mean demand fitness; else anyone may breed."""


@dataclass(frozen=True)
class IslandSection:
    """Separate demes that exchange clones."""

    count: int = 1
    interval: int = 3
    migrants: int = 1
    topology: str = "ring"
    """`ring` or `random`."""
    operators: tuple[str, ...] = ()
    """One comma-separated list of operators an island; empty = all islands use all."""
    survival: tuple[str, ...] = ()
    """One survival rule an island; empty = the same."""
    skills: tuple[str, ...] = ()
    """One comma-separated list of skills an island asks for; empty = all ask for all."""

    def operators_of(self, number: int) -> tuple[str, ...]:
        """The operators of one island; empty = all."""
        return listed(self.operators[number]) if self.operators else ()

    def skills_of(self, number: int) -> tuple[str, ...]:
        """The skills one island asks for; empty = all."""
        return listed(self.skills[number]) if self.skills else ()


@dataclass(frozen=True)
class RoutingSection:
    """How a finished population answers as one."""

    enabled: bool = True
    cast: int = 0
    """Personas in the cast; 0 = at most one for each skill."""
    genes: float = 0.0
    """Share of the budget spent on evolving routing genes; 0 = the table alone."""


CHOICES: dict[str, tuple[str, ...]] = {
    "ancestor.teacher": ("learnable", "hard", "balanced", "even", "coevolution"),
    "selection.parents": ("lexicase", "best", "tournament", "random"),
    "selection.mates": ("attraction", "random"),
    "selection.survival": ("sharing", "nsga3", "demand", "top", "random"),
    "islands.topology": ("ring", "random"),
}
BOUNDS: dict[str, tuple[float, float]] = {
    "run.tokens": (1_000, 1e15),
    "run.interactions": (0, 1e15),
    "run.threads": (1, 256),
    "run.seed": (0, 2**31 - 1),
    "population.size": (2, 100_000),
    "population.births": (1, 100_000),
    "population.items": (1, 10_000),
    "population.own": (0, 1),
    "population.base_items": (0, 10_000),
    "population.audition": (0, 0.5),
    "ancestor.share": (0, 0.95),
    "ancestor.rank": (1, 1024),
    "ancestor.rows": (1, 65_536),
    "ancestor.learning_rate": (1e-7, 1),
    "operators.rank": (1, 1024),
    "operators.max_layers": (1, 64),
    "operators.learning_rate": (1e-7, 1),
    "operators.rows": (1, 65_536),
    "operators.pull": (0, 1e6),
    "operators.tau": (0, 5),
    "operators.rotation": (0, 5),
    "operators.noise": (0, 10),
    "selection.archive": (1, 100_000),
    "species.target": (0, 10_000),
    "species.grace": (0, 1_000),
    "species.stagnation": (1, 10_000),
    "islands.count": (1, 1_000),
    "islands.interval": (1, 10_000),
    "islands.migrants": (1, 1_000),
    "routing.cast": (0, 100_000),
    "routing.genes": (0, 0.5),
}
MOST_RATE = 1e6
"""Largest share of one operator; only their ratios count."""


@dataclass(frozen=True)
class RunConfig:
    """All sections; `RunConfig()` is the standard preset."""

    run: RunSection = RunSection()
    population: PopulationSection = PopulationSection()
    ancestor: AncestorSection = AncestorSection()
    operators: OperatorSection = OperatorSection()
    selection: SelectionSection = SelectionSection()
    species: SpeciesSection = SpeciesSection()
    islands: IslandSection = IslandSection()
    routing: RoutingSection = RoutingSection()

    def __post_init__(self) -> None:
        for section in fields(self):
            for key in fields(getattr(self, section.name)):
                value = getattr(getattr(self, section.name), key.name)
                _check_value(f"{section.name}.{key.name}", value)
        self._check_operators()
        if self.run.interactions and (self.ancestor.share or self.routing.genes):
            raise ConfigError(
                f"run.interactions is {self.run.interactions}, but an ancestor and routing genes "
                "are paid in tokens: set ancestor.share and routing.genes to 0, or give run.tokens"
            )
        for rule in self.islands.survival:
            known = CHOICES["selection.survival"]
            if rule not in known:
                raise ConfigError(f"islands.survival has {rule!r}: {did_you_mean(rule, known)}")
        for name in ("operators", "survival", "skills"):
            given = getattr(self.islands, name)
            if given and len(given) != self.islands.count:
                raise ConfigError(
                    f"islands.{name} has {len(given)} entries for {self.islands.count} islands: "
                    "give one an island, or none"
                )
        if self.islands.migrants >= self.population.size:
            raise ConfigError(
                f"islands.migrants is {self.islands.migrants}, an island has "
                f"{self.population.size} candidates: let fewer move"
            )

    def _check_operators(self) -> None:
        rates, islands = self.operators.rates, self.islands
        lists = [self.operators.names, tuple(rates), *map(listed, islands.operators)]
        for names in lists:
            for i, name in enumerate(names):
                if name not in OPERATORS:
                    raise ConfigError(
                        f"there is no operator {name!r}: {did_you_mean(name, OPERATORS)}"
                    )
                if name in names[:i]:
                    raise ConfigError(f"operator {name!r} is named twice: name each once")
        if not self.operators.names:
            raise ConfigError("operators.names is empty: name at least one operator")
        for name, rate in rates.items():
            if not 0 <= rate <= MOST_RATE:  # (also refuses NaN)
                raise ConfigError(
                    f"operators.rates.{name} is {rate}: it must be 0 to {MOST_RATE:g}"
                )
        if rates and not any(rates.values()):
            raise ConfigError("operators.rates are all 0: give one operator more")
        if rates and any(map(listed, islands.operators)):
            raise ConfigError(
                "operators.rates and islands.operators exclude each other: fixed rates hold on "
                "every island; keep one"
            )

    def plain(self) -> dict[str, Any]:
        """As JSON would give it back."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data

    def with_(self, **sections: Mapping[str, Any]) -> RunConfig:
        """A copy with some keys of some sections changed."""
        changed = {n: replace(getattr(self, n), **dict(keys)) for n, keys in sections.items()}
        return replace(self, **changed)


def listed(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list; spaces around them do not count."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _check_value(path: str, value: Any) -> None:
    if path in CHOICES and value not in CHOICES[path]:
        raise ConfigError(f"{path} is {value!r}: {did_you_mean(str(value), CHOICES[path])}")
    if path in BOUNDS:
        low, high = BOUNDS[path]
        if not low <= value <= high:  # (also refuses NaN)
            raise ConfigError(f"{path} is {value}: it must be {low:g} to {high:g}")


Section = TypeVar("Section")


def parse_config(data: Mapping[str, Any], origin: str = "the configuration") -> RunConfig:
    """Build a configuration from plain data.

    Raises:
        ConfigError: An unknown key (the nearest is named), a wrong type, a value out of bounds.
    """
    return _parse(RunConfig, data, "", origin)


def preset_names() -> list[str]:
    """The shipped presets."""
    folder = resources.files("academy.evolution") / "presets"
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def load_config(name_or_path: str) -> RunConfig:
    """A preset by name, or a TOML file.

    Raises:
        ConfigError: There is neither, or it is not valid.
    """
    presets = preset_names()
    if name_or_path in presets:
        file = resources.files("academy.evolution") / "presets" / f"{name_or_path}.toml"
        return parse_config(tomllib.loads(file.read_text()), f"preset {name_or_path}")
    path = Path(name_or_path)
    if not path.is_file():
        raise ConfigError(
            f"{name_or_path!r} is neither a file nor a preset: "
            f"{did_you_mean(name_or_path, presets)}"
        )
    try:
        data = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML ({error}): correct it") from None
    return parse_config(data, str(path))


def _parse(kind: type[Section], data: Any, where: str, origin: str) -> Section:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{origin}: {where or 'the top level'} must be a table of keys")
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{where}.{key}" if where else key
        if key not in types:
            raise ConfigError(f"{origin}: there is no key {path!r}: {did_you_mean(key, types)}")
        wanted = types[key]
        values[key] = (
            _parse(wanted, value, path, origin)
            if is_dataclass(wanted) and isinstance(wanted, type)
            else _convert(value, wanted, path, origin)
        )
    return kind(**values)


def _convert(value: Any, wanted: Any, path: str, origin: str) -> Any:
    name = str(getattr(wanted, "__name__", wanted))
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted in (int, float, str, bool) and type(value) is wanted:
        return value
    if name == "tuple" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if name == "dict" and isinstance(value, Mapping):
        return {str(k): _convert(v, float, f"{path}.{k}", origin) for k, v in value.items()}
    plain = {"tuple": "a list of texts", "dict": "a table of numbers"}.get(name, name)
    raise ConfigError(f"{origin}: {path} must be {plain}, not {value!r}")
