"""Accounts on a service: opened by registering a key, seen by nobody but their owner."""

import secrets
from dataclasses import dataclass

from marketplace.client.base import ClientBase, path
from marketplace.client.transport import Transport
from marketplace.errors import InvalidInputError
from marketplace.ledger.account import AccountView
from marketplace.ledger.account_key import KeyView
from marketplace.ledger.chain import Head
from marketplace.ledger.journal import PostingView
from marketplace.ledger.statement import MAX_STATEMENT_LINES, STATEMENT_LINES, StatementPage
from marketplace.trade.debts import DebtView
from marketplace.trade.incomes import EarningView
from marketplace.trade.records import IncomeView


@dataclass(frozen=True, slots=True)
class Refunded:
    """Number of the transfer that gave back."""

    transfer_id: int


class AccountsClient(ClientBase):
    """One account's own money and keys."""

    def __init__(self, transport: Transport, account: str | None, public_key: str | None) -> None:
        super().__init__(transport)
        self._account = account
        self._public_key = public_key

    def open_account(self, name: str, *, key: str | None = None) -> AccountView:
        """The account of this name, opened with the client's key if it is new."""
        if self._public_key is not None:
            self.register(name, self._public_key, key=key or f"open-{self._public_key[:16]}")
        return self.account(name)

    def register(self, name: str, public_key: str, *, key: str) -> KeyView:
        """Let the key that signs this request speak for a new account."""
        body = {"public_key": public_key}
        return self._transport.send(KeyView, "PUT", path("accounts", name), body, key=key)

    def add_key(self, account: str, public_key: str, *, proof: str, key: str) -> KeyView:
        """Let one more key speak for an account."""
        body = {"public_key": public_key, "proof": proof}
        where = path("accounts", account, "keys")
        return self._transport.send(KeyView, "POST", where, body, key=key)

    def revoke_key(self, account: str, public_key: str, *, key: str) -> KeyView:
        """Take a key's voice for good."""
        where = path("accounts", account, "keys", public_key)
        return self._transport.send(KeyView, "DELETE", where, None, key=key)

    def keys(self, account: str) -> list[KeyView]:
        """Every key the account ever had."""
        return list(self._transport.pages(KeyView, path("accounts", account, "keys")))

    def account(self, name: str) -> AccountView:
        """One's own account."""
        return self._transport.get(AccountView, path("accounts", name))

    def accounts(self) -> list[AccountView]:
        """The account that asks; a service shows nobody else's."""
        return [] if self._account is None else [self.account(self._account)]

    def postings(self, account: str) -> list[PostingView]:
        """One's own whole statement, oldest first; `statement` gives it page by page."""
        where = path("accounts", account, "postings")
        found = self._transport.pages(PostingView, where, limit=MAX_STATEMENT_LINES)
        return list(found)[::-1]

    def statement(
        self, account: str, *, limit: int = STATEMENT_LINES, cursor: str | None = None
    ) -> StatementPage:
        """One page of one's own statement, newest line first."""
        where = path("accounts", account, "postings")
        found = self._transport.page(PostingView, where, limit=limit, cursor=cursor)
        return StatementPage(tuple(found.items), found.next)

    def earnings(self, account: str) -> list[EarningView]:
        """What each of one's layers brought in each way, summed up."""
        return list(self._transport.pages(EarningView, path("accounts", account, "earnings")))

    def incomes(self, account: str) -> list[IncomeView]:
        """What one earned as seller or as ancestor, oldest first."""
        return list(self._transport.pages(IncomeView, path("accounts", account, "incomes")))

    def owed(self, account: str | None = None) -> list[DebtView]:
        """What the account must pay back, or is to be paid back, and is not yet."""
        return list(self._transport.pages(DebtView, self._debts(account)))

    def collect_owed(self, account: str | None = None) -> list[DebtView]:
        """Let debtors pay the account, and the account pay, what they can by now; what is left."""
        where, key = f"{self._debts(account)}/collections", f"collect-{secrets.token_hex(16)}"
        self._transport.send_for_items(DebtView, where, {}, key=key)
        return self.owed(account)

    def _debts(self, account: str | None) -> str:
        if account is None and self._account is None:
            raise InvalidInputError("a service shows one account's debts: name the account")
        return path("accounts", str(account or self._account), "debts")

    def fund(self, name: str, amount_nanos: int, *, key: str) -> None:
        """Grant new credits: for the service's operator."""
        body = {"amount_nanos": amount_nanos}
        self._transport.send(AccountView, "POST", path("accounts", name, "grants"), body, key=key)

    def open_mandate(self, *, owner: str, name: str, cap_nanos: int, key: str) -> AccountView:
        """An account `owner/name` that may spend so much in all."""
        body = {"name": name, "cap_nanos": cap_nanos}
        where = path("accounts", owner, "mandates")
        return self._transport.send(AccountView, "POST", where, body, key=key)

    def fund_mandate(self, name: str, amount_nanos: int, *, key: str) -> None:
        """Move credits from the owner to the mandate `owner/name`."""
        body = {"amount_nanos": amount_nanos}
        self._transport.send(AccountView, "POST", path("accounts", name, "funds"), body, key=key)

    def reclaim_mandate(self, name: str, *, key: str) -> None:
        """Move what is left in the mandate `owner/name` back to its owner."""
        self._transport.send(AccountView, "POST", path("accounts", name, "reclaims"), {}, key=key)

    def mandates(self, owner: str) -> list[AccountView]:
        """One's own mandates by name."""
        return list(self._transport.pages(AccountView, path("accounts", owner, "mandates")))

    def refund(self, transfer_id: int, *, amount_nanos: int | None = None, key: str) -> int:
        """Give a payment back: for the service's operator."""
        body = {"amount_nanos": amount_nanos}
        where = path("transfers", transfer_id, "refunds")
        return self._transport.send(Refunded, "POST", where, body, key=key).transfer_id

    def head(self) -> Head:
        """The end of the journal, to be signed and kept elsewhere."""
        return self._transport.get(Head, path("head"))
