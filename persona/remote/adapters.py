"""Genomes that a server has loaded as LoRA adapters, each under its digest.

A name is a digest, so it means the same adapter for ever, and nothing is loaded in its place. Who
answers holds a lease on the adapter; the longest unused of the others goes where room is needed.
The calls are vLLM's for loading at run time.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genome.compose import stack
from genome.files import write_folder_once, write_json
from genome.genome import Genome
from persona.errors import BackendError

if TYPE_CHECKING:
    from persona.remote.connection import Connection, Connections

LOADED_ALREADY = re.compile(r"\balready\b.*\bloaded\b", re.I)
FULL = re.compile(r"\bfull\b|\btoo many\b|\bno (more|free|room)\b|max[_-](cpu[_-])?loras\b", re.I)
LAYERS_FILE = "layers.json"
"""Beside an adapter's files: digests of the layers in it."""


@dataclass(eq=False)
class Adapter:
    """One genome on the server."""

    genome: Genome
    state: Literal["absent", "moving", "loaded"] = "absent"
    """`moving` = a thread is having it loaded or unloaded."""
    n_leases: int = 0
    n_loads: int = 0
    is_leaving: bool = False
    """Whether a layer of it is to be forgotten: nobody new gets a lease."""

    @property
    def name(self) -> str:
        """Under which the server has it."""
        return self.genome.digest


class Adapters:
    """Which genomes one server has loaded; may be asked from any thread."""

    def __init__(self, connections: Connections, changed: threading.Condition) -> None:
        """
        Args:
            changed: Guards the state, and is told when an answer is cancelled.
        """
        self._connections, self._changed = connections, changed
        self._settings = connections.settings
        self._adapters: OrderedDict[str, Adapter] = OrderedDict()
        """Those used last stand last."""
        self._room = self._settings.max_loaded
        self._folder = self._settings.layers_folder
        self._is_folder_ours = False
        self._forgetting: set[threading.Thread] = set()
        self._unsure: dict[str, Genome] = {}
        """What the server may have although we hold it for absent: it did not answer to that."""

    @contextmanager
    def lease(
        self, genome: Genome, connection: Connection, is_over: Callable[[], bool]
    ) -> Iterator[Adapter]:
        """The genome's adapter, loaded, and not unloaded meanwhile.

        Args:
            is_over: Whether nobody waits for it any more.

        Raises:
            BackendError: The server does not load it, or it is over.
            OSError: Its files cannot be written.
        """
        name = genome.digest
        with self._changed:
            self._wait(lambda: not (a := self._adapters.get(name)) or not a.is_leaving, is_over)
            adapter = self._adapters.setdefault(name, Adapter(genome))
            self._adapters.move_to_end(name)
            adapter.n_leases += 1
        try:
            self._have(adapter, connection, is_over)
            yield adapter
        finally:
            with self._changed:
                adapter.n_leases -= 1
                if adapter.state == "absent":
                    self._drop(adapter)
                self._changed.notify_all()

    def again(
        self, adapter: Adapter, n_loads: int, connection: Connection, is_over: Callable[[], bool]
    ) -> None:
        """Load a leased adapter that the server has lost, unless another thread has done so.

        Args:
            n_loads: How often it had been loaded when the server was asked.

        Raises:
            BackendError, OSError: As `lease`.
        """
        with self._changed:
            if adapter.state == "loaded" and adapter.n_loads == n_loads:
                adapter.state = "absent"
                self._room = self._settings.max_loaded  # it was started again, maybe with more
        self._have(adapter, connection, is_over)

    def forget(self, digests: Collection[str]) -> Future[None]:
        """Unload what holds one of these layers, once no answer runs on it, and delete its files.

        The future fails with BackendError if the server may still have one.
        """
        with self._changed:
            leaving = [a for a in self._adapters.values() if _holds(a.genome, digests)]
            for adapter in leaving:
                adapter.is_leaving = True
            unsure = {n: g for n, g in self._unsure.items() if n not in self._adapters}
            leaving += [Adapter(g, "loaded") for g in unsure.values() if _holds(g, digests)]
        self._delete_left(digests)
        done: Future[None] = Future()
        thread = threading.Thread(target=self._forget, args=(leaving, done), daemon=True)
        with self._changed:
            self._forgetting.add(thread)
        thread.start()
        return done

    def close(self) -> None:
        """Unload everything as far as the server lets us; call it when no answer runs."""
        for thread in [*self._forgetting]:
            thread.join()
        is_there = True
        with self._connections.take() as connection:
            for adapter in [*self._adapters.values()]:
                try:
                    if is_there:
                        self._unload(adapter, connection)
                except BackendError as failure:
                    is_there = not failure.may_pass
                with self._changed:
                    self._drop(adapter)
        if self._is_folder_ours and self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _forget(self, leaving: Collection[Adapter], done: Future[None]) -> None:
        failure: BackendError | None = None
        with self._connections.take() as connection:
            for adapter in leaving:
                try:
                    if self._is_there(adapter):
                        self._unload(adapter, connection)
                except BackendError as error:
                    failure = error
        with self._changed:
            self._forgetting.discard(threading.current_thread())
        if failure:
            done.set_exception(failure)
        else:
            done.set_result(None)

    def _is_there(self, adapter: Adapter) -> bool:
        """Wait until nobody has a lease; whether it is to be unloaded, which is ours then."""
        with self._changed:
            self._changed.wait_for(lambda: not adapter.n_leases and adapter.state != "moving")
            is_there = adapter.state == "loaded" or adapter.name in self._unsure
            adapter.state = "moving" if is_there else adapter.state
            return is_there

    def _have(self, adapter: Adapter, connection: Connection, is_over: Callable[[], bool]) -> None:
        """Come back when the adapter is loaded; make room first where there is none."""

        def may_go_on() -> bool:
            return adapter.state == "loaded" or (
                adapter.state == "absent" and (self._has_room() or self._idle() is not None)
            )

        while True:
            with self._changed:
                self._wait(may_go_on, is_over)
                if adapter.state == "loaded":
                    return
                unused = None if self._has_room() else self._idle()
                (unused or adapter).state = "moving"
            if unused:
                with suppress(BackendError):  # what stays there only takes room there
                    self._unload(unused, connection)
            else:
                self._load(adapter, connection)

    def _has_room(self) -> bool:
        return sum(a.state != "absent" for a in self._adapters.values()) < self._room

    def _idle(self) -> Adapter | None:
        """The longest unused that may be unloaded."""
        of_nobody = (a for a in self._adapters.values() if a.state == "loaded" and not a.n_leases)
        return next(of_nobody, None)

    def _wait(self, until: Callable[[], bool], is_over: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: is_over() or until())
        if is_over():
            raise BackendError(self._connections.name, "was not asked: it is over", "ask again")

    def _load(self, adapter: Adapter, connection: Connection) -> None:
        loaded = False
        try:
            folder = self._place() / adapter.name
            write_folder_once(folder, lambda path: self._write(adapter.genome, path))
            body = {"lora_name": adapter.name, "lora_path": str(folder)}
            connection.post("/load_lora_adapter", body)
            loaded = True
        except BackendError as refusal:
            loaded = LOADED_ALREADY.search(refusal.what) is not None
            if refusal.status is None:
                self._unsure[adapter.name] = adapter.genome
            if not loaded and not self._shrink(refusal):
                raise self._explained(refusal) from None
        finally:
            with self._changed:
                adapter.state = "loaded" if loaded else "absent"
                adapter.n_loads += loaded
                if loaded:
                    self._unsure.pop(adapter.name, None)
                self._changed.notify_all()

    def _shrink(self, refusal: BackendError) -> bool:
        """Take the server's word that it has no room for another; False if there is none at all."""
        with self._changed:
            n_others = sum(a.state == "loaded" for a in self._adapters.values())
            if refusal.status is None or not FULL.search(refusal.what) or not n_others:
                return False
            self._room = n_others
            return True

    def _explained(self, refusal: BackendError) -> BackendError:
        if refusal.status not in (404, 405):
            return refusal
        return BackendError(
            self._connections.name,
            f"loads no layers (its load_lora_adapter answered {refusal.status})",
            "start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, or leave "
            "loads_layers out",
            status=refusal.status,
        )

    def _unload(self, adapter: Adapter, connection: Connection) -> None:
        """Have it unloaded; whatever comes of it, it counts as absent."""
        self._unsure[adapter.name] = adapter.genome
        try:
            connection.post("/unload_lora_adapter", {"lora_name": adapter.name})
            del self._unsure[adapter.name]
        except BackendError as refusal:
            if refusal.status != 404:
                raise
            del self._unsure[adapter.name]
        finally:
            with self._changed:
                adapter.state = "absent"
                self._drop(adapter)
                self._changed.notify_all()

    def _drop(self, adapter: Adapter) -> None:
        """Delete the files of what is absent, and the adapter if nobody waits for it."""
        if self._folder:
            shutil.rmtree(self._folder / adapter.name, ignore_errors=True)
        if not adapter.n_leases and self._adapters.get(adapter.name) is adapter:
            del self._adapters[adapter.name]

    def _place(self) -> Path:
        with self._changed:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="continuum-layers-"))
                self._is_folder_ours = True
            return self._folder

    def _write(self, genome: Genome, folder: Path) -> None:
        layer = stack(genome.layers, genome.weights)
        layer.to_peft(folder, base_model_path=self._settings.model)
        write_json(folder / LAYERS_FILE, [layer.digest for layer in genome.layers])

    def _delete_left(self, digests: Collection[str]) -> None:
        """Delete what a killed process left of these layers."""
        for file in self._folder.glob(f"*/{LAYERS_FILE}") if self._folder else ():
            with suppress(OSError, ValueError):
                known = file.parent.name in self._adapters
                if not known and {*json.loads(file.read_text())} & {*digests}:
                    shutil.rmtree(file.parent, ignore_errors=True)


def _holds(genome: Genome, digests: Collection[str]) -> bool:
    return any(layer.digest in digests for layer in genome.layers)
