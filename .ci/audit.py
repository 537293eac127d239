"""Known vulnerabilities of what is installed here: fails on any, and says when it could not ask.

    VENV/bin/python .ci/audit.py         (`make audit`)

pip-audit asks the package index about each. It stops with a traceback where there is no network and
reports "no known vulnerabilities" where a mirror answers that it knows no package: then nothing was
audited, and this says so in one line instead.
"""

import json
import subprocess
import sys
from typing import Any

LONGEST_S = 600
COMMAND = ("-m", "pip_audit", "--skip-editable", "--format", "json", "--progress-spinner", "off")


def main() -> int:
    """0 = clean or skipped, 1 = vulnerable, 2 = pip-audit itself is broken."""
    try:
        done = subprocess.run(
            [sys.executable, *COMMAND], capture_output=True, text=True, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return _skipped(f"the package index had not answered after {LONGEST_S} s")
    if done.returncode not in (0, 1) or "No module named" in done.stderr:
        print(f"audit failed: {_last_line(done.stderr)}")
        return 2
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return _skipped(f"the package index cannot be asked: {_last_line(done.stderr)}")
    return _report([one for one in packages if "editable" not in one.get("skip_reason", "")])


def _report(packages: list[dict[str, Any]]) -> int:
    audited = [one for one in packages if "vulns" in one]
    if not audited:
        return _skipped(f"the package index here knows none of {len(packages)} packages")
    found = [(one, vulnerability) for one in audited for vulnerability in one["vulns"]]
    for one, vulnerability in found:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{one['name']} {one['version']}: {vulnerability['id']}, fixed in {fixed}")
    unknown = [one["name"] for one in packages if "vulns" not in one]
    rest = f"; not known to the index: {', '.join(unknown)}" if unknown else ""
    print(f"audited {len(audited)} packages, known vulnerabilities: {len(found)}{rest}")
    return 1 if found else 0


def _skipped(reason: str) -> int:
    print(f"audit skipped, no package was audited: {reason}")
    return 0


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "pip-audit said nothing"


if __name__ == "__main__":
    sys.exit(main())
