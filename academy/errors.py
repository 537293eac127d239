"""What can go wrong in the Academy; every message is one line: rule, value, remedy.

AcademyError
├── UnknownSkillError
├── ConfigError
├── EmptyChallengesError
├── RunError                      a run cannot start or go on
│   ├── RunSettingsError
│   ├── RunBusyError
│   ├── RunMismatchError
│   └── RunCorruptError
├── ClusterError                  between this process and a cluster
│   ├── ClusterMissingError
│   ├── ClusterSettingsError
│   ├── ClusterUnreachableError
│   ├── ClusterFullError
│   ├── WorkerMismatchError
│   ├── WorkerLostError
│   └── WorkerFailedError
├── DiversityError                archive, species, phylogeny, islands, breeding
│   ├── ArchiveError
│   ├── CensusError
│   ├── PhylogenyError
│   ├── IslandsError
│   └── BreedingError
├── OperatorError                 when a child is made
│   └── SearchStateError
├── SandboxError
│   ├── SandboxUnavailableError
│   └── SandboxLimitsError
├── ScoringError
│   ├── ScoringRefusedError
│   ├── RuleError
│   ├── UnreadableAnswerError
│   ├── ExamFailedError
│   └── RatingsError
│       └── RatingsCorruptError
├── SelectionError
│   ├── ScoresError
│   ├── ObjectivesError
│   ├── UnknownMethodError
│   └── DemandError
├── SourceError                   where challenges come from
│   ├── UnknownSourceError
│   ├── SourceUnavailableError
│   ├── ChallengeSetError
│   ├── SplitOverlapError
│   ├── TooFewQuestionsError
│   └── TeacherStateError
├── StatisticsError
└── TrialError                    two personas compared
    ├── SameGenomeError
    ├── TrialItemsError
    └── TrialScoresError
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence


class AcademyError(Exception):
    """Base of every error the Academy raises on purpose; its text is one line for the user."""


class UnknownSkillError(AcademyError):
    """A skill was named that does not exist."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no skill {name!r}: choose one of {', '.join(known)}")
        self.name = name
        self.known = tuple(known)


class ConfigError(AcademyError):
    """A configuration has an unknown key or an impossible value."""


class EmptyChallengesError(AcademyError):
    """A skill has no question where one is needed."""


class RunError(AcademyError):
    """A run cannot start or go on."""


class RunSettingsError(RunError):
    """A run's settings make no sense together."""


class RunBusyError(RunError):
    """Another process is at the same run."""


class RunMismatchError(RunError):
    """The folder holds a run with other settings."""


class RunCorruptError(RunError):
    """A run's folder holds a file that cannot be read."""


def ends_run(error: BaseException) -> bool:
    """Whether an error has to stop a run: a refusal, a damaged run, a disk that takes no more."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, AcademyError) or full


def cause_of(error: BaseException, most: int = 200) -> str:
    """An error as part of one line, of so many characters at most."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:most]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The remedy for a misspelt name: the nearest known one, or what there is."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(names[:20])}" if names else "there is none to choose"


class ClusterError(AcademyError):
    """Work cannot be done on a cluster."""


class ClusterMissingError(ClusterError):
    """The extra that brings Ray is not installed."""


class ClusterSettingsError(ClusterError):
    """Settings that no cluster could meet."""


class ClusterUnreachableError(ClusterError):
    """Ray does not start here, or there is no cluster at the address."""


class ClusterFullError(ClusterError):
    """No worker got its processors in the time given."""


class WorkerMismatchError(ClusterError):
    """A worker would compute something else than this process: another base, other arithmetic."""


class WorkerLostError(ClusterError):
    """A task lost its worker too often."""


class WorkerFailedError(ClusterError):
    """A worker could not even begin a task."""


class DiversityError(AcademyError):
    """Base of everything that archive, species, islands and breeding refuse; one line."""


class ArchiveError(DiversityError):
    """Results cannot be compared with the archive's, or its saved state is damaged."""


class CensusError(DiversityError):
    """What is told about a population does not fit together."""


class PhylogenyError(DiversityError):
    """A line of descent that cannot be: an unknown parent, or someone born or dead twice."""


class IslandsError(DiversityError):
    """Islands or migrants that make no sense."""


class BreedingError(DiversityError):
    """A wish that no recipe can be made from."""


class OperatorError(AcademyError):
    """An operator was asked for something that makes no sense; its text is one line."""


class SearchStateError(OperatorError):
    """The saved state of a search is damaged, or does not lead to the same point here."""


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting outside its bounds, NaN included.

    Raises:
        OperatorError: It is.
    """
    if not low <= value <= high:
        raise OperatorError(f"{name} is {value}: choose a number from {low} to {high}")


class SandboxError(AcademyError):
    """Untrusted code cannot be run as asked."""


class SandboxUnavailableError(SandboxError):
    """Neither bubblewrap nor Landlock works here, so nothing untrusted is run at all."""


class SandboxLimitsError(SandboxError):
    """A limit is not a positive number."""


class ScoringError(AcademyError):
    """Something cannot be scored as asked."""


class ScoringRefusedError(ScoringError):
    """A kind of challenge is not scored at all here; no score of 0 would be the truth."""


class RuleError(ScoringError):
    """A question states a rule that does not exist, or that cannot score it."""

    def __init__(self, rule: str, cause: str, remedy: str) -> None:
        super().__init__(f"rule {rule!r}: {cause}: {remedy}" if rule else f"{cause}: {remedy}")


class UnreadableAnswerError(ScoringError):
    """A right answer with a tolerance that is not one number."""


class ExamFailedError(ScoringError):
    """Most answers could not be scored: a result would be about the cause, not about a genome."""


class RatingsError(ScoringError):
    """Ratings do not allow what was asked of them."""


class RatingsCorruptError(RatingsError):
    """A ratings file holds a line that cannot be read."""


class SelectionError(AcademyError):
    """Base of everything that selection refuses; its text is one line."""


class ScoresError(SelectionError):
    """Scores or fitness values have the wrong shape or hold something that is no number."""


class ObjectivesError(SelectionError):
    """The objectives of a multi-objective selection cannot be compared."""


class UnknownMethodError(SelectionError):
    """A survival method or an objective was named that does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no {kind} {name!r}: {did_you_mean(name, known)}")


class DemandError(SelectionError):
    """A demand names no skill of ours, or weighs one with something other than a weight."""


class SourceError(AcademyError):
    """A challenge source cannot be used as asked."""


class UnknownSourceError(SourceError):
    """A source, or a part of one, was named that does not exist."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no {what} {name!r}: {did_you_mean(name, sorted(known))}")
        self.name = name


class SourceUnavailableError(SourceError):
    """A source exists but cannot be opened here."""


class ChallengeSetError(SourceError):
    """A file of challenges breaks a rule; the message names file and line."""

    def __init__(self, path: object, line: int | None, cause: str) -> None:
        where = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {cause}")
        self.line = line


class SplitOverlapError(SourceError):
    """Splits share a question, or a sample holds one twice."""


class TooFewQuestionsError(SourceError):
    """A finite source has fewer questions of a skill and split than it takes."""


class TeacherStateError(SourceError):
    """A stored teacher's state does not fit its source."""


class StatisticsError(AcademyError):
    """A statistic was asked of numbers that cannot give it."""


class TrialError(AcademyError):
    """A trial cannot be held."""


class SameGenomeError(TrialError):
    """Both sides are one and the same genome."""

    def __init__(self, name_a: str = "A", name_b: str = "B") -> None:
        super().__init__(
            f"{name_a} and {name_b} are the same genome, so that no question can tell them apart: "
            "name two that differ"
        )


class TrialItemsError(TrialError):
    """The questions of a trial make no sense."""


class TrialScoresError(TrialError):
    """The evaluator gave scores that are none."""
