"""`continuum chat`: talk with one persona or several, each answering as it comes."""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tui.cli.errors import explain, known_errors
from tui.cli.hints import hint
from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.printing import quiet_libraries, say, say_on

if TYPE_CHECKING:
    from economy.answering import Answering
    from genome.genome import Genome
    from persona.backend import Backend
    from persona.persona import Persona
    from persona.sampling import Sampling
    from persona.stream import Answer

TemperatureOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=2, help="0 = always the likeliest token.", show_default="the persona's"
    ),
]
MaxTokensOption = Annotated[
    int | None,
    typer.Option(min=1, help="Longest answer, in tokens.", show_default="the persona's"),
]
SeedOption = Annotated[
    int | None,
    typer.Option(min=0, help="The same seed draws the same tokens.", show_default="chance"),
]


def chat(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Personas; each answers every message.", show_default="the base alone"),
    ] = None,
    temperature: TemperatureOption = None,
    max_tokens: MaxTokensOption = None,
    seed: SeedOption = None,
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Talk with personas: a line is a message, /help lists what else there is."""
    from economy.answering import Answering
    from persona.persona import Persona, PersonaStore
    from seeds.bases import default_base, fingerprint_of

    folder = resolve_home(home)
    personas = [PersonaStore(folder).load(name) for name in dict.fromkeys(names or ())]
    quiet_libraries()
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # bytes that are no text reach a message
    if not personas:
        own = default_base(folder).fingerprint if base is None else fingerprint_of(folder, base)
        personas = [Persona("base", own)]
    chosen = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    with closing(Answering(folder, base)) as answering:
        talk = Talk(answering, chosen)
        for persona in personas:
            talk.join(persona)
        talk.run()


class Speaker(NamedTuple):
    """Who takes part in a conversation."""

    persona: Persona
    backend: Backend
    genome: Genome
    sampling: Sampling


class Talk:
    """A conversation; every persona remembers what was said to it and what it said."""

    def __init__(self, answering: Answering, chosen: Mapping[str, Any]) -> None:
        """
        Args:
            chosen: Fields of `Sampling` that a person chose for all.
        """
        self.answering, self.chosen = answering, chosen
        self.home, self.library = answering.home, answering.library
        self.taken: dict[str, str] = {}
        """By persona: the layer that it took up for the last message."""
        self.speakers: list[Speaker] = []
        self.histories: dict[str, list[dict[str, str]]] = {}
        self.last: dict[str, tuple[int, float, float]] = {}
        """By persona, of its last answer: tokens, seconds to the first, seconds in all."""
        self.commands: dict[str, Callable[[str], None]] = {
            "/help": self.help,
            "/swap": self.swap,
            "/layers": self.layers,
            "/why": self.why,
            "/stats": self.stats,
            "/forget": self.forget,
        }

    def join(self, persona: Persona) -> None:
        """Let a persona take part from the next message on."""
        from economy.answering import USUAL

        sampling = persona.sampled(**{**USUAL, **persona.sampling, **self.chosen})
        self.speakers.append(Speaker(persona, *self.answering.of(persona), sampling))

    def run(self) -> None:
        """Until the input ends, or /quit."""
        hint("a line is a message; /help lists commands, /quit ends")
        while (line := _read()) not in (None, "/quit"):
            if not line:
                continue
            try:
                self.obey(line) if line.startswith("/") else self.answer(line)
            except known_errors() as error:
                say(f"continuum: {explain(error)}", err=True)

    def obey(self, line: str) -> None:
        """Carry out a command."""
        word, _, rest = line.partition(" ")
        if command := self.commands.get(word):
            command(rest.strip())
            return
        close = difflib.get_close_matches(word, self.commands, n=1) or ["/help"]
        say(f"continuum: there is no {word}: did you mean {close[0]}?", err=True)

    def answer(self, message: str) -> None:
        """Everybody's answer to a message, all made at once and shown one after the other."""
        answers: dict[str, Answer] = {}
        said: dict[str, str] = {}
        begun = time.perf_counter()
        try:
            for speaker in self.speakers:
                answers[speaker.persona.name] = self._asked(speaker, message)
            for name, answer in answers.items():
                self._show(name, answer, said, begun)
        except KeyboardInterrupt:
            say("", "(stopped)")
        finally:
            for name, answer in answers.items():
                answer.close()
                if name in said:
                    self.histories[name] += [_turn("user", message), _turn("assistant", said[name])]

    def _asked(self, speaker: Speaker, message: str) -> Answer:
        """The answer, begun; what was said first is left out where there is no room for it."""
        from genome.errors import TooLongError

        persona, sampling = speaker.persona, speaker.sampling
        backend, genome, found = self.answering.assembled(persona, message)
        self.taken[persona.name] = found.manifest.name if found else ""
        history = self.histories.setdefault(persona.name, [])
        if sampling.seed is not None:  # one for each turn, else the same words come again
            sampling = sampling.model_copy(update={"seed": sampling.seed + len(history)})
        while True:
            try:
                turns = [*history, _turn("user", message)]
                return backend.stream(genome, self.answering.messages(persona, turns), sampling)
            except TooLongError:
                if not history:
                    raise
                del history[:2]
                hint(f"{persona.name} no longer sees what was said first: there is no more room")

    def _show(self, name: str, answer: Answer, said: dict[str, str], begun: float) -> None:
        from persona.sampling import Said

        said[name], n_tokens, first = "", 0, 0.0
        say_on(f"{name}: ")
        for what in answer:
            first = first or time.perf_counter() - begun
            n_tokens += isinstance(what, Said)
            said[name] += what.text
            say_on(what.text)
        say("")
        self.last[name] = n_tokens, first, time.perf_counter() - begun

    # -- commands --------------------------------------------------------------------------

    def help(self, _: str) -> None:
        """What there is."""
        for word, command in self.commands.items():
            say(f"{word:9} {(command.__doc__ or '').splitlines()[0]}")
        say("/quit     End.")

    def swap(self, words: str) -> None:
        """/swap NEW [OLD]: NEW goes on from what was said to OLD, or to the only one here."""
        from persona.persona import PersonaStore

        names = [speaker.persona.name for speaker in self.speakers]
        new, _, old = words.partition(" ")
        old = old.strip() or names[0]
        if not new or old not in names or (new != old and new in names):
            say(
                f"continuum: /swap NEW OLD: OLD is one of {', '.join(names)}, NEW another", err=True
            )
            return
        self.join(PersonaStore(self.home).load(new))
        self.speakers[names.index(old)] = self.speakers.pop()
        self.histories[new] = self.histories.pop(old, [])
        say(f"{new} goes on from here, instead of {old}")

    def layers(self, _: str) -> None:
        """What each persona is made of."""
        names = {row.digest: row.name for row in self.library.find()}
        for persona, _backend, genome, _sampling in self.speakers:
            parts = [
                f"{weight:g} x {names.get(digest, digest[:12])}"
                for digest, weight in zip(persona.layers, genome.weights, strict=True)
            ]
            base = f"on backend {persona.backend}" if persona.backend else "the base"
            say(f"{persona.name}: {', then '.join(parts) or f'{base} alone'}")

    def why(self, _: str) -> None:
        """Which layers of the library know most of the last message, and who has them."""
        history = next((h for h in self.histories.values() if h), None)
        if history is None:
            say("nothing was said yet")
            return
        fingerprint = self.speakers[0].persona.base_model
        for one in self.answering.nearest(fingerprint, history[-2]["content"])[:3]:
            having = [s.persona.name for s in self.speakers if one.digest in s.persona.layers]
            say(f"{one.similarity:.2f} {one.manifest.name}: {', '.join(having) or 'nobody here'}")
        say(f"sure from {self.library.clear_match(fingerprint):.2f}")
        for name, layer in self.taken.items():
            if layer:
                say(f"{name} took up {layer} for it")

    def stats(self, _: str) -> None:
        """How fast the last answers came."""
        for name, (n_tokens, first, seconds) in self.last.items():
            pace = (n_tokens - 1) / max(seconds - first, 1e-9)
            say(f"{name}: {n_tokens} tokens, first after {first:.2f} s, then {pace:.1f} a second")
        for report in {speaker.backend.report() for speaker in self.speakers} - {""}:
            say(report)

    def forget(self, _: str) -> None:
        """Begin anew: nothing of what was said is remembered."""
        self.histories.clear()


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _read() -> str | None:
    """The next line; None when there are no more."""
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):
        return None
