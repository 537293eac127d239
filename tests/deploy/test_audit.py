"""The dependency audit tells clean from vulnerable, and both from not having asked."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"
OURS = {"name": "continuum-personas", "skip_reason": "distribution marked as editable"}
LOCAL = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited"}
CLEAN = {"name": "idna", "version": "3.20", "vulns": []}
BAD = {
    "name": "rich",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": "bad"}],
}
OFFLINE = "Traceback\nrequests.exceptions.ConnectionError: Failed to resolve 'index.example'"


@pytest.mark.parametrize(
    ("packages", "stderr", "leaves", "code", "said"),
    [
        ([OURS, CLEAN, LOCAL], "", 0, 0, "audited 1 packages, known vulnerabilities: 0; .*torch"),
        ([OURS, CLEAN, BAD], "", 1, 1, r"rich 1\.0: PYSEC-1, fixed in 1\.1\naudited 2"),
        ([OURS, LOCAL, LOCAL], "", 0, 0, "^audit skipped, .* none of 2 packages$"),
        (None, OFFLINE, 1, 0, "^audit skipped, .* Failed to resolve 'index.example'$"),
        (None, "pip-audit: error: unrecognized arguments", 2, 2, "^audit failed: .*unrecognized"),
    ],
)
def test_every_outcome_is_told_apart(tmp_path, packages, stderr, leaves, code, said):
    """A stand-in for pip-audit says what the real one was seen to say."""
    answer = "" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
    (tmp_path / "pip_audit.py").write_text(
        f"import sys\nprint({answer!r})\nprint({stderr!r}, file=sys.stderr)\nsys.exit({leaves})\n"
    )
    done = subprocess.run(
        [sys.executable, SCRIPT],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == code, done
    assert re.search(said, done.stdout.strip()), done


def test_ci_audits():
    """The step is there, and the Makefile's."""
    root = SCRIPT.parents[1]
    assert "make audit" in (root / ".ci" / "run").read_text()
    assert ".ci/audit.py" in (root / "Makefile").read_text()
