"""A run on disk between two generations, and the one before it.

    RUN/layers/<digest>.safetensors     written once, before anything names them
    RUN/state.json                      the newest complete state, with its own sha256
    RUN/state.before.json               the state before that

Every file appears by rename, in this order: layers, old state, new state. So a kill at any
moment leaves a state whose layers are all there; if the newest is damaged the one before it
is used, and the loss is said.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from academy.errors import AcademyError, RunCorruptError
from academy.evolution.config import RunConfig
from academy.evolution.state import Evolution, LayerPool
from academy.training import TokenMeter
from genome.files import write_atomically, write_text

NEWEST, BEFORE = "state.json", "state.before.json"


class Checkpoints:
    """Saves and loads one run's states."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exists(self) -> bool:
        """Whether anything was saved."""
        return any((self.folder / name).exists() for name in (NEWEST, BEFORE))

    def save(self, run: Evolution, pool: LayerPool, tokens: TokenMeter) -> None:
        """Write the state atomically; raises OSError if the disk will not take it."""
        digests = set(run.digests)
        pool.save(digests)
        newest = self.folder / NEWEST
        kept = digests
        if newest.exists():
            kept = digests | _digests(newest)
            write_atomically(self.folder / BEFORE, lambda temporary: _copy(newest, temporary))
        body = json.dumps({"run": run.plain(), "tokens": asdict(tokens)})
        write_text(newest, json.dumps({"sha256": _hash(body), "body": body}))
        pool.keep_only(kept)

    def config(self) -> RunConfig:
        """The settings of the run that was saved.

        Raises:
            RunCorruptError: No state can be used.
        """
        problems = []
        for name in (NEWEST, BEFORE):
            try:
                return _read(self.folder / name)[0].config
            except AcademyError as error:
                problems.append(str(error))
        raise RunCorruptError(
            f"no checkpoint in {self.folder} can be used ({'; '.join(problems)}): start the run "
            "again in another folder"
        )

    def load(self, pool: LayerPool, note: Callable[[str], None]) -> tuple[Evolution, TokenMeter]:
        """The newest state that is whole.

        Args:
            note: Is told when the newest is damaged and the one before it is used.

        Raises:
            RunCorruptError: None of the two can be used.
        """
        problems = []
        for name in (NEWEST, BEFORE):
            path = self.folder / name
            if not path.exists():
                continue
            try:
                run, tokens = _read(path)
                for digest in run.digests:
                    pool.get(digest)
            except AcademyError as error:
                problems.append(str(error))
                continue
            if problems:
                note(f"{problems[0]}; going on from the generation before ({run.generation})")
            return run, tokens
        raise RunCorruptError(
            f"no checkpoint in {self.folder} can be used ({'; '.join(problems) or 'none is there'}"
            "): start the run again in another folder"
        )


def _read(path: Path) -> tuple[Evolution, TokenMeter]:
    try:
        data = json.loads(path.read_text())
        if _hash(data["body"]) != data["sha256"]:
            raise ValueError("its checksum is wrong")
        body: dict[str, Any] = json.loads(data["body"])
        return Evolution.restore(body["run"]), TokenMeter(**body["tokens"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise RunCorruptError(f"the checkpoint {path.name} is damaged ({error})") from None


def _digests(path: Path) -> set[str]:
    try:
        return set(_read(path)[0].digests)
    except AcademyError:
        return set()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
