"""How far one call of the pool has come: what waits, what has arrived, what was lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from academy.distributed.worker import Outcome, Task


@dataclass
class Job:
    """One call of `run`: what waits, what has come, what was lost."""

    tasks: Sequence[Task]
    waiting: deque[int]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Job:
        """Nothing done yet."""
        return cls(tasks, deque(range(len(tasks))))

    @property
    def wanted(self) -> range:
        """All tasks, or those up to the first that failed."""
        failed = [i for i, outcome in self.outcomes.items() if outcome.error is not None]
        return range(min(failed, default=len(self.tasks) - 1) + 1)

    @property
    def finished(self) -> bool:
        return all(i in self.outcomes for i in self.wanted)

    def next(self) -> int | None:
        """The task to hand out next."""
        while self.waiting:
            if (index := self.waiting.popleft()) in self.wanted:
                return index
        return None

    def in_order(self) -> list[Outcome]:
        """Outcomes up to the first error."""
        return [self.outcomes[i] for i in self.wanted]
