"""The container and compose files, checked without building: the rules hadolint would apply,
the ones that keep a service safe, and that what they install and call is really there."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PINNED = re.compile(r"[a-z0-9./-]+:\d+(\.\d+)+(-[a-z0-9.]+)*(@sha256:[0-9a-f]{64})?")
PROBE = """
import json, sys
import tui.cli.main, tui.cli.market.hosting, marketplace.service.serve
import marketplace.store.migrations.run
print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))
"""


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The Containerfile's instructions in order, continued lines joined."""
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.split(maxsplit=1) for line in joined.splitlines()]
    return [(name, " ".join(rest.split())) for name, rest in found]


@pytest.fixture(scope="module")
def compose() -> dict:
    """The compose file."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))


def test_instructions_are_known_and_begin_with_from(steps):
    """Nothing is misspelt; ADD, MAINTAINER and sudo are not used (DL3004, DL3020, DL4000)."""
    known = {
        "FROM",
        "RUN",
        "COPY",
        "ENV",
        "USER",
        "WORKDIR",
        "VOLUME",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    assert steps[0][0] == "FROM"
    for name, rest in steps:
        assert name in known, name
        assert "sudo" not in rest and "apt-get upgrade" not in rest


def test_base_images_are_pinned_to_a_release(steps, compose):
    """No `latest`, no bare tag that moves (DL3006, DL3007)."""
    images = [rest.split()[0] for name, rest in steps if name == "FROM"]
    images += [service["image"] for service in compose["services"].values()]
    for image in images:
        assert PINNED.fullmatch(image), image


def test_last_stage_runs_as_nobody_special(steps):
    """A numeric, unprivileged user is set before the program starts, after the last change."""
    names = [name for name, _ in steps]
    last = len(names) - names[::-1].index("FROM")
    users = [rest for name, rest in steps[last:] if name == "USER"]
    assert users == ["10001:10001"]
    assert "RUN" not in names[last + names[last:].index("USER") :]


def test_pip_keeps_no_cache_and_takes_the_constraints(steps):
    """Every install is of tested versions; nothing is left over (DL3013, DL3042)."""
    assert ("ENV", "PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1") in steps
    for name, rest in steps:
        for command in rest.split("&&") if name == "RUN" else ():
            if "pip install" in command:
                assert "--constraint constraints.txt" in command or "--no-deps" in command


def test_paths_are_absolute_and_commands_are_lists(steps):
    """WORKDIR is absolute (DL3000); ENTRYPOINT, CMD and the health check need no shell (DL3025)."""
    for name, rest in steps:
        if name == "WORKDIR":
            assert rest.startswith("/")
        if name in ("ENTRYPOINT", "CMD"):
            assert all(isinstance(word, str) for word in json.loads(rest))
        if name == "HEALTHCHECK":
            json.loads(rest.partition("CMD ")[2])


def test_health_check_asks_for_readiness_and_sigterm_stops(steps):
    """The orchestrator sees what /ready says, and stops the service the graceful way."""
    checks = [rest for name, rest in steps if name == "HEALTHCHECK"]
    assert len(checks) == 1 and "/ready" in checks[0] and "--timeout=" in checks[0]
    assert ("STOPSIGNAL", "SIGTERM") in steps


def test_copied_files_exist_and_reach_the_build(steps):
    """Every COPY from the project names a file that is there and not ignored."""
    allowed = (DEPLOY / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    assert allowed[0] == "*"
    for line in allowed:
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists(), line
    for name, rest in steps:
        if name == "COPY" and not rest.startswith(("--from", ". ")):
            for source in rest.split()[:-1]:
                assert f"!{source}" in allowed and (ROOT / source).exists(), source


def test_command_line_is_one_the_program_understands(steps, compose):
    """Every option that the files pass is an option of `continuum market serve`."""
    import typer.main

    from tui.cli.main import command_tree

    group = typer.main.get_command(command_tree()).commands["market"]
    known = {name for parameter in group.commands["serve"].params for name in parameter.opts}
    words = compose["services"]["market"]["command"]
    for kind, rest in steps:
        if kind in ("ENTRYPOINT", "CMD"):
            words = words + json.loads(rest)
    assert {word for word in words if word.startswith("--")} <= known


def test_requirements_cover_what_a_service_imports_and_leave_torch_out():
    """The image has every package the running service loads, and none of the model's."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    probe = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True
    )
    loaded, owners = json.loads(probe.stdout), packages_distributions()
    imported = {name.lower() for module in loaded for name in owners.get(module, [])}
    lines = (DEPLOY / "requirements.txt").read_text("utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    closure = _closure(listed) | {"continuum-personas", "setuptools"}
    optional = {"attrs", "opentelemetry-api", "python-multipart", "shellingham"}
    optional |= {"typing-extensions"}  # loaded where they are there
    missing = {name.replace("_", "-") for name in imported} - closure - optional
    assert not missing
    assert not {"torch", "transformers", "peft"} & closure


def test_secrets_come_from_outside(compose):
    """No password stands in the file; each is demanded from the environment."""
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert value.startswith("${") and ":?" in value, name
    assert "continuum:" not in (DEPLOY / "compose.yaml").read_text("utf-8").split("://")[-1]


def test_only_the_service_is_reachable_and_only_from_this_machine(compose):
    """The database has no port and an internal network; the service listens for a proxy."""
    services, networks = compose["services"], compose["networks"]
    assert "ports" not in services["database"] and services["database"]["networks"] == ["back"]
    assert networks["back"]["internal"] is True
    assert all(port.startswith("127.0.0.1:") for port in services["market"]["ports"])


def test_both_services_are_confined_and_stop_in_time(compose):
    """No new privileges, capabilities dropped, bounded memory and processes, time to stop."""
    for service in compose["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"] and service["pids_limit"] and service["restart"]
    market = compose["services"]["market"]
    assert market["read_only"] is True and market["depends_on"]["database"]["condition"]
    from marketplace.service.settings import ServiceSettings

    grace_s = int(market["stop_grace_period"].removesuffix("s"))
    assert grace_s > ServiceSettings().stop_timeout_s


def _closure(names: list[str]) -> set[str]:
    """The packages and everything that they need, by lower-case name with hyphens."""
    found: set[str] = set()
    waiting = [re.split(r"[^A-Za-z0-9._-]", name)[0] for name in names]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name not in found:
            found.add(name)
            waiting += [
                re.split(r"[^A-Za-z0-9._-]", line)[0]
                for line in _needs(name)
                if "extra ==" not in line
            ]
    return found


def _needs(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # for another system
        return []
