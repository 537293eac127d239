"""`continuum mcp`: personas, the library's search and exams as tools of an agent."""

from __future__ import annotations

from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.printing import quiet_libraries


def mcp(
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Serve an agent on stdin and stdout: ask personas, search layers, sit exams."""
    from contextlib import closing, suppress

    from economy.serving.mcp import create_server
    from economy.serving.service import Service
    from seeds.bases import known_bases, load_base

    folder = resolve_home(home)
    quiet_libraries()
    model = load_base(folder, base)
    name = known_bases(folder).names()[model.fingerprint]
    with closing(Service.of(folder, model, name)) as service, suppress(KeyboardInterrupt):
        create_server(service).run()
