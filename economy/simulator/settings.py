"""The economy that is simulated; the defaults are the vision's economic model.

From the vision: a use costs $0.001, a layer costs $50 to train, the example layer succeeds in
92 % of its uses, is used 10,000 times and has five forks; the platform takes 10 %; 1,000 training
samples cost $1 to $100. Its arithmetic does not close: 10,000 uses at $0.001 are $10, a fifth of
the cost, so ROI is -80 % and not the 20 % it states. The simulation shows what follows from that.
What the vision leaves open (how many buyers, how they choose) is chosen here so that a layer of
average appeal sees about its 10,000 uses in half a year.
"""

from dataclasses import dataclass

from marketplace.errors import InvalidInputError
from marketplace.money import NANOS_PER_CREDIT

DAYS_PER_MONTH = 30
ATTACKS = ("wash", "sybil", "clone", "whitewash")
MAX_MONTHS = 120


@dataclass(frozen=True, slots=True)
class Shock:
    """Demand for one skill multiplied for some days; a very long one is a shift of the mix."""

    day: int
    skill: str
    factor: float
    days: int


@dataclass(frozen=True, slots=True)
class Economy:
    """Everything a simulation depends on besides its code.

    Raises:
        InvalidInputError: Months, attacks or shocks that cannot be simulated.
    """

    months: int = 6
    seed: int = 0
    skills: tuple[str, ...] = ("code-review", "sql", "translation", "writing", "typescript")
    n_buyers: int = 400
    uses_per_day: float = 4.0
    """Of one buyer on an ordinary day."""
    verified: float = 0.10
    """Share of buyers the operator vouches for."""
    report_rate: float = 0.3
    """Share of buyers that report a day's successes and failures."""
    n_creators: int = 12
    layers_per_creator: int = 2
    ask_nanos: int = NANOS_PER_CREDIT // 1000
    """For one use; the vision's $0.001."""
    quality: float = 0.75
    """Success rate of an average layer."""
    best_quality: float = 0.92
    """Success rate of the vision's example; what training approaches."""
    training_nanos: int = 50 * NANOS_PER_CREDIT
    """A layer from scratch."""
    refining_nanos: int = 10 * NANOS_PER_CREDIT
    """A fork or a new version: some 1,000 samples at $0.01."""
    max_forks: int = 5
    page_size: int = 5
    shocks: tuple[Shock, ...] = (
        Shock(day=45, skill="sql", factor=4.0, days=15),
        Shock(day=100, skill="typescript", factor=3.0, days=10_000),
    )
    attacks: tuple[str, ...] = ATTACKS
    """Attackers own a layer each in any case; those named here attack as well."""
    n_wash_accounts: int = 50
    n_sybils: int = 1000
    attack_day: int = 30

    def __post_init__(self) -> None:
        if not 1 <= self.months <= MAX_MONTHS:
            raise InvalidInputError(
                f"months must be 1 to {MAX_MONTHS}, got {self.months}: simulate fewer or more"
            )
        unknown = sorted(set(self.attacks) - set(ATTACKS))
        if unknown:
            raise InvalidInputError(f"unknown attack {unknown[0]!r}: choose from {list(ATTACKS)}")
        lost = sorted({shock.skill for shock in self.shocks} - set(self.skills))
        if lost:
            raise InvalidInputError(
                f"a shock hits skill {lost[0]!r}, which is none of {list(self.skills)}: rename it"
            )

    @property
    def n_days(self) -> int:
        """Days simulated; every day is an epoch."""
        return self.months * DAYS_PER_MONTH

    def demand(self, day: int, skill: str) -> float:
        """Factor on the uses of this skill that day."""
        factor = 1.0
        for shock in self.shocks:
            if shock.skill == skill and shock.day <= day < shock.day + shock.days:
                factor *= shock.factor
        return factor
