"""View 4: who has how much, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on, work
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget

from tui.data.fields import RecordError
from tui.data.snapshot import PostingRecord
from tui.data.source import SHOWN_POSTINGS, Source
from tui.screens.market import SETTLE_S
from tui.screens.view import View
from tui.widgets.wallet_tables import AccountTable, PostingTable


class WalletScreen(View):
    """Table of accounts, and the movements of the one under the cursor."""

    VIEW = "wallet"

    postings: reactive[tuple[PostingRecord, ...]] = reactive(())

    @dataclass
    class PostingsRead(Message):
        """An account's movements arrived, or the reason why they did not."""

        account: str
        postings: tuple[PostingRecord, ...]
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
