"""Four writers, killed with -9 again and again: what was answered is stored (L13, L15)."""

import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest

from marketplace.market import Market
from tests.support.proving import real
from tests.support.proving.crew import Observation, Task, observations, work
from tests.support.proving.deed import Deed, Done, ExpireHolds, OpenMandate
from tests.support.proving.machine import Template

N_WRITERS = 4
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.support.proving.crew"])


def round_of_killing(url: str, folder: Path, number: int, orphans: list[Deed]) -> list[Observation]:
    """Let the writers work, kill them at a random moment, and read what they had noted."""
    rng = random.Random(number)
    writers = []
    for place in range(N_WRITERS):
        own = folder / f"{number}-{place}"
        own.mkdir()
        seed = N_WRITERS * number + place
        task = Task(url, own, seed, unanswered=tuple(orphans[place::N_WRITERS]))
        writers.append((own, PROCESSES.Process(target=work, args=(task,), daemon=True)))
    for _, process in writers:
        process.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # every writer has been answered at least once
        if all(len(observations(own)) > 2 for own, _ in writers):
            break
        time.sleep(0.02)
    time.sleep(rng.uniform(0.0, 0.3))
    for _, process in writers:
        process.kill()
    for _, process in writers:
        process.join(10)
        assert process.exitcode == -signal.SIGKILL
    return [one for own, _ in writers for one in observations(own)]


def check_market(url: str, answered: list[Observation]) -> int:
    """Every answer is stored, the audit is clean, and the journal alone gives all balances."""
    with Market.open(url, create=False) as market:
        problems = market.verify()
        assert problems == []
        with market._database.read() as session:
            assert real.not_rebuilt(session) == []
            number_of = real.numbers_by_key(session)
            accounts = real.account_names(session)
    for one in answered:
        if isinstance(one.deed, OpenMandate):
            assert one.deed.name in accounts
        elif not isinstance(one.deed, ExpireHolds) and isinstance(one.outcome, Done):
            stored = tuple(number_of.get(key) for key in real.keys_of(one.deed))
            assert stored == one.outcome.numbers, one
    return len(number_of)


def kill_and_check(folder: Path, n_rounds: int) -> None:
    """The deeds that a killed writer was waiting for are repeated in the next round."""
    template = Template.make(folder, nanos_each=1_000_000)
    url = f"sqlite:///{template.path}"
    answered: list[Observation] = []
    orphans: list[Deed] = []
    n_stored = 0
    for number in range(n_rounds):
        seen = round_of_killing(url, folder, number, orphans)
        answered += [one for one in seen if isinstance(one.outcome, Done)]
        orphans = [one.deed for one in seen if one.outcome is None]
        n_stored = check_market(url, answered)
    assert len(answered) > N_WRITERS * n_rounds
    assert n_stored > len(template.model.journal)


def test_three_rounds_of_killing_lose_nothing(tmp_path: Path) -> None:
    """Acknowledged is a subset of stored, and nothing is stored by half."""
    kill_and_check(tmp_path, 3)


@pytest.mark.slow
def test_thirty_rounds_of_killing_lose_nothing(tmp_path: Path) -> None:
    """The same for longer, with the journal growing."""
    kill_and_check(tmp_path, 30)
