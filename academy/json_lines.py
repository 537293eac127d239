"""Files that only grow, one JSON object a line, safe against crashes and other processes.

A line is written whole and flushed to the disk before the call returns; a last line that a crash
cut short is dropped by whoever reads or writes next.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genome.files import locked, sync


def append_line(path: Path, data: Mapping[str, Any]) -> None:
    """Add one line and flush it to the disk; raises OSError if the disk will not take it."""
    line = (json.dumps(data) + "\n").encode()
    with locked(path.with_name(path.name + ".lock")):
        new = not path.exists()
        with path.open("r+b" if not new else "w+b") as file:
            end = whole_lines(file.read())
            file.truncate(end)
            file.seek(end)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync(path.parent)


def whole_lines(data: bytes) -> int:
    """Bytes up to and including the last line break."""
    return data.rfind(b"\n") + 1
