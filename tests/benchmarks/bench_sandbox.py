"""What the sandbox adds to starting an interpreter, per answer.

    python -m tests.benchmarks.bench_sandbox [--rounds 60]

Plain: the same interpreter, `-I -S -c pass`, the fastest start there is. Sandbox: a whole run,
from `Sandbox.run` to decoded values, so it includes one call in a process of its own. All cases
take turns; the medians are compared. `python -c pass`, as one would write it, is there to compare.
On a busy machine elapsed time grows with each of a sandbox's processes that has to wait its turn;
processor time of all processes started, which does not, is given beside it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
from collections.abc import Callable

from academy.errors import SandboxUnavailableError
from academy.sandbox.interpreter import Interpreter
from academy.sandbox.sandbox import KINDS, Kind, Sandbox
from tests.benchmarks.measure import Board, interleaved

CODE = "def f(x):\n    return x\n"
BAR = {"bubblewrap": "<= 2.0", "landlock": ""}


def _sandboxes() -> dict[Kind, Sandbox]:
    found = {}
    for kind in KINDS:
        try:
            found[kind] = Sandbox.tried(kind)
        except SandboxUnavailableError as error:
            print(error)
    return found


def _processor_s(run: Callable[[], object], rounds: int) -> float:
    """Mean processor seconds of the processes that one run starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(rounds):
        run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    python = str(Interpreter.current().program)
    sandboxes = _sandboxes()
    cases: dict[str, Callable[[], object]] = {
        "plain": lambda: subprocess.run([python, "-I", "-S", "-c", "pass"], check=True),
        "with site": lambda: subprocess.run([python, "-c", "pass"], check=True),
    }
    for kind, sandbox in sandboxes.items():
        for n in (1, 11):
            cases[f"{kind} {n}"] = lambda s=sandbox, n=n: s.run(CODE, ["f(1)"] * n)
    seconds = interleaved(cases, rounds)

    processor = {name: _processor_s(run, rounds) for name, run in cases.items()}

    board = Board("sandbox")
    board.add("plain interpreter, -I -S -c pass", 1e3 * seconds["plain"], unit="ms")
    board.add("plain interpreter, -c pass", 1e3 * seconds["with site"], unit="ms")
    for kind in sandboxes:
        one, eleven = seconds[f"{kind} 1"], seconds[f"{kind} 11"]
        board.add(f"{kind}, one call", 1e3 * one, unit="ms")
        board.add(f"{kind}, each further call", 1e2 * (eleven - one), unit="ms")
        board.add(f"{kind}, one call / plain -I -S", one / seconds["plain"], BAR[kind], "x")
        board.add(f"{kind}, one call / plain -c pass", one / seconds["with site"], unit="x")
        used = processor[f"{kind} 1"] / processor["plain"]
        board.add(f"{kind}, one call / plain -I -S, processor time", used, unit="x")
    board.close(rounds=rounds)


if __name__ == "__main__":
    main()
