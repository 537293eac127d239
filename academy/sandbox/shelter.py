"""Show a private interpreter to a process that may not enter the folder it lives in.

Root's own Python often lies below /root, which nobody else may enter. A thread can have mounts
of its own (`unshare(CLONE_NEWNS)`, linux man page): there the interpreter is bound to a public
place, the sandbox is started from that thread, and all of it vanishes with the thread. The rest
of our process, and of the machine, never sees the mount.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_PUBLIC_PLACES = ("/mnt", "/media", "/srv", "/opt")


def _checked(result: int) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"no private mounts: {os.strerror(error)}")


def _bind(home: Path, place: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.unshare(_CLONE_NEWNS))
    _checked(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    source, target = os.fsencode(home), os.fsencode(place)
    _checked(libc.mount(source, target, None, ctypes.c_ulong(_MS_BIND), None))


def public_place() -> Path:
    """An existing folder to bind to.

    Raises:
        OSError: There is none.
    """
    for name in _PUBLIC_PLACES:
        if Path(name).is_dir():
            return Path(name)
    raise OSError(f"none of {', '.join(_PUBLIC_PLACES)} exists to bind the interpreter to")


def sheltered(home: Path, action: Callable[[Path], T]) -> T:
    """The result of `action(place)`, run in a thread where `place` shows what `home` holds.

    Raises:
        OSError: We may not have mounts of our own.
    """
    place = public_place()
    done: Future[T] = Future()

    def live() -> None:
        try:
            _bind(home, place)
            done.set_result(action(place))
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=live, name="sandbox-shelter")
    thread.start()
    thread.join()
    return done.result()
