"""What a deed passes on its way: ten paths, traced through our own files.

    python -m tests.traces HOME      # a finished `continuum demo --tiny`, copied first

Every call of a function of ours is counted, in every thread; so a path over HTTP is walked in one
process. The table stands in docs/architecture.md.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = str(Path(__file__).parents[1])
PACKAGES = tuple(
    f"{ROOT}/{name}/"
    for name in ("academy", "economy", "genome", "marketplace", "persona", "seeds", "tui")
)


@dataclass
class Trace:
    """Frames of ours while something ran."""

    files: set[str] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    is_on: bool = False
    crossings: int = 0
    """Calls from one file of ours into another."""
    depth: int = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """What `sys.setprofile` calls."""
        name = frame.f_code.co_filename
        if (
            not self.is_on
            or event != "call"
            or not name.startswith(PACKAGES)
            or "<" in frame.f_code.co_name
        ):
            return
        self.files.add(name)
        self.functions.add((name, frame.f_code.co_qualname))
        depth, caller, found = 1, frame.f_back, ""
        while caller is not None:
            code = caller.f_code
            if code.co_filename.startswith(PACKAGES):
                depth, found = depth + 1, found or code.co_filename
            caller = caller.f_back
        self.crossings += bool(found) and found != name
        self.depth = max(self.depth, depth)


CURRENT = Trace()
"""One for all threads: each is told of it when it begins."""


def traced(deed: Callable[[], Any]) -> Trace:
    """Do something and see what it passed, in threads that begin from now on too."""
    trace = CURRENT
    trace.files, trace.functions, trace.crossings, trace.depth = set(), set(), 0, 0
    trace.is_on = True
    sys.setprofile(trace)
    try:
        deed()
    finally:
        sys.setprofile(None)
        trace.is_on = False
    return trace


def main(home: Path) -> None:
    """Print one line for each path."""
    threading.setprofile(CURRENT)
    with tempfile.TemporaryDirectory() as folder:
        for name, deed in paths(Path(folder), home).items():
            with suppress(StopIteration):
                trace = traced(deed)
                lines = sum(len(Path(one).read_text().splitlines()) for one in trace.files)
                print(
                    f"| {name} | {len(trace.files)} ({lines / 1000:.1f}k) | {len(trace.functions)}"
                    f" | {trace.crossings} | {trace.depth} |"
                )


def paths(folder: Path, finished: Path) -> dict[str, Callable[[], Any]]:
    """The ten paths, each after everything it needs was done once, so that nothing is imported."""
    from tests.support.cli import continuum

    home = Path(shutil.copytree(finished, folder / "home"))

    def run(*words: object, at: Path | None = None) -> None:
        done = continuum(*words, "--home", at or home)
        assert done.code == 0, done

    from marketplace.market import Market

    with Market.open(f"sqlite:///{home / 'market.db'}") as market:
        names = [view.name for view in market.listings()]
        for who in ("first", "second", "third"):
            market.open_account(who)
            market.fund(who, 10**12, key=f"fund-{who}")
    layer = next(iter(sorted((home / "layers").iterdir())))
    question = "sort the letters of cab"
    run("persona", "create", "traced", "--layer", names[0])
    made = _made(folder, home)
    publish = ["market", "publish", made, "--name", "made", "--skill", "sort", "--account", "third"]
    for warm in (("market", "show", names[0]), ("layer", "search", question), ("layer", "list")):
        run(*warm)
    run("persona", "ask", "traced", question)
    run("market", "buy", names[0], "--account", "first")
    return {
        "`market buy`, local": lambda: run("market", "buy", names[0], "--account", "second"),
        "`market buy`, HTTP": _over_http(folder),
        "one generation": _generation(),
        "`layer import`": lambda: run("layer", "import", layer, at=folder / "other"),
        "`persona ask`": lambda: run("persona", "ask", "traced", question),
        "`layer search`": lambda: run("layer", "search", question),
        "quote (`market show`)": lambda: run("market", "show", names[0]),
        "publish with receipt": lambda: run(*publish),
        "market screen refresh": _screen(home),
        "the demo's closing exam": _exam(home, layer),
    }


def _over_http(folder: Path) -> Callable[[], Any]:
    """A purchase from the client's method to the row and back, in one process."""
    from marketplace.market import Market
    from marketplace.service.serve import create_app
    from marketplace.service.settings import ServiceSettings
    from tests.support.client import ORIGIN, Hosted, InProcess
    from tests.support.trading import put_up

    market = Market.open(f"sqlite:///{folder / 'hosted.db'}")
    market.open_account("bob")
    put_up(market, "bob", "sorter")
    settings = ServiceSettings(origins=(ORIGIN,))
    wire = InProcess(create_app(market, settings)).__enter__()
    here = Hosted(market, wire)
    first, second = here.member("ada", 100), here.member("eve", 100)
    first.buy(buyer="ada", listing="sorter", key="once")
    return lambda: second.buy(buyer="eve", listing="sorter", key="again")


def _screen(home: Path) -> Callable[[], Any]:
    from tui.data.source import HomeSource

    source = HomeSource(home)
    source.market()
    return source.market


def _generation() -> Callable[[], Any]:
    """From the end of one generation of a small run to the end of the next."""
    from academy.evolution.events import Event, GenerationEnded
    from academy.evolution.run import evolve
    from seeds.tokenizer import build_tokenizer
    from tests.support.academy import small_run
    from tests.support.genome import tiny_base

    base: Any = tiny_base(build_tokenizer())
    seen = 0

    def observe(event: Event) -> None:
        nonlocal seen
        seen += isinstance(event, GenerationEnded)
        CURRENT.is_on = seen == 1

    def run() -> None:
        CURRENT.is_on = False
        evolve(small_run(), base=base, observer=observe)

    return run


def _made(folder: Path, home: Path) -> Path:
    """A layer that nobody has listed."""
    from seeds.bases import load_base
    from tests.support.genome import random_layer

    base = load_base(home)
    random_layer(base.model, base.fingerprint, scale=0.01).to_peft(folder / "made")
    return folder / "made"


def _exam(home: Path, layer: Path) -> Callable[[], Any]:
    """A champion on the standard sheet of its skill, beside the bare base."""
    from academy.evaluator import LocalEvaluator
    from academy.exam import exam_sheet
    from economy.examined import examine
    from genome.genome import Genome
    from genome.layer import Layer
    from seeds.bases import load_base

    evaluator = LocalEvaluator(load_base(home))
    genome = Genome.of(Layer.from_peft(layer))
    return lambda: examine(evaluator, genome, "sort", exam_sheet("sort", 20))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
