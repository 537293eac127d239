"""What a run reads from outside itself, so that a resumed run is asked what it was asked before.

Challenge and demand files are remembered by absolute path and sha256, the base by fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from academy.errors import RunMismatchError
from academy.evolution.config import RunConfig
from academy.selection import demand_source
from genome.base_model import BaseModel

JSONL = "jsonl:"


def located(config: RunConfig) -> RunConfig:
    """The same settings with absolute paths, so that they mean the same from any folder."""
    run: dict[str, Any] = {}
    if config.run.source.startswith(JSONL) and config.run.source != JSONL:
        run["source"] = JSONL + str(Path(config.run.source.removeprefix(JSONL)).absolute())
    if config.run.base and Path(config.run.base).is_dir():
        run["base"] = str(Path(config.run.base).absolute())
    selection = {"demand": demand_source.located(config.selection.demand)}
    return config.with_(run=run, selection=selection)


def inputs_of(config: RunConfig, base: BaseModel) -> dict[str, Any]:
    """What is remembered of files and base, as JSON."""
    paths = [_demand_file(config)]
    if config.run.source.startswith(JSONL):
        paths.append(Path(config.run.source.removeprefix(JSONL)).absolute())
    return {
        "files": {str(path): _sha256(path) for path in paths if path and path.is_file()},
        "base_fingerprint": base.fingerprint,
    }


def check_inputs(remembered: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse to go on with other questions, another demand or another base.

    Raises:
        RunMismatchError: With one line to show.
    """
    before = remembered.get("base_fingerprint", found["base_fingerprint"])
    if before != found["base_fingerprint"]:
        raise RunMismatchError(
            f"this run was begun on base model {before}, the one given is "
            f"{found['base_fingerprint']}: give the same, or start a run in another folder"
        )
    for path, now in found["files"].items():
        then = remembered.get("files", {}).get(path, now)
        if then != now:
            raise RunMismatchError(
                f"{path} has changed since this run began (sha256 {then[:12]}, now {now[:12]}): "
                "restore it to resume, or start a run in another folder"
            )


def _demand_file(config: RunConfig) -> Path | None:
    path = demand_source.demand_file(config.selection.demand)
    return path.absolute() if path else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
