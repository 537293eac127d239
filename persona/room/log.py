"""What was said in the rooms of a home, by whom, who was there to hear it, and who decided what.

    HOME/rooms.db    SQLite; several processes may write at once

A member sees the messages of the times at which it was there, and no others.
"""

from __future__ import annotations

import difflib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic import ValidationError

from genome.home import stamp_new
from genome.sqlite import failure, open_engine, use_wal
from persona.errors import RoomError
from persona.persona import NAME_RULE
from persona.room.calibration import Outcome
from persona.room.thought_stream import Bid, Decision, Event, Rules

FILE = "rooms.db"
MOST_CHARACTERS = 65_536
"""Of a message."""
MOST_OUTCOMES = 1000
"""By which confidences are calibrated."""
LONGEST_GAP_S = 86_400.0
"""By which the room's time goes on between two messages at most; backwards it never goes."""
_BUSY_S = 10.0

_METADATA = sa.MetaData()
_ROOMS = sa.Table(
    "rooms",
    _METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("rules", sa.JSON, nullable=False),
)
_MEMBERS = sa.Table(
    "members",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("room", sa.ForeignKey("rooms.name"), nullable=False, index=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("human", sa.Boolean, nullable=False),
    sa.Column("muted", sa.Boolean, nullable=False, default=False),
    sa.Column("since", sa.Integer, nullable=False),
    sa.Column("until", sa.Integer),
)
_MESSAGES = sa.Table(
    "messages",
    _METADATA,
    sa.Column("room", sa.ForeignKey("rooms.name"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("human", sa.Boolean, nullable=False),
    sa.Column("text", sa.String, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("wall", sa.Float, nullable=False),
    sa.Column("hops", sa.Integer, nullable=False),
    sa.Column("answers", sa.String, nullable=False),
    sa.Column("bids", sa.JSON),
    sa.Column("decision", sa.JSON),
    sa.Column("seen", sa.Integer),
)
_OUTCOMES = sa.Table(
    "outcomes",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("room", sa.ForeignKey("rooms.name"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("right", sa.Boolean, nullable=False),
    sa.UniqueConstraint("room", "number"),
)


class Member(NamedTuple):
    """Somebody who is, or was, in a room."""

    name: str
    human: bool
    muted: bool
    since: int
    """Number of the first message that it hears."""
    until: int | None
    """Of the first that it no longer hears; None = it is there."""


class Message(NamedTuple):
    """Something said, with what was decided about it."""

    event: Event
    bids: dict[str, list[Any]] | None
    decision: Decision | None
    """None where nobody had to be asked."""
    seen: int
    """The newest message when that was decided."""


class RoomLog:
    """The rooms of one home."""

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home)
        self.path = self.home / FILE
        self._engine: sa.Engine | None = None

    # -- rooms and who is in them ----------------------------------------------------------

    def create(self, room: str, rules: Rules, seed: int = 0) -> None:
        """Make a room.

        Raises:
            RoomError: The name is taken, or cannot be one.
        """
        if not NAME_RULE.fullmatch(room):
            raise RoomError(
                f"a room's name is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit, "
                f"not {room!r:.80}: choose another"
            )
        with self._writing() as connection:
            if room in self._names(connection):
                raise RoomError(f"there is a room {room!r} already: choose another name")
            facts = {"name": room, "seed": seed, "rules": rules.model_dump(mode="json")}
            connection.execute(_ROOMS.insert(), facts)

    def names(self) -> list[str]:
        """Of all rooms, sorted."""
        if not self.path.exists():
            return []
        with self._reading() as connection:
            return self._names(connection)

    def rules(self, room: str) -> tuple[Rules, int]:
        """A room's rules and seed.

        Raises:
            RoomError: There is no such room; the nearest are told. Or its rules were spoilt.
        """
        with self._reading() as connection:
            self._check_there(connection, room)
            row = connection.execute(_ROOMS.select().where(_ROOMS.c.name == room)).one()
        try:
            return Rules.model_validate(row.rules), row.seed
        except ValidationError:
            raise RoomError(f"the rules of room {room} in {self.path} cannot be read") from None

    def join(self, room: str, name: str, *, human: bool) -> bool:
        """Let somebody hear from now on; False if they are there already.

        Raises:
            RoomError: There is no such room, or the name is none, or of the other kind there.
        """
        if not NAME_RULE.fullmatch(name):
            raise RoomError(f"{name!r:.80} is no name: 1 to 64 of a-z 0-9 . _ -")
        with self._writing() as connection:
            self._check_there(connection, room)
            for one in self._members(connection, room):
                if one.name == name and one.human != human:
                    kind = "a human" if one.human else "a persona"
                    raise RoomError(f"{name} is {kind} in room {room}: choose another name")
                if one.name == name and one.until is None:
                    return False
            facts = {"room": room, "name": name, "human": human}
            next_ = self._next_number(connection, room)
            connection.execute(_MEMBERS.insert(), facts | {"since": next_, "muted": False})
            return True

    def leave(self, room: str, name: str) -> None:
        """From now on they do not hear.

        Raises:
            RoomError: They are not there.
        """
        with self._writing() as connection:
            self._check_present(connection, room, name)
            until = self._next_number(connection, room)
            connection.execute(self._present(room, name).values(until=until))

    def mute(self, room: str, name: str, on: bool = True) -> None:
        """Let a persona hear and not speak.

        Raises:
            RoomError: They are not there.
        """
        with self._writing() as connection:
            self._check_present(connection, room, name)
            connection.execute(self._present(room, name).values(muted=on))

    def members(self, room: str) -> list[Member]:
        """Those there now, by name.

        Raises:
            RoomError: There is no such room.
        """
        with self._reading() as connection:
            self._check_there(connection, room)
            found = self._members(connection, room)
        return sorted(one for one in found if one.until is None)

    # -- what is said ----------------------------------------------------------------------

    def add(self, room: str, author: str, text: str, *, hops: int = 0, answers: str = "") -> Event:
        """Keep a message.

        Raises:
            RoomError: Its author is not there, it is too long, or there is nothing in it.
        """
        if not text.strip():
            raise RoomError("a message has something in it: write it")
        if len(text) > MOST_CHARACTERS:
            raise RoomError(
                f"a message has at most {MOST_CHARACTERS} characters, not {len(text)}: shorten it"
            )
        if text != text.encode(errors="replace").decode():
            raise RoomError("a message is UTF-8 text, this has other bytes in it: type it again")
        with self._writing() as connection:
            human = self._check_present(connection, room, author).human
            if not human and not hops:
                raise RoomError(
                    f"{author} is a persona, which speaks for itself: say it as a human who is in "
                    f"room {room}"
                )
            number, wall = self._next_number(connection, room), time.time()
            last = connection.execute(
                sa.select(_MESSAGES.c.at, _MESSAGES.c.wall)
                .where(_MESSAGES.c.room == room)
                .order_by(_MESSAGES.c.number.desc())
                .limit(1)
            ).first()
            at = last.at + min(LONGEST_GAP_S, max(0.0, wall - last.wall)) if last else 0.0
            event = Event(number, author, human, text, at, hops, answers)
            facts = event._asdict() | {"room": room, "wall": wall}
            connection.execute(_MESSAGES.insert(), facts)
            return event

    def decided(self, room: str, decision: Decision, bids: Mapping[str, Bid], *, seen: int) -> None:
        """Keep what was decided about a message, and by what.

        Args:
            seen: The newest message at that time.
        """
        known = (_MESSAGES.c.room == room) & (_MESSAGES.c.number == decision.event)
        own = {name: list(bid) for name, bid in bids.items()}
        values = {"decision": decision.facts(), "bids": own, "seen": seen}
        with self._writing() as connection:
            connection.execute(_MESSAGES.update().where(known).values(values))

    def messages(self, room: str, *, after: int = 0, last: int | None = None) -> list[Message]:
        """What was said, in order.

        Args:
            after: Number from which on, itself not.
            last: So many at most, the newest.

        Raises:
            RoomError: There is no such room.
        """
        wanted = (_MESSAGES.c.room == room) & (_MESSAGES.c.number > after)
        query = _MESSAGES.select().where(wanted).order_by(_MESSAGES.c.number.desc())
        with self._reading() as connection:
            self._check_there(connection, room)
            rows = connection.execute(query.limit(last)).all()
        return [_message(row) for row in reversed(rows)]

    def heard_by(self, room: str, name: str, *, last: int) -> list[Event]:
        """The newest messages of the times at which somebody was there."""
        times = _MEMBERS.alias()
        there = sa.exists().where(
            (times.c.room == room)
            & (times.c.name == name)
            & (times.c.since <= _MESSAGES.c.number)
            & (times.c.until.is_(None) | (times.c.until > _MESSAGES.c.number))
        )
        query = _MESSAGES.select().where((_MESSAGES.c.room == room) & there)
        with self._reading() as connection:
            newest = query.order_by(_MESSAGES.c.number.desc()).limit(last)
            return [_message(row).event for row in reversed(connection.execute(newest).all())]

    # -- what it was worth -----------------------------------------------------------------

    def judge(self, room: str, number: int, *, right: bool) -> None:
        """Say whether a persona's answer was right; said again, the last time counts.

        Raises:
            RoomError: There is no such answer, or nothing was known of how sure it was.
        """
        said = {message.event.number: message for message in self.messages(room)}
        if number not in said or said[number].event.human:
            answers = [str(n) for n, message in said.items() if not message.event.human]
            known = f"they are {', '.join(answers[-5:])}" if answers else "there are none yet"
            raise RoomError(f"message {number} of room {room} is no persona's answer: {known}")
        author = said[number].event.author
        bids = [
            message.bids[author]
            for n, message in said.items()
            if n < number
            and message.bids
            and author in message.bids
            and message.decision
            and any(turn.persona == author for turn in message.decision.speakers)
        ]
        if not bids:
            raise RoomError(f"how sure {author} was of message {number} was not kept: rate another")
        bid = Bid(*bids[-1])
        facts = {"room": room, "number": number, "right": right}
        own = bid.confidence if bid.own is None else bid.own
        known_as = (_OUTCOMES.c.room == room) & (_OUTCOMES.c.number == number)
        with self._writing() as connection:
            connection.execute(_OUTCOMES.delete().where(known_as))
            connection.execute(_OUTCOMES.insert(), facts | {"confidence": own})

    def outcomes(self) -> list[Outcome]:
        """The newest in all rooms, by which confidences are calibrated."""
        if not self.path.exists():
            return []
        columns = _OUTCOMES.c.confidence, _OUTCOMES.c.right
        query = sa.select(*columns).order_by(_OUTCOMES.c.id.desc()).limit(MOST_OUTCOMES)
        with self._reading() as connection:
            return [Outcome(*row) for row in reversed(connection.execute(query).all())]

    # -- SQL -------------------------------------------------------------------------------

    @staticmethod
    def _names(connection: sa.Connection) -> list[str]:
        return list(connection.scalars(sa.select(_ROOMS.c.name).order_by(_ROOMS.c.name)))

    def _check_there(self, connection: sa.Connection, room: str) -> None:
        known = self._names(connection)
        if room not in known:
            close = difflib.get_close_matches(room, known, n=3, cutoff=0.4) or known[:3]
            told = f"did you mean {', '.join(close)}?" if close else "`continuum room create NAME`"
            raise RoomError(f"there is no room {room!r:.80}: {told}")

    @staticmethod
    def _members(connection: sa.Connection, room: str) -> list[Member]:
        columns = [_MEMBERS.c[field] for field in Member._fields]
        found = connection.execute(sa.select(*columns).where(_MEMBERS.c.room == room))
        return [Member(*row) for row in found]

    def _check_present(self, connection: sa.Connection, room: str, name: str) -> Member:
        self._check_there(connection, room)
        found = [one for one in self._members(connection, room) if one.until is None]
        for one in found:
            if one.name == name:
                return one
        there = ", ".join(sorted(one.name for one in found)) or "nobody"
        raise RoomError(
            f"{name!r:.80} is not in room {room}, there are {there}: "
            f"`continuum room join {room} NAME` lets somebody in"
        )

    @staticmethod
    def _present(room: str, name: str) -> sa.Update:
        return _MEMBERS.update().where(
            (_MEMBERS.c.room == room) & (_MEMBERS.c.name == name) & _MEMBERS.c.until.is_(None)
        )

    @staticmethod
    def _next_number(connection: sa.Connection, room: str) -> int:
        newest = sa.select(sa.func.max(_MESSAGES.c.number)).where(_MESSAGES.c.room == room)
        return (connection.scalar(newest) or 0) + 1

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._told(), self._opened().begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._told():
            engine = self._opened().execution_options(begin="BEGIN")
            with engine.begin() as connection:
                yield connection

    def _opened(self) -> sa.Engine:
        if self._engine is None:
            self.home.mkdir(parents=True, exist_ok=True)
            stamp_new(self.home)
            url = sa.URL.create("sqlite", database=str(self.path))
            engine = open_engine(url, _pragmas, busy_timeout_s=_BUSY_S, poolclass=sa.NullPool)
            use_wal(engine, _BUSY_S)
            _METADATA.create_all(engine)
            self._engine = engine
        return self._engine

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's failures in one line."""
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error, OSError) as error:
            code, text = failure(getattr(error, "orig", error))
            remedy = {
                "FULL": "nothing was changed; free disk space and try again",
                "BUSY": "others are writing; try again",
            }.get(code, "check that it is a file of a room's that can be written")
            raise RoomError(f"{self.path} cannot be used ({text}): {remedy}") from None


def _pragmas(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def _message(row: Any) -> Message:
    fields = row._mapping
    event = Event(*(fields[name] for name in Event._fields))
    decision = Decision.of(row.decision) if row.decision else None
    return Message(event, row.bids, decision, row.seen or row.number)


def as_json(message: Message) -> str:
    """A message with its decision, as one line of JSON."""
    decision = message.decision.facts() if message.decision else None
    facts = message.event._asdict() | {"bids": message.bids, "decision": decision}
    return json.dumps(facts, ensure_ascii=False)
