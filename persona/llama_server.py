"""llama.cpp in a process of its own, behind a socket that only this user can open."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel as Checked
from pydantic import ConfigDict, Field

from persona.errors import LlamaCppError

SERVER = """
import json, sys
import xllamacpp
told = json.loads(sys.argv[1])
params = xllamacpp.CommonParams()
params.model.path = told["model"]
params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in told["adapters"]]
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = told["threads"]
if told["exact"]:
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
for name, value in told["params"].items():
    setattr(params, name, value)
server = xllamacpp.Server(params)
print("ready", flush=True)
sys.stdin.read()
"""
"""Ends when the process that started it does, for then its input ends."""


class LlamaSettings(Checked):
    """How llama.cpp is run.

    Raises:
        pydantic.ValidationError: A value is out of its bounds; it names which.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """GGUF file of the base, of any quantisation."""
    n_parallel: Annotated[int, Field(ge=1, le=256)] = 4
    """Answers under way at once; who comes later waits."""
    n_ctx: Annotated[int, Field(ge=16)] = 2048
    """Positions of a prompt with its answer, for each of them."""
    threads: Annotated[int, Field(ge=1)] = os.cpu_count() or 1
    max_adapters: Annotated[int, Field(ge=1)] = 16
    """Genomes loaded at once."""
    exact: bool = False
    """Keys and values in float32, no flash attention: of a float32 file, the engine's numbers."""


class Line(http.client.HTTPConnection):
    """To a server's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))

    def connect(self) -> None:
        self.sock = self._socket

    def cut(self) -> None:
        """Wake who reads from it; by any thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        self._socket.close()


class Server:
    """A process of llama.cpp with some adapters."""

    def __init__(self, settings: LlamaSettings, folder: Path, adapters: list[Path]) -> None:
        """
        Args:
            adapters: Files, each called after its genome's digest.

        Raises:
            LlamaCppError: It does not start; says why, as far as it does.
        """
        self.adapters = {path.stem: number for number, path in enumerate(adapters)}
        self.socket = folder / "llama.sock"
        self.socket.unlink(missing_ok=True)
        told = {
            "model": str(settings.path),
            "adapters": [str(path) for path in adapters],
            "threads": settings.threads,
            "exact": settings.exact,
            "params": {
                "hostnames": [str(self.socket)],
                "n_ctx": settings.n_ctx * settings.n_parallel,
                "n_parallel": settings.n_parallel,
                "n_threads_http": settings.n_parallel + 2,
                "lora_init_without_apply": True,
                "cache_ram_mib": 0,
                "fit_params": False,
                "warmup": False,
                "ui": False,
                "verbosity": 1,
            },
        }
        log = folder / "llama.log"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", SERVER, json.dumps(told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl+C is this program's
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self.stop()
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            why = next((line for line in lines if " E " in line), (lines or ["no word"])[-1])
            raise LlamaCppError(
                f"llama.cpp does not start with {settings.path} ({why[-200:]}): give a whole GGUF "
                "file, fewer adapters or less n_ctx"
            )

    def has(self, digest: str) -> bool:
        """Whether a genome can be answered with, as that without layers always can."""
        return self._process.poll() is None and (not digest or digest in self.adapters)

    def code(self) -> int | None:
        """Its exit code, if it ended by itself."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(0.5)
        return None

    def stop(self) -> None:
        """End it, and come back when it has."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.kill()
        self._process.wait()
