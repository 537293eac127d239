"""Datasets of reasoning-gym (Stojanovski et al. 2025) as challenges; extra `[reasoning]`.

Three of its habits are kept out (measured, version 0.1.25):
- items are seeded `Random(seed + index)`, so two seeds share items, up to all of them: splits go
  by the question's hash, and seeds come from the caller's generator;
- `score_answer` gives credit for junk ("1234567890" earns .076 on one-digit sums): the headline
  is strict equality with the stored answer, partial credit is a number of its own;
- `score_answer` raises on odd answers, and for some datasets passes them to `eval`: see
  `academy.sources.reasoning`.

reasoning-gym's partial credit, without its crashes and without running what an answer says.

Measured in version 0.1.25: `score_answer` raises on odd answers (prime_factorization on words,
coin_flip on many digits), and some datasets give the answer of a model to Python's `eval` or to
sympy's parser, which uses it. For those, an answer has to be a plain literal, or arithmetic
whose size is bounded, before it is passed on; a number like 1e99999999 is passed to none.
"""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import math
import random
import re
import signal
import threading
import warnings
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from academy.challenge import Challenge, Split
from academy.errors import SourceUnavailableError, UnknownSourceError
from academy.sources.checks import MAJORITY_FLAG, majority_share

NO_ANSWER = ("boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour")
"""Datasets that store no answer to compare with."""
LEVELS = (1, 2, 3, 4, 5)
CHUNK = 100
"""Items generated under one seed."""
MAJORITY_SEED = 10_000_019
PATIENCE = 10
"""Chunks in a row without a new question after which a dataset counts as used up."""
REMEMBERED = 20_000
"""Entries kept for partial credit, the latest."""


class ReasoningGymSource:
    """Some datasets of reasoning-gym; a skill is a dataset."""

    levels: tuple[int, ...] = LEVELS

    def __init__(
        self, skills: Sequence[str], configs: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Open datasets by name.

        Args:
            configs: By dataset: settings for its standard difficulty, as reasoning-gym names
                them; without, its own defaults.

        Raises:
            SourceUnavailableError: The extra is not installed, or a dataset stores no answers.
            UnknownSourceError: There is no dataset of that name.
        """
        registry = _registry()
        for skill in skills:
            if skill in NO_ANSWER:
                raise SourceUnavailableError(_no_answer(skill))
            if skill == "composite":
                raise SourceUnavailableError(
                    "reasoning-gym's 'composite' only mixes other datasets: name those instead"
                )
            if skill not in registry.DATASETS:
                known = set(registry.DATASETS) - {"composite", *NO_ANSWER}
                raise UnknownSourceError("reasoning-gym dataset", skill, known)
        self.name = "reasoning-gym"
        self.skills: tuple[str, ...] = tuple(skills)
        self._registry = registry
        self._configs = {skill: dict((configs or {}).get(skill, {})) for skill in skills}
        self._entries: OrderedDict[str, tuple[Any, dict[str, Any]]] = OrderedDict()
        self._credit = PartialCredit()
        self._majority: dict[str, float] = {}
        for skill in skills:
            with _quiet_and_seeded(0):
                self._dataset(skill, None, 0)

    @property
    def crashes(self) -> int:
        """How often `score_answer` raised so far; those answers got 0.0."""
        return self._credit.crashes

    def describe(self, skill: str) -> str:
        """Name, category and, once measured, a warning that one answer prevails."""
        self._check(skill)
        with _quiet_and_seeded(0):
            category = self._dataset(skill, None, 0).category
        text = f"{skill.replace('_', ' ')} ({category}, reasoning-gym)"
        share = self._majority.get(skill, 0.0)
        return text + (
            f", one answer is right {share:.0%} of the time" if share >= MAJORITY_FLAG else ""
        )

    def draw(
        self,
        skill: str,
        split: Split,
        n: int,
        rng: np.random.Generator,
        *,
        level: int | None = None,
        exclude: Collection[str] = (),
    ) -> list[Challenge]:
        """Up to `n` questions; level 1 is the first step of the dataset's own curriculum.

        Raises:
            SourceUnavailableError: The dataset gave an item without an answer.
        """
        self._check(skill)
        if level is not None and level not in LEVELS:
            raise UnknownSourceError("level", str(level), [str(known) for known in LEVELS])
        chosen: list[Challenge] = []
        taken, idle = set(exclude), 0
        while len(chosen) < n and idle < PATIENCE:
            idle += 1
            for challenge in self._chunk(skill, level, int(rng.integers(2**31))):
                if challenge.split == split and challenge.id not in taken:
                    taken.add(challenge.id)
                    chosen.append(challenge)
                    idle = 0
                    if len(chosen) == n:
                        break
        return chosen

    def partial_credit(self, challenge: Challenge, response: str) -> float | None:
        """What reasoning-gym itself would give, in [0, 1]; None for a question not drawn here.

        Never the headline: junk around the right answer earns some.
        """
        if challenge.id not in self._entries:
            return None
        dataset, entry = self._entries[challenge.id]
        return self._credit.score(dataset, entry, challenge.skill, response)

    def majority_share(self, skill: str, n: int = 200) -> float:
        """The share of a dataset's commonest answer among `n` items of standard difficulty."""
        self._check(skill)
        if skill not in self._majority:
            chunks = (self._chunk(skill, None, MAJORITY_SEED + i) for i in range(0, n, CHUNK))
            sample = itertools.islice(itertools.chain.from_iterable(chunks), n)
            self._majority[skill] = majority_share(list(sample))
        return self._majority[skill]

    def _check(self, skill: str) -> None:
        if skill not in self.skills:
            raise UnknownSourceError("skill", skill, self.skills)

    def _dataset(self, skill: str, level: int | None, seed: int) -> Any:
        fixed = {"seed": seed, "size": CHUNK}
        if level is None or skill not in self._registry.CURRICULA:
            try:
                return self._registry.create_dataset(skill, **fixed, **self._configs[skill])
            except (TypeError, AssertionError, ValueError) as error:
                raise SourceUnavailableError(
                    f"reasoning-gym refuses the settings of {skill!r} ({error}): see its README"
                ) from error
        curriculum = self._registry.create_curriculum(skill)
        curriculum.set_global_level(level - 1)
        dataset_class = self._registry.DATASETS[skill][0]
        return dataset_class(config=curriculum.generate_configuration(fixed))

    def _chunk(self, skill: str, level: int | None, seed: int) -> Iterator[Challenge]:
        """The items of one seed, made as they are asked for: some take a third of a second."""
        with _quiet_and_seeded(seed):
            dataset = self._dataset(skill, level, seed)
        for i in range(CHUNK):
            with _quiet_and_seeded(seed + i):
                entry = dataset[i]
            if not isinstance(entry["answer"], str):
                raise SourceUnavailableError(_no_answer(skill))
            challenge = Challenge(
                entry["question"], entry["answer"], skill, dataset.category, licence="Apache-2.0"
            )
            self._remember(challenge.id, dataset, entry)
            yield challenge

    def _remember(self, id: str, dataset: Any, entry: dict[str, Any]) -> None:
        self._entries[id] = (dataset, entry)
        while len(self._entries) > REMEMBERED:
            self._entries.popitem(last=False)


def _registry() -> Any:
    """reasoning-gym's own table of datasets."""
    try:
        import reasoning_gym.factory as registry
    except ImportError:
        raise SourceUnavailableError(
            "reasoning-gym is not installed: pip install 'continuum-personas[reasoning]'"
        ) from None
    return registry


def _no_answer(skill: str) -> str:
    return (
        f"reasoning-gym's {skill!r} stores no answer, so nothing can be matched exactly: leave it "
        "out, or bring its questions with answers as jsonl"
    )


@contextlib.contextmanager
def _quiet_and_seeded(seed: int) -> Iterator[None]:
    """A few datasets print, or use the global generators: neither may show outside."""
    python, arrays = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)


MAX_ANSWER = 4000
SECONDS = 5.0
"""Longest that an answer parsed as a formula may keep a dataset busy."""
LITERALS = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
"""Datasets that evaluate an answer as a Python list."""
FORMULAS = frozenset(
    {
        "countdown",
        "intermediate_integration",
        "polynomial_multiplication",
        "puzzle24",
        "simple_integration",
    }
)
"""Datasets that have sympy parse an answer."""
_FORMULA = re.compile(r"[0-9A-Za-z+\-*/^(). ,]{1,300}")
_WORDS = frozenset({"sin", "cos", "tan", "exp", "log", "sqrt", "sinh", "cosh", "atan", "asin"})
_HUGE_EXPONENT = re.compile(r"\d[eE][-+]?\d{4,}")
_POWER = re.compile(r"(?:\*\*|\^)\s*(?![0-9]{1,2}(?![0-9.\s]*(?:\*\*|\^))(?![0-9A-Za-z.]))")
"""A power whose exponent is anything but one or two digits, not raised again."""


class PartialCredit:
    """Asks a dataset for its credit and counts how often that went wrong."""

    def __init__(self) -> None:
        self.crashes = 0
        """Answers on which `score_answer` raised."""

    def score(self, dataset: Any, entry: dict[str, Any], skill: str, response: str) -> float:
        """Credit in [0, 1]; 0.0 for an answer the dataset fails on or must not see."""
        if not may_be_scored(skill, response):
            return 0.0
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                with _at_most(SECONDS) if skill in FORMULAS else contextlib.nullcontext():
                    credit = float(dataset.score_answer(response, entry))
        except (Exception, SystemExit):
            self.crashes += 1
            return 0.0
        return min(1.0, max(0.0, credit)) if math.isfinite(credit) else 0.0


def may_be_scored(skill: str, response: str) -> bool:
    """Whether a dataset's `score_answer` may see this answer."""
    if len(response) > MAX_ANSWER or _HUGE_EXPONENT.search(response):
        return False
    if skill in FORMULAS:
        return _is_small_formula(response)
    if skill in LITERALS and not response.isalnum():
        return _is_literal(response)
    return True


def _is_literal(response: str) -> bool:
    """Brackets, texts and numbers only: what `eval` turns into data and nothing else.

    Anything that does not parse cannot be evaluated either, and is as harmless.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(response.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return True
    allowed = (
        ast.Expression,
        ast.List,
        ast.Tuple,
        ast.Constant,
        ast.Load,
        ast.UnaryOp,
        ast.USub,
    )
    return all(isinstance(node, allowed) for node in ast.walk(tree))


def _is_small_formula(response: str) -> bool:
    """Arithmetic over numbers, single letters and a few functions, with small powers only."""
    if not _FORMULA.fullmatch(response):
        return False
    words = re.findall(r"[A-Za-z]+", response)
    if any(len(word) > 1 and word not in _WORDS for word in words):
        return False
    if re.search(r"\.\s*[A-Za-z(]", response):  # an attribute
        return False
    if len(re.findall(r"\)\s*(?:\*\*|\^)", response)) > 1:  # powers of powers
        return False
    return len(re.findall(r"\*\*|\^", response)) <= 12 and _POWER.search(response) is None


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Interrupt Python code that takes longer, where signals can: in the main thread.

    Sympy may simplify an innocent-looking answer for minutes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(_: int, __: object) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
