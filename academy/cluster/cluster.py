"""Joining a Ray cluster, or starting one on this machine that nobody else can reach.

What is started here is quiet and private: no dashboard, no usage statistics, loopback only
(Ray listens on every interface otherwise, and who reaches it can run code), its files in a
folder of its own that goes when it is shut down.

Which cluster a run uses, and how.
"""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from academy.errors import (
    ClusterMissingError,
    ClusterSettingsError,
    ClusterUnreachableError,
    cause_of,
)

PRIVATE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's switch for loopback-only clusters; it is read when ray is imported
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # takes the future default, and spares a FutureWarning on machines without a GPU
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment under which a cluster is started here."""
OBJECT_STORE_BYTES = 256 * 2**20
"""Shared memory of a cluster started here; layers are small and each is put there once."""

KNOCK_S = 10.0
"""How long the head of a cluster may take to answer."""


@dataclass(frozen=True)
class Connection:
    """Ray, and what has to be undone when it is no longer needed."""

    ray: Any
    close: Callable[[], None]


def connect(address: str, cpus: int, *, store_bytes: int = OBJECT_STORE_BYTES) -> Connection:
    """Join a cluster, or start one here.

    Args:
        address: `host:port` of a cluster's head, `auto` for the one this machine belongs to;
            empty = what RAY_ADDRESS says, and without it (or with `local`) start one here.
            Where this process is connected already, that connection is used and left open.
        cpus: Processors to share out among the workers of a cluster started here.
        store_bytes: Object store of a cluster started here.

    Raises:
        ClusterMissingError: Ray is not installed.
        ClusterUnreachableError: It does not start, or nobody answers at the address.
    """
    address = address or os.environ.get("RAY_ADDRESS", "")
    private = address in ("", "local")
    with _environment(PRIVATE if private else {"RAY_USAGE_STATS_ENABLED": "0"}):
        ray = _import_ray()
        if ray.is_initialized():
            return Connection(ray, lambda: None)
        folder = tempfile.mkdtemp(prefix="ray-") if private else None
        unhush = _hush()

        def close() -> None:
            ray.shutdown()
            unhush()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

        try:
            if private:
                ray.init(
                    "local",
                    num_cpus=cpus,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    object_store_memory=store_bytes,
                    _temp_dir=folder,
                )
            else:
                _knock(address)
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # ConnectionError, RuntimeError, ValueError, OSError, ...
            close()
            raise _unreachable(address, error) from error
    return Connection(ray, close)


def _knock(address: str) -> None:
    """Ray itself tries for minutes.

    Raises:
        OSError: Nobody listens at a `host:port`.
    """
    host, _, port = address.rpartition(":")
    if host and "/" not in address and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


def _unreachable(address: str, error: Exception) -> ClusterUnreachableError:
    cause = cause_of(error)
    if address in ("", "local"):
        return ClusterUnreachableError(
            f"Ray does not start on this machine ({cause}): free memory or disk in "
            f"{tempfile.gettempdir()}, or work without a cluster"
        )
    return ClusterUnreachableError(
        f"no Ray cluster answers at {address!r} ({cause}): start its head with `ray start --head`, "
        "or give the host:port that it printed"
    )


def _hush() -> Callable[[], None]:
    """Send Ray's notices to the log, and return what undoes it.

    Ray prints twenty lines on standard output when a node dies, whatever its log settings; there
    they would land in a summary meant for programs, or across a screen. It has no setting for
    that, so its printing function is replaced; should it be gone in another version, Ray prints.
    """
    private = importlib.import_module("ray._private.worker")
    printing = getattr(private, "print_to_stdstream", None)

    def log(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        logging.getLogger(__name__).info("Ray: %s", "\n".join(data["lines"]))

    def undo() -> None:
        if printing is not None:
            setattr(private, "print_to_stdstream", printing)  # noqa: B010 (private to mypy too)

    if printing is not None:
        setattr(private, "print_to_stdstream", log)  # noqa: B010
    return undo


def _import_ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ClusterMissingError(
            "work on a cluster needs Ray, which is not installed: "
            'pip install "continuum-personas[ray]"'
        ) from error


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set yet, and take them back afterwards."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


LEAST = {"workers": 0, "threads": 0, "retries": 0, "patience": 1.0, "store_bytes": 80 * 2**20}
"""Lowest values of the settings; Ray refuses a smaller object store."""


@dataclass(frozen=True, slots=True)
class RaySettings:
    """Which cluster, and how it is used.

    Raises:
        ClusterSettingsError: A number is too small to work with.
    """

    address: str = ""
    """`host:port` of the head; empty = RAY_ADDRESS, and without it a cluster started here."""
    workers: int = 0
    """0 = as many as the cluster's processors allow."""
    threads: int = 0
    """Torch threads and processors of each worker; 0 = as many threads as this process has."""
    ship_base: bool = False
    """Send the base through the cluster instead of reading its path on every node."""
    retries: int = 3
    """How often one task may lose its worker."""
    patience: float = 60.0
    """Seconds without any worker before giving up."""
    alike: bool = True
    """Refuse workers whose arithmetic would differ from this process's in the last bits."""
    store_bytes: int = OBJECT_STORE_BYTES
    """Shared memory of a cluster started here."""

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if not (value := getattr(self, name)) >= least:
                raise ClusterSettingsError(
                    f"the Ray setting {name} must be {least:g} or more, not {value}"
                )
