"""Accounts, and the movements of one of them."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from textual.binding import BindingType
from textual.reactive import reactive

from tui.data.snapshot import AccountRecord, MarketSnapshot, PostingRecord
from tui.widgets.rows_table import OPEN, Column, Row, RowsTable
from tui.widgets.wording import ACCENT, QUIET, credits, left, moment, right, signed


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

    def _row(self, account: AccountRecord) -> Row:
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

    postings: reactive[tuple[PostingRecord, ...]] = reactive(())

    def watch_postings(self) -> None:
        """Show the movements that arrived."""
        moved: Counter[int] = Counter()
        rows = []
        for posting in reversed(self.postings):
            moved[posting.transfer_id] += 1
            rows.append(self._row(posting, moved[posting.transfer_id]))
        self.show_rows(rows[::-1])

    def _row(self, posting: PostingRecord, time: int) -> Row:
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
