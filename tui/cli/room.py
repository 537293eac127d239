"""`continuum room`: humans and personas in one conversation, and why each was silent."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.hints import hint
from tui.cli.home import HomeOption, MemoryOption, existing_home, resolve_home
from tui.cli.tables import print_facts, print_table
from tui.printing import quiet_libraries, say, say_on

if TYPE_CHECKING:
    from persona.room.log import Message

app = typer.Typer(no_args_is_help=True)
RoomArgument = Annotated[str, typer.Argument(help="The room's name.")]
MemberArgument = Annotated[str, typer.Argument(help="Name of a persona or a human.")]
AsOption = Annotated[str, typer.Option("--as", help="Which human says it.")]
ME = "me"
"""What a human is called who does not say."""
LOOKS_S = 0.5
"""Between two looks at a room that is watched."""


@app.command()
def create(
    name: RoomArgument,
    members: Annotated[
        list[str] | None, typer.Argument(help="Personas to begin with.", show_default="none")
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option("--rule", help="KEY=VALUE, such as speakers=2, least=0.6, hops=0, turns=6."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides between equals.")] = 0,
    home: HomeOption = None,
) -> None:
    """Make a room, with yourself and these personas in it."""
    from pydantic import ValidationError

    from persona.persona import PersonaStore
    from persona.room.log import RoomLog
    from persona.room.thought_stream import Rules
    from tui.cli.backend import setting
    from tui.cli.errors import CommandError

    folder = resolve_home(home)
    store, log = PersonaStore(folder), RoomLog(folder)
    for member in members or ():
        store.path(member)
    try:
        chosen = Rules.model_validate(dict(setting(rule, "--rule") for rule in rules or ()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        known = f"is no rule: they are {', '.join(Rules.model_fields)}"
        why = known if first["type"] == "extra_forbidden" else first["msg"]
        raise CommandError(f"--rule {key}: {why}") from None
    log.create(name, chosen, seed)
    log.join(name, ME, human=True)
    for member in dict.fromkeys(members or ()):
        log.join(name, member, human=False)
    say(f"{name} is a room")
    hint(f"talk there: `continuum room say {name}`")


@app.command("list")
def list_rooms(home: HomeOption = None) -> None:
    """Every room, and who is there."""
    from persona.room.log import RoomLog

    log = RoomLog(existing_home(home, "rooms.db"))
    rows = []
    for name in log.names():
        said = log.messages(name, last=1)
        there = ", ".join(member.name for member in log.members(name))
        rows.append((name, there, str(said[0].event.number if said else 0)))
    print_table("rooms", ("name", "who is there", "messages"), rows)


@app.command()
def show(name: RoomArgument, home: HomeOption = None) -> None:
    """A room's rules, and who is there."""
    from persona.room.log import RoomLog

    log = RoomLog(existing_home(home, "rooms.db"))
    rules, seed = log.rules(name)
    print_facts(name, {key: f"{value}" for key, value in rules} | {"seed": str(seed)})
    rows = [
        (
            one.name,
            "human" if one.human else "muted persona" if one.muted else "persona",
            str(one.since),
        )
        for one in log.members(name)
    ]
    print_table("who is there", ("name", "kind", "hears from message"), rows)


@app.command()
def join(
    room: RoomArgument,
    name: MemberArgument,
    human: Annotated[bool, typer.Option("--human", help="A human, not a persona.")] = False,
    home: HomeOption = None,
) -> None:
    """Let somebody in: they hear what is said from now on."""
    from persona.persona import PersonaStore
    from persona.room.log import RoomLog

    folder = existing_home(home, "rooms.db")
    if not human:
        PersonaStore(folder).path(name)
    new = RoomLog(folder).join(room, name, human=human)
    say(f"{name} is in {room}" if new else f"{name} was there already")


@app.command()
def leave(room: RoomArgument, name: MemberArgument, home: HomeOption = None) -> None:
    """Let somebody out: they do not hear what is said from now on."""
    from persona.room.log import RoomLog

    RoomLog(existing_home(home, "rooms.db")).leave(room, name)
    say(f"{name} has left {room}")


@app.command()
def mute(
    room: RoomArgument,
    name: MemberArgument,
    off: Annotated[bool, typer.Option("--off", help="Let it speak again.")] = False,
    home: HomeOption = None,
) -> None:
    """Let a persona hear and not speak, whoever mentions it."""
    from persona.room.log import RoomLog

    RoomLog(existing_home(home, "rooms.db")).mute(room, name, not off)
    say(f"{name} may speak in {room}" if off else f"{name} is muted in {room}")


@app.command("say")
def say_there(
    room: RoomArgument,
    text: Annotated[
        str | None, typer.Argument(help="The message.", show_default="lines, until the input ends")
    ] = None,
    author: AsOption = ME,
    why: Annotated[
        bool, typer.Option("--why", help="Show who was chosen, and why others are silent.")
    ] = False,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Say something, and hear who answers; `@NAME` asks somebody, STOP ends all turns."""
    from economy.answering import Answering, HomeMinds
    from persona.room.log import RoomLog
    from persona.room.room import Room
    from tui.cli.errors import explain, known_errors

    folder = existing_home(home, "rooms.db")
    quiet_libraries()
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # bytes that are no text reach a message
    with closing(Answering(folder)) as answering:
        here = Room(RoomLog(folder), room, HomeMinds(answering))
        if text is not None:
            _show(here, author, text, why)
            return
        hint("a line is a message; an empty one is none; the input's end, or Ctrl-D, leaves")
        while (line := _read()) is not None:
            try:
                if line:
                    _show(here, author, line, why)
            except known_errors() as error:
                say(f"continuum: {explain(error)}", err=True)


def _read() -> str | None:
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):
        return None


def _show(room: Any, author: str, text: str, why: bool) -> None:
    """What comes of a message, as it comes; Ctrl-C stops every turn."""
    from persona.room.room import Failed, Piece
    from persona.room.thought_stream import Decision

    speaking, stream, first = "", room.say(author, text), True
    try:
        for what in stream:
            if isinstance(what, Piece):
                if what.author != speaking:
                    speaking = what.author
                    say_on(f"{speaking}: ")
                say_on(what.text)
                continue
            if speaking:
                say("")
                speaking = ""
            if isinstance(what, Decision):
                if why or (first and not what.speakers):
                    hint(what.line())
                first = False
            elif isinstance(what, Failed):
                say(f"continuum: {what.author}: {what.why}", err=True)
    except KeyboardInterrupt:
        say("", "(stopped)")
    finally:
        stream.close()


@app.command()
def rate(
    room: RoomArgument,
    number: Annotated[int, typer.Argument(help="Of the answer, as `room watch` shows it.")],
    right: Annotated[bool, typer.Option("--right/--wrong", help="What it was.")],
    home: HomeOption = None,
) -> None:
    """Say whether an answer was right: confidences are calibrated by that."""
    from persona.room.log import RoomLog

    RoomLog(existing_home(home, "rooms.db")).judge(room, number, right=right)
    say(f"message {number} was {'right' if right else 'wrong'}")


@app.command()
def calibration(home: HomeOption = None) -> None:
    """How often who was so confident was right, in all rooms, and what is made of it."""
    from persona.room.calibration import (
        Calibration,
        Outcome,
        brier,
        calibration_error,
        reliability,
    )
    from persona.room.log import RoomLog
    from tui.cli.errors import CommandError

    outcomes = RoomLog(existing_home(home, "rooms.db")).outcomes()
    if not outcomes:
        raise CommandError("no answer was judged yet: `continuum room rate ROOM NUMBER --right`")
    found = Calibration.of(outcomes)
    believed = [Outcome(found.probability(one.confidence), one.right) for one in outcomes]
    rows = [
        (f"{b.low:.1f}", str(b.n), f"{b.confidence:.2f}", f"{b.right:.2f}")
        for b in reliability(outcomes)
    ]
    print_table("confidences of their own", ("from", "answers", "mean", "right"), rows)
    facts = {
        name: f"{measure(outcomes):.3f} of their own, {measure(believed):.3f} calibrated"
        for name, measure in (("Brier score", brier), ("calibration error", calibration_error))
    }
    made = f"log-odds x {found.a:.2f} {found.b:+.2f}"
    print_facts(
        f"{len(outcomes)} answers, which are also what it is fitted on",
        facts | {"made of it": made},
    )


@app.command()
def watch(
    room: RoomArgument,
    last: Annotated[int, typer.Option(min=1, help="Messages to begin with.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    why: Annotated[bool, typer.Option("--why", help="Show each decision.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON each.")] = False,
    home: HomeOption = None,
) -> None:
    """Show what was said, and with --follow what is said now."""
    from persona.room.log import RoomLog

    log = RoomLog(existing_home(home, "rooms.db"))
    found = log.messages(room, last=last)
    seen = 0
    try:
        while True:
            for message in found:
                seen = message.event.number
                _print(message, why, as_json)
            if not follow:
                return
            time.sleep(LOOKS_S)
            found = log.messages(room, after=seen)
    except KeyboardInterrupt:
        return


def _print(message: Message, why: bool, json: bool) -> None:
    from persona.room.log import as_json

    if json:
        say(as_json(message))
        return
    say(f"{message.event.number} {message.event.author}: {message.event.text}")
    if why and message.decision:
        say(f"  {message.decision.line()}")
