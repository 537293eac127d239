"""The market's walk, typed as it stands on its page: three shells, two users, one service."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import FENCE, ROOT

PAGE = ROOT / "docs" / "market.md"
WALK = "## A market in five minutes"
PROGRAM = f"{shlex.quote(sys.executable)} -m tui.cli.main "


def shells() -> list[str]:
    """The walk's blocks, in order: the host's, ada's, bob's, bob's again, the host's head."""
    section = PAGE.read_text(encoding="utf-8").partition(WALK)[2].partition("\n## ")[0]
    return [text for language, text in FENCE.findall(section) if language == "bash"]


def typed(block: str, folder: Path, port: int, env: dict[str, str]) -> str:
    """Run a block's lines in one shell that stops at the first failure; what it printed."""
    lines = block.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    lines = lines.replace(" --questions ", " --yes --questions ")  # he is asked, and does
    lines = lines.replace("/elsewhere", f"{folder}/elsewhere").replace("continuum ", PROGRAM)
    done = subprocess.run(
        ["bash", "-eu"],
        input=lines,
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def members(printed: str) -> list[tuple[str, str]]:
    """The cast as a run prints it, most gained first: each one's name and a niche of its own."""
    rows = re.findall(
        r"^(\w[\w-]*) +(\w+)(?:, \w+)* +([\d.]+) % +\S+(?: %)? +([\d.]+) %", printed, re.M
    )
    rows.sort(key=lambda row: float(row[3]) - float(row[2]))
    return [(name, niche) for name, niche, *_ in rows]


def as_in_this_run(block: str, cast: list[tuple[str, str]]) -> str:
    """The page's personas and their niches under the names that this machine's run gave them.

    A run is the same bit for bit on one kind of processor; another rounds otherwise, and breeds
    others.
    """
    for (persona, niche), told in zip(
        cast, (("shifter", "shift"), ("shouter", "case")), strict=False
    ):
        block = block.replace(f"persona:{told[0]} ", f"persona:{persona} ")
        block = re.sub(
            rf"(--skill |--questions |\"|, ){told[1]}(?=[ :]|$)",
            rf"\g<1>{niche}",
            block,
            flags=re.M,
        )
    return block


@pytest.mark.slow
def test_the_market_walk_does_what_it_says(tmp_path: Path) -> None:
    """A layer is bred, sold, tried, bought, used, bred on and sold; the head agrees; kill -9 too.

    After the walk the service is killed and started again: what it had answered is there.
    """
    serve, ada, bob, child, head, *_ = shells()
    run, ada = (
        "\n".join(ada.splitlines()[:2]),
        "\n".join(line for line in ada.splitlines() if "academy run" not in line),
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("CONTINUUM_")}
    env |= {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path / "user"), "COLUMNS": "200"}
    (tmp_path / "elsewhere").mkdir()
    service, port = _serve(serve, tmp_path, env)
    try:
        cast = members(typed(run, tmp_path, port, env))
        ada, bob, child = (as_in_this_run(block, cast) for block in (ada, bob, child))
        assert "shifter-1" in typed(ada, tmp_path, port, env)
        seller, buyer = (shell.splitlines()[0] for shell in (ada, bob))
        assert "bob bought shouter-1" in typed(bob, tmp_path, port, env)
        *bred, royalties = child.splitlines()
        assert "both is for sale" in typed("\n".join([buyer, *bred]), tmp_path, port, env)
        assert "in ada's shell" in royalties
        assert "shifter-1" in typed(f"{seller}\n{royalties}", tmp_path, port, env)
        assert "books balance" in typed(head, tmp_path, port, env)
        service.kill()
        service.wait()
        service, port = _serve(serve, tmp_path, env)
        assert "shouter-1" in typed(f"{buyer}\ncontinuum market list", tmp_path, port, env)
        verify = head.splitlines()[-1]
        assert "books balance" in typed(verify, tmp_path, port, env)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=30)


def _serve(block: str, folder: Path, env: dict[str, str]) -> tuple[subprocess.Popen[str], int]:
    """The block's command in the background, on a free port."""
    words = shlex.split(block, comments=True)[1:]
    service = subprocess.Popen(
        [sys.executable, "-m", "tui.cli.main", *words, "--port", "0"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    return service, int(service.stdout.readline().rpartition(":")[2])
