"""Commands run in this process as the shell would: words in; exit code, output and errors out."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one line of a command that was refused."""
        lines = self.err.strip().splitlines()
        assert self.code == 1 and len(lines) == 1 and not self.out, self
        assert lines[0].startswith("continuum: "), self
        return lines[0].removeprefix("continuum: ")


def continuum(*words: object) -> Done:
    """Run one command; what it leaves as code 0 or more, never an exception."""
    from tui.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        mock.patch.object(sys, "argv", ["continuum", *map(str, words)]),
        mock.patch.dict("os.environ", {"COLUMNS": "200", "NO_COLOR": "1"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
    return Done(code, out.getvalue(), err.getvalue())
