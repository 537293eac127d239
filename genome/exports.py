"""A package's public names, each loaded from its module when it is first asked for.

A front door `from genome import Layer` must not load torch for who wants another name, so a
package's `__init__` names its exports for type checkers and hands the modules to `lazily`
(PEP 562; as `lazy_loader` does for SciPy's packages).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazily(package: str, exports: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A module-level `__getattr__` for a package.

    Args:
        package: Its `__name__`.
        exports: Public names by the module that each comes from.
    """
    homes = {name: module for module, names in exports.items() for name in names}

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return load
