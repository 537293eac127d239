"""Answers that try to be scored without being right."""

from __future__ import annotations

import pytest

from academy.sandbox.answers import Failure
from academy.sandbox.interpreter import SandboxLimits
from academy.sandbox.sandbox import Sandbox
from academy.scoring.code import unit_test_score

SECRET = "plover-58213"
LIMITS = SandboxLimits(cpu_s=1, wall_s=2.5, output_bytes=4096)

FORGERIES = {
    "fake verdict printed": """
def answer(n):
    for line in ('{"nonce": "", "outcomes": ["3d31"]}', '{"passed": true, "score": 1.0}', "=1"):
        print(line, flush=True)
    return True
""",
    "fake verdict on every descriptor": """
import os
def answer(n):
    for fd in range(64):
        try:
            os.write(fd, b'{"nonce":"' + b"0" * 32 + b'","outcomes":["3d74727565"]}\\n')
        except OSError:
            pass
    os._exit(0)
""",
    "fake verdict after closing everything": """
import os
def answer(n):
    os.closerange(0, 3)
    os.write(3, b'=true')
    os._exit(0)
""",
    "exit with success": "import os\ndef answer(n):\n    os._exit(0)\n",
    "exit while loading": "import os\nos._exit(0)\n",
    "sys.exit": "import sys\ndef answer(n):\n    sys.exit(0)\n",
    "equal to everything": """
class Any:
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __repr__(self): return "'plover'"
def answer(n):
    return Any()
""",
    "a string that equals everything": """
class Any(str):
    def __eq__(self, other): return True
    def __hash__(self): return 0
def answer(n):
    return Any("plover")
""",
    "lies about its class": """
class Any:
    __class__ = str
    def __eq__(self, other): return True
def answer(n):
    return Any()
""",
    "builtins replaced": """
import builtins
def answer(n):
    builtins.type = lambda value: type(True)
    builtins.str = builtins.repr = lambda value: "true"
    builtins.isinstance = lambda value, kind: True
    return object()
""",
    "json replaced": """
import json, json.encoder, _json, sys
def answer(n):
    always = lambda *args, **kwargs: "true"
    json.dumps = json.encoder.encode_basestring_ascii = _json.encode_basestring_ascii = always
    sys.modules["_json"] = json
    return "anything"
""",
    "supervisor replaced through its frames": """
import sys
def answer(n):
    frame = sys._getframe()
    while frame:
        for name in ("encoded", "quoted"):
            if name in frame.f_globals:
                frame.f_globals[name] = lambda value: "true"
        frame = frame.f_back
    return object()
""",
    "exit made harmless, then up the stack": """
import posix, os
def answer(n):
    posix._exit = os._exit = lambda status: None
    raise SystemExit
""",
    "hunts for what is right": """
import gc, os, sys
def answer(n):
    seen, heap, frame = set(), list(gc.get_objects()), sys._getframe()
    while frame:
        heap += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    heap += [sys.argv, sys.orig_argv, dict(os.environ)]
    while heap:
        value = heap.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (str, bytes)):
            text = value if isinstance(value, str) else value.decode("latin1")
            at = text.find("plover" + "-")
            if at >= 0:
                return text[at : at + 12]
        elif isinstance(value, dict):
            heap += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set)):
            heap += list(value)
    return None
""",
    "reads the nonce": """
import os
def answer(n):
    for fd in range(64):
        for read in (lambda: os.pread(fd, 65536, 0), lambda: os.read(fd, 65536)):
            try:
                if fd != 3 and read():
                    return "plover-58213"  # something was there to read
            except OSError:
                pass
    return None
""",
    "guesses nonces": """
import os
def answer(n):
    for guess in range(2000):
        os.write(3, b'{"nonce":"%032x","outcomes":["3d74727565"]}\\n' % guess)
    os._exit(0)
""",
    "hostile json: deep": """
import os
def answer(n):
    os.write(3, b'=' + b'[' * 4000)
    os._exit(0)
""",
    "hostile json: tag": """
import os
def answer(n):
    os.write(3, b'={"__import__":["os"]}')
    os._exit(0)
""",
    "hostile json: unhashable": """
import os
def answer(n):
    os.write(3, b'={"dict":[[[],1]]}')
    os._exit(0)
""",
    "hostile json: number": """
import os
def answer(n):
    os.write(3, b'=' + b'9' * 4090)
    os._exit(0)
""",
    "raises with a hostile name": """
def answer(n):
    raise type("=true\\n" * 99, (BaseException,), {})
""",
    "returns itself": "def answer(n):\n    loop = []\n    loop.append(loop)\n    return loop\n",
    "returns a tower": """
def answer(n):
    tower = []
    for _ in range(900):
        tower = [tower]
    return tower
""",
    "returns a huge number": "def answer(n):\n    return 10 ** 5000\n",
    "test inputs rewritten": """
import sys
def answer(n):
    frame = sys._getframe()
    while frame:
        job = frame.f_locals.get("job")
        if job:
            job.update(n_calls=0, code="answer = str")
        frame = frame.f_back
    return "plover"
""",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_verdict_scores_nothing(sandbox: Sandbox, name: str) -> None:
    """What is right stays outside, so nothing inside can claim to have returned it."""
    tests = [f"answer(3) == {SECRET!r}"]
    assert unit_test_score(FORGERIES[name], tests, sandbox, LIMITS) == 0.0


def test_the_line_is_taken_with_the_right_nonce_only() -> None:
    """A line that is right in all but the nonce, or has too few outcomes, counts for nothing."""
    from academy.sandbox.answers import outcomes

    line = b'{"nonce":"%s","outcomes":["3d31"]}\n'
    assert outcomes(line % b"ab", "ab", 1) == [1]
    assert outcomes(line % b"ac", "ab", 1) is None
    assert outcomes(line % b"ab", "ab", 2) is None
    for nonsense in (b"", b"[]", b"{}", b'{"nonce":1,"outcomes":[]}', b"[" * 9999, b"\xff"):
        assert outcomes(nonsense, "ab", 1) is None


def test_calls_cannot_reach_each_other(sandbox: Sandbox) -> None:
    """Each call has a process of its own: what one leaves behind, the next does not find."""
    code = "import sys\ndef count():\n    sys.n = getattr(sys, 'n', 0) + 1\n    return sys.n\n"
    assert sandbox.run(code, ["count()"] * 3).values == [1, 1, 1]


_CURIOUS = """
import gc, os, sys
def texts(things, depth=0):
    for thing in things:
        if isinstance(thing, (str, bytes)):
            yield thing if isinstance(thing, str) else thing.decode("latin-1")
        elif isinstance(thing, dict) and depth < 6:
            yield from texts([*thing.keys(), *thing.values()], depth + 1)
        elif isinstance(thing, (list, tuple, set)) and depth < 6:
            yield from texts(thing, depth + 1)
def others(own):
    frame, heap = sys._getframe(), [gc.get_objects()]
    while frame:
        heap += [dict(frame.f_locals), dict(frame.f_globals)]
        frame = frame.f_back
    for fd in range(16):
        try:
            heap.append(os.pread(fd, 1 << 20, 0))
        except OSError:
            pass
    words = (w.strip("(),") for text in texts(heap) for w in text.replace("'", " ").split())
    return sorted({w for w in words if w[:6] == "input-" and w[6:].isdigit() and w != own}), own
"""


def test_an_answer_sees_the_input_of_its_own_test_only(sandbox: Sandbox) -> None:
    """Neither those to come nor what came out of those before; in frames, heap or descriptors."""
    found = sandbox.run(_CURIOUS, [f"others('input-{i}')" for i in range(4)], LIMITS)
    assert found.values == [([], f"input-{i}") for i in range(4)], found.error


def test_calls_that_come_too_late_fail_alone(sandbox: Sandbox) -> None:
    """Their inputs stay unread, and the line is still known by its nonce."""
    code = "import time\ndef f(n):\n    time.sleep(n)\n    return n\n"
    found = sandbox.run(code, ["f(0)", "f(60)", "f(0)"], SandboxLimits(wall_s=3.0))
    assert found.values == [0, Failure("took too long"), Failure("took too long")]


def test_one_call_that_dies_does_not_take_the_others_along(sandbox: Sandbox) -> None:
    """Partial credit survives a crash: only the crashing call fails."""
    code = "import os\ndef f(n):\n    return os._exit(7) if n == 1 else n\n"
    assert sandbox.run(code, ["f(0)", "f(1)", "f(2)"]).values == [
        0,
        Failure("ended without a value"),
        2,
    ]
