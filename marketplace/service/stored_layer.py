"""What the service knows of a layer's files."""

from dataclasses import dataclass

from marketplace.service.problems import ProblemError


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a layer."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer whose files are here."""

    digest: str
    files: tuple[StoredFile, ...]
    base_model: str = ""
    """Fingerprint in the weights' metadata; empty = they name none."""

    def file(self, name: str) -> StoredFile:
        """The file of this name.

        Raises:
            ProblemError: not-found.
        """
        for file in self.files:
            if file.name == name:
                return file
        raise ProblemError("not-found", f"layer {self.digest} has no such file: list its files")
