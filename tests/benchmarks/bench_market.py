"""How fast the market is, each measure beside its bar.

    python -m tests.benchmarks.bench_market [--rounds 7] [--quick] [--only ledger search ...]

A full charge has four legs (buyer, seller, ancestor, platform), an idempotency key, a hash chain,
append-only triggers, and somebody who waits until it is on disk; every database syncs each commit.
How long a sync takes differs twentyfold with what the machine does besides, so everything that is
compared takes turns in one run, and the bars are ratios. Parts:

    ledger      submitters of full charges against raw sqlite3 (see `market_rivals`)
    postgresql  the ledger's bulk path against psycopg's executemany; skipped without a server
    search      search, filter and quote over 100,000 listings
    api         a service process on loopback, 50 clients, signed requests
    verify      the whole audit of 1,000,000 postings in a fresh process

The last line is JSON.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.market_audit import audited, written
from tests.benchmarks.market_charges import Charges
from tests.benchmarks.market_rivals import PlainPsycopg, RawSQLite, random_moves
from tests.benchmarks.market_service import charge_all, running
from tests.benchmarks.market_shelf import questions, stocked
from tests.benchmarks.measure import Board, interleaved
from tests.support.private_server import NoServerError, PrivateServer


def ledger(board: Board, folder: Path, rounds: int, scale: int) -> None:
    """Durable charges by many submitters, beside the least a transfer can be."""
    raw = RawSQLite(folder / "raw.db")
    loop = RawSQLite(folder / "loop.db")
    hot = Charges(f"sqlite:///{folder / 'hot.db'}")
    bulk = Charges(f"sqlite:///{folder / 'bulk.db'}")
    cold = Charges(f"sqlite:///{folder / 'cold.db'}", hot=False)
    sizes = {"raw": 40, "loop": 40, "256": 20, "64": 10, "1": 1, "bulk hot": 20, "bulk cold": 20}
    n = {name: size * scale for name, size in sizes.items()}
    moves = random_moves(n["raw"], random.Random(0))
    seconds = interleaved(
        {
            "raw": lambda: raw.transfer(moves),
            "loop": lambda: loop.transfer(moves, loop=True),
            "256": lambda: hot.submit(hot.full(n["256"]), 256),
            "64": lambda: hot.submit(hot.full(n["64"]), 64),
            "1": lambda: hot.submit(hot.full(n["1"]), 1),
            "bulk hot": lambda: bulk.bulk(bulk.full(n["bulk hot"]), 100),
            "bulk cold": lambda: cold.bulk(cold.full(n["bulk cold"]), 100),
        },
        rounds,
    )
    rate = {name: n[name] / taken for name, taken in seconds.items()}
    board.add("raw sqlite3, 100 transfers per commit", rate["raw"], unit="/s")
    for name in ("256", "64", "1"):
        board.add(f"full charges, submitters: {name}", rate[name], unit="/s")
    board.add("full charge, 256 submitters / raw sqlite3", rate["256"] / rate["raw"], ">= 0.30")
    board.add("  / raw sqlite3 statement by statement", rate["256"] / rate["loop"])
    board.add("64 submitters / 1 submitter", rate["64"] / rate["1"], ">= 8")
    board.add("bulk path, 100 charges per commit", rate["bulk hot"], unit="/s")
    board.add(
        "hot platform account / cold accounts", rate["bulk hot"] / rate["bulk cold"], ">= 0.8"
    )
    for one in (raw, loop, hot, bulk, cold):
        one.close()


def postgresql(board: Board, _folder: Path, rounds: int, scale: int) -> None:
    """The bulk path on a durable private server."""
    try:
        server = PrivateServer(durable=True)
    except NoServerError as error:
        print(f"PostgreSQL skipped: {error}")
        return
    with server:
        plain = PlainPsycopg(server.new_database())
        ours = Charges(server.new_database())
        n = 20 * scale
        moves = random_moves(n, random.Random(0))
        seconds = interleaved(
            {
                "plain": lambda: plain.transfer(moves),
                "ours": lambda: ours.bulk(ours.plain(n), 1000),
                "full": lambda: ours.bulk(ours.full(n), 1000),
            },
            rounds,
        )
        board.add("psycopg executemany, 1,000 per commit", n / seconds["plain"], unit="/s")
        board.add("ledger's bulk path, 1,000 per commit", n / seconds["ours"], unit="/s")
        board.add("bulk path / psycopg executemany", seconds["plain"] / seconds["ours"], ">= 0.6")
        board.add("  full charges / psycopg executemany", seconds["plain"] / seconds["full"])
        plain.close()
        ours.close()


def search(board: Board, folder: Path, _rounds: int, scale: int) -> None:
    """What a visitor does: look for something, then ask what the first hit costs."""
    n = 1000 * scale
    market = stocked(folder, n)
    began = time.perf_counter()
    market.search("")
    board.add(f"{n:,} listings: first search", 1e3 * (time.perf_counter() - began), unit="ms")
    taken: dict[str, list[float]] = {"both": [], "search": []}
    for text, wanted in questions(2000):
        began = time.perf_counter()
        page = market.search(text, wanted)
        taken["search"].append(time.perf_counter() - began)
        if page.listings:
            market.quote(page.listings[0].name)
            taken["both"].append(time.perf_counter() - began)
    market.close()
    board.add("search + filter: p50", _percentile_ms(taken["search"], 50), unit="ms")
    board.add("search + filter + quote: p50", _percentile_ms(taken["both"], 50), unit="ms")
    board.add("search + filter + quote: p99", _percentile_ms(taken["both"], 99), "<= 20", "ms")


def api(board: Board, folder: Path, _rounds: int, scale: int) -> None:
    """Signed charges; with a pause of a second, 50 clients make a busy but not a full service."""
    n_clients, n_each = 50, max(4, scale // 2)
    with running(folder, n_clients) as origin:
        charge_all(origin, n_clients, 2, 0.0, "warm")
        for name, pause_s in (("one after the other", 0.0), ("a second apart", 1.0)):
            answers = charge_all(origin, n_clients, n_each, pause_s, name.replace(" ", "-"))
            label = f"api, {n_clients} clients, charges {name}"
            board.add(f"{label}: rate", len(answers.seconds) / answers.elapsed_s, unit="/s")
            board.add(f"{label}: p50", _percentile_ms(answers.seconds, 50), unit="ms")
            board.add(f"{label}: p99", _percentile_ms(answers.seconds, 99), "<= 50", "ms")
            board.add(f"{label}: errors", len(answers.errors), "<= 0")
            for error in answers.errors[:3]:
                print(f"    {error}")


def verify(board: Board, folder: Path, rounds: int, scale: int) -> None:
    """A hundred thousand and a million postings in turn: time per posting and extra memory."""
    few, many = 1000 * scale, 10_000 * scale
    paths = {n: written(folder, n) for n in (few, many)}
    runs = [{n: audited(path) for n, path in paths.items()} for _ in range(min(3, rounds))]
    assert not any(one.n_problems for run in runs for one in run.values())
    seconds = {n: statistics.median(run[n].seconds for run in runs) for n in paths}
    extra = {n: statistics.median(run[n].extra_mb for run in runs) for n in paths}
    board.add(f"verify {many:,} postings", seconds[many], "<= 10", "s")
    board.add(f"verify: extra memory at {few:,} postings", extra[few], unit="MB")
    board.add(f"verify: extra memory at {many:,} postings", extra[many], unit="MB")
    board.add(
        "verify: ten times the postings, extra memory", extra[many] - extra[few], "<= 5", "MB"
    )


PARTS: dict[str, Callable[[Board, Path, int, int], None]] = {
    "ledger": ledger,
    "postgresql": postgresql,
    "search": search,
    "api": api,
    "verify": verify,
}


def _percentile_ms(seconds: Sequence[float], percent: float) -> float:
    return 1e3 * float(np.percentile(seconds, percent))


def main() -> None:
    """Measure the parts asked for and print the board."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--quick", action="store_true", help="a hundredth of the work: a smoke test"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--folder", type=Path, help="where the databases go; a real disk")
    args = parser.parse_args()
    rounds, scale = (2, 1) if args.quick else (args.rounds, 100)
    board = Board("market")
    for part in args.only:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            PARTS[part](board, Path(folder), rounds, scale)
    board.close(rounds=rounds, scale=scale)


if __name__ == "__main__":
    main()
