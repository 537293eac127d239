"""Another program's answers: told as they come; every way in which that can fail is one line."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from economy.serving.serve import server_of
from economy.serving.service import Service
from genome.base_model import BaseModel
from genome.compose import stack
from genome.errors import BaseModelMismatchError
from genome.genome import Genome
from genome.layer import Layer
from marketplace.service.serve import bound
from persona.backends import Foundation
from persona.errors import (
    BackendError,
    BackendSettingsError,
    GrammarError,
    NotOfferedError,
    PromptError,
    QueueFullError,
)
from persona.grammar import of_call, of_schema
from persona.prompt import message_ids
from persona.remote import connection, endpoint
from persona.remote.breaker import BREAK_AFTER, BREAK_S, Breaker
from persona.remote.endpoint import Endpoint, EndpointSettings
from persona.sampling import Ended, Said, Sampling
from tests.support.fake_api import (
    END,
    HELLO,
    FakeApi,
    Handler,
    Plan,
    drop,
    ending,
    event,
    piece,
    refuse,
    say,
)
from tests.support.genome import put_ada_and_bob, random_layer, tiny_llama

BARE = Genome("tiny")
ASKED = [{"role": "user", "content": "What is the colour of the third envelope?"}]
KEY = "sk-very-secret-0123456789"
Make = Callable[..., Endpoint]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts are short."""
    monkeypatch.setattr(connection, "FIRST_PAUSE_S", 0.001)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """The other program."""
    with FakeApi() as api:
        yield api


@pytest.fixture
def make(api: FakeApi) -> Iterator[Make]:
    """Makes backends called `far` that ask it, and closes them."""
    made: list[Endpoint] = []

    def make(**more: Any) -> Endpoint:
        values = {"url": api.url, "model": "base", "timeout_s": 20, **more}
        made.append(Endpoint(EndpointSettings(**values), name="far"))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture(scope="module")
def layers() -> list[Layer]:
    """Three of one base."""
    model = tiny_llama()
    return [random_layer(model, seed=seed) for seed in range(3)]


class Heard:
    """What was told of one answer."""

    def __init__(self) -> None:
        self.all: list[Any] = []
        self.begun, self.over = threading.Event(), threading.Event()

    def __call__(self, what: Any) -> None:
        self.all.append(what)
        (self.begun if isinstance(what, Said) else self.over).set()

    @property
    def text(self) -> str:
        return "".join(what.text for what in self.all if isinstance(what, Said))


def heard(backend: Endpoint, genome: Genome = BARE, prompt: Any = ASKED, **more: Any) -> Heard:
    """All that is told of an answer."""
    told = Heard()
    backend.submit(genome, prompt, told, Sampling(**more))
    assert told.over.wait(30)
    return told


def failure(backend: Endpoint, genome: Genome = BARE) -> BackendError:
    """How an answer fails, in one line that holds neither key nor prompt."""
    told = heard(backend, genome)
    error = told.all[-1]
    assert isinstance(error, BackendError), told.all
    line = str(error)
    assert "\n" not in line and len(line) < 500 and line.startswith("backend far ")
    assert line.count(": ") >= 1
    assert KEY not in line and "envelope" not in line
    return error


def held(begun: threading.Event, left: threading.Event) -> Plan:
    """Say one piece, and notice when the client is gone."""

    def plan(handler: Handler, _: dict[str, Any]) -> None:
        try:
            handler.begin(200, {"Content-Type": "text/event-stream"})
            handler.chunk(piece("hel"))
            begun.set()
            assert handler.connection.recv(1) == b""
        except OSError:  # it left before the piece was on its way
            handler.close_connection = True
        left.set()

    return plan


def gated(gate: threading.Event, arrived: threading.Semaphore) -> Plan:
    """Answer when the gate opens."""

    def plan(handler: Handler, body: dict[str, Any]) -> None:
        arrived.release()
        assert gate.wait(30)
        say(*HELLO)(handler, body)

    return plan


# -- answers -------------------------------------------------------------------------------------


def test_an_answer_is_told_in_pieces_and_counted(make: Make) -> None:
    backend = make(prompt_price="2.5", answer_price="10")
    told = heard(backend)
    assert told.all == [
        Said(-1, text="hel"),
        Said(-1, text="lo"),
        Ended("stop", n_prompt=7, n_said=2),
    ]
    stats = backend.stats()
    assert (stats.requests, stats.failures, stats.n_prompt, stats.n_said) == (1, 0, 7, 2)
    assert stats.cost == Decimal("0.0000375")
    assert backend.answer(BARE, "and now?") == "hello"


def test_what_is_asked_is_in_the_words_of_the_api(api: FakeApi, make: Make) -> None:
    """And what is as usual is left out, for many servers refuse what they do not know."""
    backend = make()
    heard(backend)
    heard(backend, max_tokens=9, temperature=0.5, top_p=0.9, top_k=4, min_p=0.1, seed=3)
    heard(backend, stop=("\n",), stop_ids={5, 2}, repetition_penalty=1.1, presence_penalty=1)
    plain, sampled, penalised = api.asked
    assert plain == {
        "path": "/v1/chat/completions",
        "model": "base",
        "messages": ASKED,
        "max_tokens": 64,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    new = {name: value for name, value in sampled.items() if name not in plain}
    assert new == {"top_p": 0.9, "top_k": 4, "min_p": 0.1, "seed": 3}
    assert (sampled["max_tokens"], sampled["temperature"]) == (9, 0.5)
    new = {name: value for name, value in penalised.items() if name not in plain}
    assert new == {
        "stop": ["\n"],
        "stop_token_ids": [2, 5],
        "repetition_penalty": 1.1,
        "presence_penalty": 1.0,
    }


def test_tokens_are_asked_as_a_completion(api: FakeApi, make: Make) -> None:
    api.plans.append(say(piece("x", is_chat=False), ending("length")))
    told = heard(make(), prompt=[5, 6, 7])
    assert told.text == "x" and told.all[-1].reason == "length"
    assert api.asked[0]["path"] == "/v1/completions" and api.asked[0]["prompt"] == [5, 6, 7]


def test_a_schema_is_passed_on_and_other_grammars_are_refused(api: FakeApi, make: Make) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    backend = make()
    heard(backend, grammar=of_schema(schema))
    assert api.asked[0]["response_format"]["type"] == "json_schema"
    assert api.asked[0]["response_format"]["json_schema"]["schema"] == schema
    with pytest.raises(GrammarError, match="backend far follows JSON schemas"):
        backend.prepare(Sampling(grammar=of_call({"move": {"type": "object"}})))


@pytest.mark.parametrize(("field", "value"), [("logprobs", 0), ("of_prompt", True)])
def test_what_is_not_told_here_is_refused_by_name(make: Make, field: str, value: Any) -> None:
    backend = make()
    for ask in (backend.prepare, lambda s: backend.submit(BARE, ASKED, print, s)):
        with pytest.raises(NotOfferedError, match=f"^{field}: backend far .*: leave it out"):
            ask(Sampling(**{field: value}))


def test_no_prompt_and_another_base_are_refused(api: FakeApi) -> None:
    settings = EndpointSettings(url=api.url, model="base")
    with closing(Endpoint(settings, name="far", base="other")) as backend:
        with pytest.raises(BaseModelMismatchError):
            backend.submit(BARE, ASKED, print)
        with pytest.raises(PromptError):
            backend.submit(Genome("other"), [], print)


def test_sixteen_are_answered_at_once(api: FakeApi, make: Make) -> None:
    """No one is answered before all have arrived."""
    backend, gate, arrived = make(), threading.Event(), threading.Semaphore(0)
    api.plans.extend(gated(gate, arrived) for _ in range(16))
    told = [Heard() for _ in range(16)]
    for one in told:
        backend.submit(BARE, ASKED, one)
    assert all(arrived.acquire(timeout=30) for _ in range(16))
    assert backend.stats().running == 16 and not any(one.all for one in told)
    gate.set()
    assert all(one.over.wait(30) for one in told)
    assert [one.text for one in told] == ["hello"] * 16


def test_more_than_may_wait_are_refused(
    api: FakeApi, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "AT_ONCE", 1)
    monkeypatch.setattr(endpoint, "WAITING", 1)
    backend, gate, arrived = make(), threading.Event(), threading.Semaphore(0)
    api.plans.append(gated(gate, arrived))
    first, second = Heard(), Heard()
    backend.submit(BARE, ASKED, first)
    assert arrived.acquire(timeout=30)
    backend.submit(BARE, ASKED, second)
    with pytest.raises(QueueFullError):
        backend.submit(BARE, ASKED, print)
    gate.set()
    assert first.over.wait(30) and second.over.wait(30)


# -- failures ------------------------------------------------------------------------------------


def page(status: int) -> bytes:
    return b"<html><title>%d</title>" % status + b"<p>so sorry" * 10_000


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (refuse(400, b'{"error": {"message": "too long: 9 of 8"}}'), r"400 \(too long: 9 of 8\)"),
        (refuse(400, b'{"detail": "no\\nsuch field"}'), r"400 \(no such field\)"),
        (refuse(400, page(400)), r"400 \(no reason in JSON\)"),
        (refuse(400, b'{"error": {"message": "of the third envelope?"}}'), "quotes the request"),
        (refuse(401, b'{"error": {"message": "wrong key sk-very"}}'), "answered 401: set THE_KEY"),
        (refuse(404, page(404)), "answered 404 .*has the model base"),
        (refuse(307, Location="http://elsewhere/"), "answered 307 .*where it has moved"),
        (say(b'{"choices": []}', kind="application/json"), "application/json instead of a stream"),
        (say(page(200), kind="text/html"), "text/html instead of a stream"),
        (refuse(200, b"hm"), "no content type instead of a stream"),
        (say(b"data: {hm\n\n"), "no piece of a completion"),
        (say(b'data: {"choices": 5}\n\n'), "no piece of a completion"),
        (say(b"data: " + b"x" * (2 << 20)), "a line of more than 1048576 bytes"),
        (say(), "without finish_reason"),
        (say(END), "without finish_reason"),
        (say(ending("content_filter")), "reason of its own .'content_filter'."),
    ],
)
def test_a_failure_before_any_text_is_one_line(
    api: FakeApi, make: Make, monkeypatch: pytest.MonkeyPatch, plan: Plan, said: str
) -> None:
    """And it is not asked again, for the same would come of it."""
    monkeypatch.setenv("THE_KEY", KEY)
    backend = make(key_env="THE_KEY")
    api.plans.append(plan)
    error = failure(backend)
    assert re.search(said, str(error)), str(error)
    assert len(api.asked) == 1 and backend.stats().failures == 1
    assert heard(backend).text == "hello"


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (drop(piece("hel")), "broke the connection"),
        (say(piece("hel")), "without finish_reason"),
        (say(piece("hel"), END), "without finish_reason"),
        (say(piece("hel"), event(error={"message": "out of memory"})), "middle .out of memory."),
        (say(piece("hel"), event(error="overloaded")), "middle .overloaded."),
        (say(piece("hel"), b"data: " + b"x" * (2 << 20)), "a line of more than"),
    ],
)
def test_what_was_told_before_a_failure_stays_told(
    api: FakeApi, make: Make, plan: Plan, said: str
) -> None:
    """And nothing is asked again, for the answer had begun."""
    backend = make()
    api.plans.append(plan)
    told = heard(backend)
    assert told.text == "hel" and said.split(" .")[0] in str(told.all[-1])
    assert isinstance(told.all[-1], BackendError) and len(told.all) == 2
    assert len(api.asked) == 1 and backend.stats().n_said == 1


def test_an_answer_that_was_whole_before_the_connection_broke_is_whole(
    api: FakeApi, make: Make
) -> None:
    reasoned = event(choices=[{"delta": {}, "finish_reason": "stop"}])
    api.plans.append(drop(piece("hel"), piece("lo"), reasoned))
    assert heard(make()).all[2:] == [Ended("stop", n_prompt=0, n_said=2)]


@pytest.mark.parametrize("plan", [refuse(429), refuse(500, page(500)), refuse(503), drop()])
def test_what_may_pass_is_asked_again(api: FakeApi, make: Make, plan: Plan) -> None:
    backend = make()
    api.plans.extend([plan, plan])
    assert heard(backend).text == "hello"
    assert backend.stats().retries == 2 and backend.stats().failures == 0
    api.plans.extend([plan] * 3)
    failure(backend)
    assert len(api.asked) == 6 and not api.plans


@pytest.mark.parametrize("form", ["number", "date"])
def test_retry_after_is_waited_for(
    api: FakeApi, make: Make, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Seconds or a date; who asks for more than a minute is not asked again."""
    waited: list[float] = []
    monkeypatch.setattr(
        connection, "sleep_using_event", lambda _: lambda seconds: waited.append(seconds)
    )

    def busy(seconds: int) -> Plan:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        text = str(seconds) if form == "number" else format_datetime(at, usegmt=True)
        return refuse(429, Retry_After=text)

    backend = make()
    api.plans.append(busy(50))
    assert heard(backend).text == "hello"
    assert len(waited) == 1 and 48 <= waited[0] <= 50
    api.plans.append(busy(3000))
    error = failure(backend)
    assert 2990 <= error.wait_s <= 3000 and "ask again in" in str(error) and len(waited) == 1


def test_a_server_that_is_silent_or_not_there_fails_in_time(api: FakeApi, make: Make) -> None:
    gate, arrived = threading.Event(), threading.Semaphore(0)
    api.plans.extend(gated(gate, arrived) for _ in range(2))
    assert "sent nothing for 0.1 s" in str(failure(make(timeout_s=0.1, retries=1)))
    gate.set()
    assert arrived.acquire(timeout=30) and arrived.acquire(timeout=30)
    with closing(bound("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = failure(make(url=f"http://127.0.0.1:{port}/v1", retries=1))
    assert f"cannot be reached at http://127.0.0.1:{port}/v1" in str(error)


def test_the_breaker_opens_lets_one_try_and_closes(api: FakeApi, make: Make) -> None:
    now = [0.0]
    backend = make(retries=0)
    backend.breaker = Breaker("far", lambda: now[0])
    api.plans.extend([refuse(500)] * (BREAK_AFTER + 1))
    for _ in range(BREAK_AFTER):
        failure(backend)
    now[0] = 3.0
    with pytest.raises(BackendError, match=r"failed 5 times in a row, last: .*: asked again in 27"):
        backend.submit(BARE, ASKED, print)
    assert len(api.asked) == BREAK_AFTER
    now[0] += BREAK_S
    failure(backend)  # one may try
    with pytest.raises(BackendError, match="failed 6 times"):
        backend.submit(BARE, ASKED, print)
    now[0] += BREAK_S + 1
    for _ in range(2):
        assert heard(backend).text == "hello"


def test_while_one_tries_the_others_are_refused() -> None:
    now = [0.0]
    breaker = Breaker("far", lambda: now[0])
    for _ in range(BREAK_AFTER):
        breaker.enter()
        breaker.failed("answered 500")
    now[0] = BREAK_S
    breaker.enter()
    with pytest.raises(BackendError):
        breaker.enter()
    breaker.worked()
    breaker.enter()


def test_refusals_of_requests_do_not_open_the_breaker(api: FakeApi, make: Make) -> None:
    backend = make()
    api.plans.extend([refuse(400)] * (BREAK_AFTER + 1))
    for _ in range(BREAK_AFTER + 1):
        failure(backend)
    assert heard(backend).text == "hello"


def test_the_key_comes_from_the_environment_and_is_never_shown(
    api: FakeApi, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THE_KEY", raising=False)
    backend = make(key_env="THE_KEY")
    assert "variable THE_KEY is not set: set it" in str(failure(backend))
    monkeypatch.setenv("THE_KEY", f"{KEY}\nX-Other: 1")
    assert "THE_KEY holds no key" in str(failure(backend))
    assert not api.asked
    monkeypatch.setenv("THE_KEY", KEY)
    assert heard(backend).text == "hello" and api.keys == [f"Bearer {KEY}"]
    api.plans.append(refuse(400, json.dumps({"error": {"message": f"who is {KEY}"}}).encode()))
    failure(backend)
    api.plans.append(say(piece("x"), event(error={"message": f"who is {KEY}"})))
    assert KEY not in str(heard(backend).all[-1])


# -- cancelling ----------------------------------------------------------------------------------


def test_cancel_closes_the_connection_and_nothing_more_is_told(api: FakeApi, make: Make) -> None:
    backend, told = make(), Heard()
    begun, left = threading.Event(), threading.Event()
    api.plans.append(held(begun, left))
    asked = backend.submit(BARE, ASKED, told)
    assert begun.wait(30) and told.begun.wait(30)
    asked.cancel()
    assert left.wait(30), "the server sees it"
    assert heard(backend).text == "hello"
    assert told.all == [Said(-1, text="hel")] and backend.stats().failures == 0


def test_cancel_ends_what_has_not_begun_to_answer(api: FakeApi, make: Make) -> None:
    backend, told, left = make(), Heard(), threading.Event()
    arrived = threading.Event()

    def silent(handler: Handler, _: dict[str, Any]) -> None:
        arrived.set()
        if handler.connection.recv(1) == b"":
            left.set()

    api.plans.append(silent)
    asked = backend.submit(BARE, ASKED, told)
    assert arrived.wait(30)
    asked.cancel()
    assert left.wait(30) and not told.all


def test_cancel_ends_a_pause(api: FakeApi, make: Make) -> None:
    """Close waits for the thread: it does not wait for the pause."""
    backend, arrived = make(), threading.Event()

    def busy(handler: Handler, body: dict[str, Any]) -> None:
        refuse(503, Retry_After="50")(handler, body)
        arrived.set()

    api.plans.append(busy)
    told = Heard()
    backend.submit(BARE, ASKED, told)
    assert arrived.wait(30)
    backend.close()
    assert not told.all and len(api.asked) == 1
    with pytest.raises(BackendError, match="was closed"):
        backend.submit(BARE, ASKED, print)


def test_a_listener_that_fails_ends_its_answer(api: FakeApi, make: Make) -> None:
    begun, left = threading.Event(), threading.Event()
    api.plans.append(held(begun, left))

    def gone(_: object) -> None:
        raise RuntimeError

    backend = make()
    backend.submit(BARE, ASKED, gone)
    assert left.wait(30)
    assert heard(backend).text == "hello"


def test_who_stops_reading_several_ends_them_all(api: FakeApi, make: Make) -> None:
    gone = [threading.Event() for _ in range(3)]
    api.plans.extend(held(threading.Event(), left) for left in gone)
    backend = make()

    async def read_one() -> None:
        answers = backend.generate(BARE, [ASKED], n=3)
        await anext(answers)
        await answers.aclose()

    asyncio.run(read_one())
    backend.close()
    assert all(left.wait(30) for left in gone[: len(api.asked)])


# -- layers --------------------------------------------------------------------------------------


def test_layers_are_refused_where_none_are_loaded(make: Make, layers: list[Layer]) -> None:
    with pytest.raises(NotOfferedError, match=r"^layers: backend far .*: set loads_layers"):
        make().submit(Genome.of(layers[0]), ASKED, print)


def test_a_genome_is_loaded_once_under_its_digest(
    api: FakeApi, make: Make, layers: list[Layer], tmp_path: Path
) -> None:
    """As one adapter that is exactly its layers and weights."""
    backend = make(loads_layers=True, layers_folder=tmp_path)
    genome = Genome("tiny", tuple(layers[:2]), (0.7, -0.4))
    with ThreadPoolExecutor(8) as pool:
        assert [told.text for told in pool.map(lambda _: heard(backend, genome), range(8))] == [
            "hello"
        ] * 8
    assert api.moves == [("load", genome.digest)]
    assert {asked["model"] for asked in api.asked} == {genome.digest}
    folder = Path(api.folders[genome.digest])
    assert folder == tmp_path / genome.digest
    wanted = stack(genome.layers, genome.weights).bound_to("tiny")
    assert Layer.from_peft(folder).digest == wanted.digest
    backend.close()
    assert api.moves[1:] == [("unload", genome.digest)] and not [*tmp_path.iterdir()]


@pytest.mark.parametrize("limit", ["ours", "theirs"])
def test_the_longest_unused_goes_and_never_one_that_answers(
    api: FakeApi, make: Make, layers: list[Layer], tmp_path: Path, limit: str
) -> None:
    api.room = 100 if limit == "ours" else 2
    more = {"max_loaded": 2} if limit == "ours" else {}
    backend = make(loads_layers=True, layers_folder=tmp_path, **more)
    first, second, third = map(Genome.of, layers)
    gate, arrived, told = threading.Event(), threading.Semaphore(0), Heard()
    api.plans.append(gated(gate, arrived))
    backend.submit(first, ASKED, told)
    assert arrived.acquire(timeout=30)
    heard(backend, second)
    heard(backend, third)  # the first is older, and answers
    names = [first.digest, second.digest, third.digest]
    loads = [("load", names[0]), ("load", names[1])]
    assert api.moves == [*loads, ("unload", names[1]), ("load", names[2])]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([names[0], names[2]])
    gate.set()
    assert told.over.wait(30)
    heard(backend, first)
    heard(backend, second)
    assert api.moves[4:] == [("unload", names[2]), ("load", names[1])]


def test_who_finds_no_room_waits_and_may_leave(
    api: FakeApi, make: Make, layers: list[Layer]
) -> None:
    backend = make(loads_layers=True, max_loaded=1)
    gate, arrived = threading.Event(), threading.Semaphore(0)
    api.plans.append(gated(gate, arrived))
    first, second, left = Heard(), Heard(), Heard()
    backend.submit(Genome.of(layers[0]), ASKED, first)
    assert arrived.acquire(timeout=30)
    backend.submit(Genome.of(layers[1]), ASKED, second)
    backend.submit(Genome.of(layers[2]), ASKED, left).cancel()
    assert heard(backend).text == "hello", "the base needs no room"
    assert not second.all
    gate.set()
    assert first.over.wait(30) and second.over.wait(30) and second.text == "hello"
    assert not left.all and len(api.moves) == 3


def test_a_server_that_was_started_again_is_given_its_layers_again(
    api: FakeApi, make: Make, layers: list[Layer]
) -> None:
    """Once, whoever else has noticed."""
    backend, genome = make(loads_layers=True), Genome.of(layers[0])
    heard(backend, genome)
    api.folders.clear()
    with ThreadPoolExecutor(8) as pool:
        told = [*pool.map(lambda _: heard(backend, genome), range(8))]
    assert [one.text for one in told] == ["hello"] * 8
    assert api.moves == [("load", genome.digest)] * 2
    api.plans.extend([refuse(404), refuse(404)])
    assert failure(backend, genome).status == 404, "loaded again once, not for ever"


def test_a_layer_is_forgotten_once_no_answer_runs_on_it(
    api: FakeApi, make: Make, layers: list[Layer], tmp_path: Path
) -> None:
    left = tmp_path / ("0" * 64)
    left.mkdir()
    (left / "layers.json").write_text(json.dumps([layers[0].digest]))
    backend = make(loads_layers=True, layers_folder=tmp_path)
    both, other = Genome("tiny", tuple(layers[:2]), (1.0, 1.0)), Genome.of(layers[2])
    heard(backend, other)
    gate, arrived, told = threading.Event(), threading.Semaphore(0), Heard()
    api.plans.append(gated(gate, arrived))
    backend.submit(both, ASKED, told)
    assert arrived.acquire(timeout=30)
    done = backend.forget([layers[0].digest])
    assert not done.done() and both.digest in api.folders
    assert not left.exists(), "what a killed process left of it goes as well"
    gate.set()
    assert done.result(30) is None and told.text == "hello"
    assert [*api.folders] == [other.digest] and not (tmp_path / both.digest).exists()
    assert heard(backend, both).text == "hello", "whoever asks for it anew has it anew"


def test_a_layer_that_the_server_may_still_have_is_not_said_to_be_forgotten(
    api: FakeApi, make: Make, layers: list[Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again when it is asked for again."""
    backend, genome = make(loads_layers=True, retries=0), Genome.of(layers[0])
    heard(backend, genome)
    with monkeypatch.context() as broken:
        broken.setattr(api, "_move", lambda *_: refuse(500))
        error = backend.forget([layers[0].digest]).exception(30)
        assert isinstance(error, BackendError) and "answered 500" in str(error)
    assert backend.forget([layers[0].digest]).exception(30) is None
    assert api.moves[-1] == ("unload", genome.digest)


def test_a_layer_whose_loading_was_cut_is_unloaded_when_it_is_forgotten(
    api: FakeApi, make: Make, layers: list[Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server goes on loading what nobody waits for."""
    backend, genome, told = make(loads_layers=True), Genome.of(layers[0]), Heard()
    gate, arrived = threading.Event(), threading.Semaphore(0)
    move = api._move

    def slowly(path: str, body: dict[str, Any]) -> Plan:
        move(path, body)
        return gated(gate, arrived)

    with monkeypatch.context() as slow:
        slow.setattr(api, "_move", slowly)
        asked = backend.submit(genome, ASKED, told)
        assert arrived.acquire(timeout=30)
        asked.cancel()
        gate.set()
    backend.forget([layers[0].digest]).result(30)
    assert not api.folders and not told.all


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (refuse(404), "loads no layers .*VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
        (refuse(400, b'{"error": {"message": "rank 32 > max_lora_rank 16"}}'), "rank 32"),
    ],
)
def test_a_layer_that_is_not_loaded_is_one_line(
    api: FakeApi,
    make: Make,
    layers: list[Layer],
    monkeypatch: pytest.MonkeyPatch,
    plan: Plan,
    said: str,
) -> None:
    monkeypatch.setattr(api, "_move", lambda *_: plan)
    backend = make(loads_layers=True)
    with pytest.raises(BackendError, match=said):
        raise failure(backend, Genome.of(layers[0]))
    assert heard(backend).text == "hello"


# -- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"url": "ftp://x"}, "url: is http:// or https:// with a host"),
        ({"url": "http://"}, "url: is http:// or https:// with a host"),
        ({"url": "http://x:99999"}, "url: is http:// or https:// with a host"),
        ({"url": f"http://me:{KEY}@x"}, "url: holds no user or password: name .* in key_env"),
        ({"url": f"http://x/v1?key={KEY}"}, "url: ends with its path"),
        ({"model": ""}, "model: should have at least 1 character, not ''"),
        ({"key_env": KEY}, "key_env: should match pattern"),
        ({"key": KEY}, "key: is no setting, there are url, model, key_env"),
        ({"timeout_s": 0}, "timeout_s: is greater than or equal to 0.1, not '0'"),
        ({"connect_s": 61}, "connect_s: is less than or equal to 60, not '61'"),
        ({"retries": 11}, "retries: is less than or equal to 10, not '11'"),
        ({"answer_price": -1}, "answer_price: is greater than or equal to 0, not '-1'"),
        ({"prompt_price": "nan"}, "prompt_price: is a finite number, not 'nan'"),
        ({"currency": "€"}, "currency: should match pattern"),
        ({"layers_folder": "here"}, "layers_folder: is a whole path"),
        ({"max_loaded": 0}, "max_loaded: is greater than or equal to 1, not '0'"),
    ],
)
def test_settings_out_of_bounds_are_one_line(values: dict[str, Any], said: str) -> None:
    """Which holds nothing that may be a key in the wrong place."""
    with pytest.raises(BackendSettingsError, match=f"^backend far: {said}") as caught:
        Foundation.of("far", {"kind": "openai", "url": "http://x", "model": "base", **values})
    assert KEY not in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).endswith(": change it in the settings")


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("http://x", "http://x/v1"),
        ("http://x:1/", "http://x:1/v1"),
        ("https://x/v1/", "https://x/v1"),
        ("https://x/openai/v1", "https://x/openai/v1"),
    ],
)
def test_an_address_without_a_path_gets_one(url: str, called: str) -> None:
    assert EndpointSettings(url=url, model="base").api == called


# -- ours as the other program -------------------------------------------------------------------


def test_continuum_serve_answers_as_its_engine_does(tmp_path: Path, embedded: BaseModel) -> None:
    """Greedy, in messages and in tokens; a persona there is a model here."""
    put_ada_and_bob(tmp_path, embedded)
    service = Service.of(tmp_path, embedded, "embedded", log_to=io.StringIO())
    engine = service.engine
    started, listener = threading.Event(), bound("127.0.0.1", 0)
    server = server_of(service, started.set)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert started.wait(30)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        bare, sampling = Genome(embedded.fingerprint), Sampling(max_tokens=12)
        for model in ("embedded", "ada"):
            settings = EndpointSettings(url=url, model=model)
            genome = service.names.meant(model).genome
            with closing(Endpoint(settings, name="far", base=embedded.fingerprint)) as backend:
                assert backend.answer(bare, "sort: cbda", sampling) == engine.answer(
                    genome, "sort: cbda", sampling
                )
                ids = message_ids(embedded, [{"role": "user", "content": "sort: cbda"}])
                told = [*backend.stream(bare, ids, sampling)]
                own = [*engine.stream(genome, ids, sampling)]
                assert "".join(what.text for what in told) == "".join(what.text for what in own)
                ended = told[-1]
                assert isinstance(ended, Ended) and ended.n_prompt == len(ids) and ended.n_said
    finally:
        server.handle_exit(signal.SIGTERM, None)
        thread.join(40)
        listener.close()
        service.close()
    assert not thread.is_alive()
