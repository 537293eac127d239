"""What a person points at when layers are to come in: a folder, an archive, a bare weights file, or
a folder that holds many of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from genome.adapter.adapter_config import CONFIG_FILE
from genome.adapter.layer_files import WEIGHTS_FILE
from genome.refusals import refused, shown

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
WEIGHTS = ".safetensors"
MAX_DEPTH = 3
"""Levels below a folder in which layers are looked for."""
MAX_LAYERS = 1000
"""Layers taken from one folder."""


def layers_at(path: Path) -> list[Path]:
    """Every layer at a path, sorted: the path itself, or what a folder of layers holds.

    A folder with an adapter of its own is one layer, whatever checkpoints lie below it. One in
    which nothing is found is returned as it is, for the validator to say what it lacks.

    Raises:
        LayerRejected: folder_missing, archive_kind or config_missing, for what can be no layer;
            folder_entries, if there are too many.
    """
    if path.is_file():
        _check_file(path)
        return [path]
    if not path.is_dir():
        raise refused("folder_missing", f"{shown(str(path), 300)} does not exist: check the path")
    if _is_layer(path):
        return [path]
    found = sorted(_below(path, MAX_DEPTH))
    if len(found) > MAX_LAYERS:
        raise refused(
            "folder_entries",
            f"{shown(str(path), 300)} holds more than {MAX_LAYERS} layers: "
            "import its folders one by one",
        )
    return found or [path]


@contextmanager
def folder_of_weights(file: Path) -> Iterator[Path]:
    """The PEFT folder that a bare weights file belongs to: its own, or, under another name than
    PEFT's, a copy that has the right one.

    Raises:
        LayerRejected: config_missing.
    """
    _check_file(file)
    if file.name == WEIGHTS_FILE:
        yield file.parent
        return
    with TemporaryDirectory(prefix="continuum-") as scratch:
        folder = Path(scratch)
        shutil.copyfile(file, folder / WEIGHTS_FILE)
        shutil.copyfile(file.parent / CONFIG_FILE, folder / CONFIG_FILE)
        yield folder


def _check_file(path: Path) -> None:
    name = path.name.lower()
    if name.endswith(WEIGHTS):
        if not (path.parent / CONFIG_FILE).is_file():
            raise refused(
                "config_missing",
                f"{shown(path.name)} holds weights alone, which do not say their "
                f"scaling or modules: put its {CONFIG_FILE} beside it, or give the folder PEFT's "
                "save_pretrained wrote",
            )
    elif not name.endswith(ARCHIVES):
        raise refused(
            "archive_kind",
            f"{shown(path.name)} is no PEFT folder, {', '.join(ARCHIVES)} archive "
            f"or {WEIGHTS} file: give one of these",
        )


def _is_layer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (CONFIG_FILE, WEIGHTS_FILE))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """Layers in a folder without one of its own; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith((".", "__")):
                if _is_layer(path):
                    yield path
                elif depth > 1:
                    yield from _below(path, depth - 1)
            elif entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(ARCHIVES):
                yield path
