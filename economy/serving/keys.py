"""API keys: who may ask, how often, for how many tokens, and whose account pays.

HOME/api-keys.db   name, SHA-256 of the key, limits, tokens used; the key itself is kept nowhere
"""

from __future__ import annotations

import difflib
import hashlib
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from persona.errors import PersonaError

FILE = "api-keys.db"
PREFIX = "ck-"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TABLE = """CREATE TABLE IF NOT EXISTS api_key (
    name TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
    per_minute INTEGER NOT NULL, budget INTEGER, used INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL)"""


class ApiKeyError(PersonaError):
    """A key that there is not, or that there is already."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a key allows."""

    name: str
    account: str = ""
    """Of the home's market: pays for messages that have a price; empty = none are sold to it."""
    per_minute: int = 600
    """Requests."""
    budget: int | None = None
    """Tokens, of prompts and answers together; None = as many as it likes."""
    used: int = 0


class ApiKeys:
    """The keys of one home; several processes may use them."""

    def __init__(self, home: Path) -> None:
        self.path = home / FILE

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            connection.execute(_TABLE)
            yield connection

    def create(self, key: ApiKey) -> str:
        """Make a key; what is returned is shown once and can be had never again.

        Raises:
            ApiKeyError: The name is taken, or cannot be one.
        """
        if not NAME.fullmatch(key.name):
            raise ApiKeyError(f"a key's name is 1 to 64 of a-z 0-9 . _ -, not {key.name!r:.80}")
        secret = PREFIX + secrets.token_urlsafe(32)
        row = (key.name, _hash(secret), key.account, key.per_minute, key.budget, 0, time.time())
        try:
            with self._open() as connection:
                connection.execute("INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise ApiKeyError(
                f"there is a key {key.name!r} already: choose another name, or "
                f"`continuum key remove {key.name}` first"
            ) from None
        return secret

    def every(self) -> list[ApiKey]:
        """All of them, by name."""
        return self._where("") if self.path.exists() else []

    def of(self, secret: str) -> ApiKey | None:
        """The key that somebody shows; None if it is none."""
        found = self._where("WHERE hash = ?", _hash(secret)) if self.path.exists() else []
        return found[0] if found else None

    def _where(self, condition: str, *values: str) -> list[ApiKey]:
        wanted = "SELECT name, account, per_minute, budget, used FROM api_key"
        with self._open() as connection:
            rows = connection.execute(f"{wanted} {condition} ORDER BY name", values).fetchall()
        return [ApiKey(*row) for row in rows]

    def use(self, name: str, n_tokens: int) -> bool:
        """Count tokens of a key, or give some back; False, and nothing is counted, where a budget
        has no room for them."""
        with self._open() as connection:
            counted = connection.execute(
                "UPDATE api_key SET used = used + ? WHERE name = ?"
                " AND (budget IS NULL OR ? <= 0 OR used + ? <= budget)",
                (n_tokens, name, n_tokens, n_tokens),
            )
            return counted.rowcount > 0

    def remove(self, name: str) -> None:
        """Refuse a key from now on.

        Raises:
            ApiKeyError: There is none of that name.
        """
        with self._open() as connection:
            gone = connection.execute("DELETE FROM api_key WHERE name = ?", (name,)).rowcount
        if not gone:
            known = [key.name for key in self.every()]
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[:5]
            hint = f"did you mean {', '.join(close)}?" if close else "there are none yet"
            raise ApiKeyError(f"there is no key {name!r:.80}: {hint}")


def _hash(secret: str) -> str:
    """Of 256 random bits, which nobody guesses: no salt and no slow hash is needed."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
