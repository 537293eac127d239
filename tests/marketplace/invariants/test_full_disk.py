"""A disk that is full, or fails, confirms nothing and leaves nothing by half (L18).

The limit on a process's file size (RLIMIT_FSIZE) makes the operating system refuse a write in the
middle of the log, wherever the limit happens to be: no device or special right is needed for it.
"""

import multiprocessing
import os
import resource
from pathlib import Path

import pytest
from sqlmodel import Session

from marketplace.errors import MarketError, MarketFileError
from marketplace.ledger.ledger import Posted
from marketplace.market import Market
from tests.support.proving import real
from tests.support.proving.deed import Pay
from tests.support.proving.machine import START, Template

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.support.proving.crew"])
N_TOGETHER = 40


def pays(first: int) -> list[Pay]:
    """A commit's worth of payments."""
    legs = (("ada", -1), ("bob", 1))
    return [Pay(f"pay-{number}", legs) for number in range(first, first + N_TOGETHER)]


def fill(path: Path, limit: int, acknowledged: Path) -> None:
    """Pay until the disk is full, noting every answer; what is refused must say so."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    notes = os.open(acknowledged, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    market = Market.open(f"sqlite:///{path}", create=False)
    for first in range(0, 400 * N_TOGETHER, N_TOGETHER):
        jobs = [market._writer.submit_to(_pay_all, pay) for pay in pays(first)]
        for pay, job in zip(pays(first), jobs, strict=True):
            try:
                assert isinstance(job.result(60), Posted)
            except MarketFileError:
                os._exit(3)
            os.write(notes, f"{pay.key}\n".encode())
    os._exit(4)


def _pay_all(session: Session, items: list[Pay]) -> list[Posted | MarketError]:
    return list(real.post_many(session, [real.entry(pay) for pay in items], at=START))


@pytest.mark.parametrize("room", [1, 5_000, 60_001, 250_000])
def test_a_full_disk_acknowledges_nothing_that_is_not_there(tmp_path: Path, room: int) -> None:
    """All answered payments are stored, groups are whole, and with room again work goes on."""
    template = Template.make(tmp_path, nanos_each=10**6)
    path, acknowledged = template.path, tmp_path / "acknowledged"
    log = path.with_name(f"{path.name}-wal")
    keeper = Market.open(f"sqlite:///{path}", create=False)  # keeps the log from being folded in
    assert keeper.verify() == []
    limit = path.stat().st_size + room
    process = PROCESSES.Process(target=fill, args=(path, limit, acknowledged))
    process.start()
    process.join(120)
    assert process.exitcode == 3, "the disk was never full"
    assert log.exists()
    problems = keeper.verify()
    assert problems == []
    with keeper._database.read() as session:
        stored = real.numbers_by_key(session)
    answered = acknowledged.read_text().split()
    assert set(answered) <= stored.keys()
    first = len(answered) // N_TOGETHER * N_TOGETHER
    with keeper._database.write() as session:
        for pay in pays(first):
            real.do(session, pay, START)
    problems = keeper.verify()
    assert problems == []
    keeper.close()
