"""The whole audit in a fresh process, so that its peak of memory is its own.

python -m tests.benchmarks.market_audit FILE        (the benchmark starts it)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from marketplace.market import Market
from tests.benchmarks.market_charges import Charges

LEGS_PER_CHARGE = 4


@dataclass(frozen=True)
class Audited:
    """What one audit took."""

    seconds: float
    extra_mb: float
    """Peak of resident memory above what the open market needs."""
    n_problems: int


def written(folder: Path, n_postings: int) -> Path:
    """A market file with so many postings."""
    path = folder / f"books-{n_postings}.db"
    charges = Charges(f"sqlite:///{path}")
    for first in range(0, n_postings // LEGS_PER_CHARGE, 5000):
        n = min(5000, n_postings // LEGS_PER_CHARGE - first)
        charges.bulk(charges.full(n), 5000)
    charges.close()
    return path


def audited(path: Path) -> Audited:
    """Audit the file in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.market_audit", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Audited(**json.loads(done.stdout))


def _peak_mb() -> float:
    """Greatest resident memory of this program; getrusage would count its parent's before exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def main(path: Path) -> None:
    """Audit and print."""
    with Market.open(f"sqlite:///{path}", create=False) as market:
        market.head()
        before_mb, began = _peak_mb(), time.perf_counter()
        problems = market.verify()
        seconds = time.perf_counter() - began
    found = Audited(seconds, _peak_mb() - before_mb, len(problems))
    print(json.dumps(vars(found)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
