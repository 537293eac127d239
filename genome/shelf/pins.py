"""Labels that keep a layer from being collected, one small file each: LIBRARY/pins/<label>.

They are files, not rows, because the catalogue may be thrown away and rebuilt; what a person
marked as needed may not.
"""

from __future__ import annotations

from pathlib import Path

from genome.errors import LayerNotFoundError
from genome.files import write_text
from genome.shelf.manifest import check_name


class Pins:
    """Digests by label."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> dict[str, str]:
        """Every pin, sorted by label."""
        files = sorted(self.folder.glob("[!.]*")) if self.folder.is_dir() else []
        return {file.name: file.read_text().strip() for file in files}

    def put(self, label: str, digest: str) -> None:
        """Set or move a pin.

        Raises:
            LayerRejected: The label is no name.
        """
        write_text(self.folder / check_name(label), digest + "\n")

    def take(self, label: str) -> None:
        """Remove a pin.

        Raises:
            LayerNotFoundError: There is none.
        """
        try:
            (self.folder / check_name(label)).unlink()
        except FileNotFoundError:
            raise LayerNotFoundError(
                f"there is no pin {label!r} in {self.folder}: nothing was changed"
            ) from None
