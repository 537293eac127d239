"""View 4: who has how much, and where it came from.

Accounts, and the movements of one of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget

from tui.data.fields import RecordError
from tui.data.snapshot import MarketSnapshot
from tui.data.source import SHOWN_POSTINGS, Source
from tui.screens.market import SETTLE_S
from tui.screens.view import View
from tui.widgets.rows_table import OPEN, Column, Row, RowsTable
from tui.widgets.wording import ACCENT, QUIET, credits, left, moment, right, signed

if TYPE_CHECKING:
    from marketplace.ledger.account import AccountView
    from marketplace.ledger.journal import PostingView


class AccountTable(RowsTable):
    """One row per account; the key is its name."""

    BINDINGS: ClassVar[list[BindingType]] = [OPEN]
    COLUMNS = (
        Column("account", "Account", 12, flexible=True),
        Column("balance", "Balance", 12, number=True),
    )

    market: reactive[MarketSnapshot | None] = reactive(None)
    pattern: reactive[str] = reactive("")

    def watch_market(self) -> None:
        """Show the new balances."""
        self._show()

    def watch_pattern(self) -> None:
        """Show what matches."""
        self._show()

    def _show(self) -> None:
        accounts = self.market.accounts if self.market else ()
        wanted = self.pattern.casefold()
        found = (account for account in accounts if wanted in account.name.casefold())
        self.show_rows([self._row(account) for account in found])

    def _row(self, account: AccountView) -> Row:
        balance = right(credits(account.balance_nanos), ACCENT)
        return Row(account.name, (left(account.name), balance))


class PostingTable(RowsTable):
    """One row per movement, newest first, with the balance it left."""

    COLUMNS = (
        Column("at", "When", 11),
        Column("kind", "Kind", 9),
        Column("memo", "Memo", 12, flexible=True),
        Column("amount", "Amount", 12, number=True),
        Column("balance", "Balance", 12, number=True),
    )

    postings: reactive[tuple[PostingView, ...]] = reactive(())

    def watch_postings(self) -> None:
        """Show the movements that arrived."""
        moved: Counter[int] = Counter()
        rows = []
        for posting in reversed(self.postings):
            moved[posting.transfer_id] += 1
            rows.append(self._row(posting, moved[posting.transfer_id]))
        self.show_rows(rows[::-1])

    def _row(self, posting: PostingView, time: int) -> Row:
        """A transfer may move an account twice, so the key says which time this is."""
        return Row(
            f"{posting.transfer_id}:{time}",
            (
                left(moment(posting.at), QUIET),
                left(posting.kind),
                left(posting.memo, QUIET),
                signed(posting.amount_nanos),
                right(credits(posting.balance_after_nanos), ACCENT),
            ),
        )


class WalletScreen(View):
    """Table of accounts, and the movements of the one under the cursor."""

    VIEW = "wallet"

    postings: reactive[tuple[PostingView, ...]] = reactive(())

    @dataclass
    class PostingsRead(Message):
        """An account's movements arrived, or the reason why they did not."""

        account: str
        postings: tuple[PostingView, ...]
        problem: str | None = None

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self._account: str | None = None
        self._settling: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """Accounts beside movements, or above them where it is narrow."""
        yield AccountTable(id="accounts").data_bind(WalletScreen.market, WalletScreen.pattern)
        yield PostingTable(id="postings").data_bind(WalletScreen.postings)

    def on_mount(self) -> None:
        """Name the panels."""
        self.query_one("#accounts").border_title = "accounts"

    def empty_text(self) -> str:
        """A service shows one's own account only, and only to who has its key."""
        if self.market is not None and self.market.exists:
            return "no account of yours in this market yet: `continuum market open NAME`"
        return "no accounts here yet: `continuum demo` opens some and lets them trade"

    def nothing_to_show(self) -> bool:
        """There is no account; a damaged market has its notice instead."""
        return self.market is not None and not (self.market.accounts or self.market.notices)

    def main_widget(self) -> Widget:
        """The accounts."""
        return self.query_one(AccountTable)

    @on(AccountTable.Chosen, "#accounts")
    def _show_chosen(self, event: AccountTable.Chosen) -> None:
        if event.key != self._account:
            self.postings = ()
        self._account = event.key
        self.query_one(PostingTable).border_title = event.key or ""
        if self._settling:
            self._settling.stop()
        if event.key:
            account = event.key
            self._settling = self.set_timer(SETTLE_S, lambda: self._read_postings(account))

    @on(AccountTable.Opened, "#accounts")
    def _go_to_postings(self) -> None:
        self.query_one(PostingTable).focus()

    @work(thread=True, exclusive=True, group="postings")
    def _read_postings(self, account: str) -> None:
        try:
            answer = self.PostingsRead(account, self.source.postings(account))
        except RecordError as error:
            answer = self.PostingsRead(account, (), str(error))
        self.post_message(answer)

    @on(PostingsRead)
    def _take_postings(self, event: PostingsRead) -> None:
        if event.account != self._account:
            return
        self.postings = event.postings
        if len(event.postings) >= SHOWN_POSTINGS:
            table = self.query_one(PostingTable)
            table.border_title = f"{event.account}, newest {SHOWN_POSTINGS}"
        if event.problem:
            self.notify(event.problem, severity="error", markup=False)
