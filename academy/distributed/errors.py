"""What can go wrong between this process and a cluster.

AcademyError
└── ClusterError
    ├── ClusterMissingError
    ├── ClusterSettingsError
    ├── ClusterUnreachableError
    ├── ClusterFullError
    ├── WorkerMismatchError
    ├── WorkerLostError
    └── WorkerFailedError
"""

from __future__ import annotations

from academy.errors import AcademyError


class ClusterError(AcademyError):
    """Work cannot be done on a cluster."""


class ClusterMissingError(ClusterError):
    """The extra that brings Ray is not installed."""


class ClusterSettingsError(ClusterError):
    """Settings that no cluster could meet."""


class ClusterUnreachableError(ClusterError):
    """Ray does not start here, or there is no cluster at the address."""


class ClusterFullError(ClusterError):
    """No worker got its processors in the time given."""


class WorkerMismatchError(ClusterError):
    """A worker would compute something else than this process: another base, other arithmetic."""


class WorkerLostError(ClusterError):
    """A task lost its worker too often."""


class WorkerFailedError(ClusterError):
    """A worker could not even begin a task."""
