"""The rows of a question file, as they stand there: JSON Lines, CSV with a line of names, Parquet.

And those of a data set of the hub. Parquet and the hub are read by `datasets`, an extra.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from academy.errors import ChallengeSetError, SourceUnavailableError
from academy.sources.columns import KEYS, OTHER_NAMES

MAX_FILE_BYTES = 256 * 2**20
MAX_ROWS = 500_000
MMLU = ("question", "A", "B", "C", "D", "answer")
"""Columns of MMLU's files, which do not name them."""
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every row with the number of its line, from 1; rows without a value are left out.

    Raises:
        ChallengeSetError: The file cannot be read, or a line breaks its format.
    """
    data = _bytes(path)
    if path.suffix.lower() == ".parquet":
        yield from _parquet(path)
        return
    if is_table(path):
        yield from _table(path, _decoded(path, 1, data), SEPARATORS[path.suffix.lower()])
        return
    for number, raw in enumerate(data.split(b"\n"), 1):
        if text := _decoded(path, number, raw).strip():
            yield number, _object(path, number, text)


def rows_on_hub(
    name: str, *, config: str = "", split: str = "", revision: str = ""
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every row of a data set of the Hugging Face hub, numbered from 1.

    Args:
        split: As `datasets.load_dataset` takes it, such as `train[:1000]`; default `train`.
        revision: Commit, tag or branch; without one the newest, so that the rows may change.

    Raises:
        SourceUnavailableError: It cannot be had, or is too large.
    """
    datasets = _datasets(name)
    try:
        with _unseen(datasets):
            loaded = datasets.load_dataset(
                name, config or None, split=split or "train", revision=revision or None
            )
    except Exception as error:  # HTTP, offline, config, split and builder errors of many classes
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise SourceUnavailableError(
            f"the data set {name} cannot be read ({type(error).__name__}: {first_line}): connect, "
            "correct name, config= and split=, or give a file"
        ) from error
    if len(loaded) > MAX_ROWS:
        raise SourceUnavailableError(
            f"{name} has {len(loaded):,} rows, at most {MAX_ROWS:,} are read: name a part, such as "
            f"split={split or 'train'}[:10000]"
        )
    yield from enumerate(map(dict, loaded), 1)


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    datasets = _datasets(str(path))
    try:
        with _unseen(datasets), tempfile.TemporaryDirectory() as cache:
            rows = datasets.Dataset.from_parquet(str(path), cache_dir=cache, keep_in_memory=True)
            found = [dict(row) for row in rows]
    except Exception as error:  # pyarrow and datasets raise what they like
        first_line = (str(error.__cause__ or error).strip() or "no reason given").splitlines()[0]
        raise ChallengeSetError(
            path, None, f"no Parquet ({first_line[:200]}): write it again"
        ) from error
    yield from enumerate(found, 1)


@contextmanager
def _unseen(datasets: Any) -> Iterator[None]:
    """Without its progress bars."""
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def _datasets(what: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise SourceUnavailableError(
            f"{what} is read by `datasets`, which is not installed: pip install "
            "'continuum-personas[datasets]', or give JSON Lines or CSV"
        ) from None
    return datasets


def is_table(path: Path) -> bool:
    """Whether a file is CSV by its name, so that all its values are text."""
    return path.suffix.lower() in SEPARATORS


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ChallengeSetError(
                path, None, f"larger than {MAX_FILE_BYTES >> 20} MiB: split it into several sets"
            )
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise ChallengeSetError(
            path, None, f"cannot be read ({error.strerror or error}): check the path"
        ) from None


def _decoded(path: Path, number: int, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = number + raw[: error.start].count(b"\n")
        place = error.start - raw.rfind(b"\n", 0, error.start) - 1
        raise ChallengeSetError(
            path, line, f"not UTF-8 at byte {place}: save the file as UTF-8"
        ) from None


def _table(path: Path, text: str, separator: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names, is_row = _names(path, cells)
                if not is_row:
                    continue
            if len(cells) != len(names):
                raise ChallengeSetError(
                    path,
                    reader.line_num,
                    f"{len(cells)} cells, where {len(names)} columns are named: put quotes around "
                    "what holds the separator",
                )
            yield reader.line_num, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise ChallengeSetError(
            path, reader.line_num, f"no CSV ({error}): write one row a line"
        ) from None


def _names(path: Path, cells: list[str]) -> tuple[list[str], bool]:
    """The columns, and whether the first line is a row already, as in MMLU's files."""
    if len(cells) == len(MMLU) and cells[-1].strip() in MMLU[1:5]:
        return list(MMLU), True
    names = [cell.strip() for cell in cells]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None or "" in names:
        raise ChallengeSetError(
            path, 1, f"its first line names the column {twice or ''!r} twice, or not: name each"
        )
    if not {*names} & {*KEYS, *OTHER_NAMES} and len(names) < 2:
        raise ChallengeSetError(path, 1, "its first line names no columns: write prompt,answer")
    return names, False


def _object(path: Path, number: int, text: str) -> dict[str, Any]:
    def fail(cause: str) -> NoReturn:
        raise ChallengeSetError(path, number, cause)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in pairs:
            if key in data:
                fail(f"key {key!r} stands twice: keep one")
            data[key] = value
        return data

    def no_constant(name: str) -> NoReturn:
        fail(f"{name} is no JSON number: write a finite one, or null for none")

    try:
        data = json.loads(text, object_pairs_hook=once, parse_constant=no_constant)
    except (json.JSONDecodeError, RecursionError) as error:
        fail(f"not JSON ({getattr(error, 'msg', 'nested too deeply')}): write one object per line")
    except ValueError as error:  # a number of more digits than Python converts
        fail(f"not JSON ({error}): write one object per line")
    if not isinstance(data, dict):
        fail(f'a {type(data).__name__}, not an object: write {{"prompt": ...}}')
    return data
