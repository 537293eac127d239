"""Accounts, credits, holds, refunds and statements, and the audit of the books."""

from sqlmodel import Session

from marketplace.errors import HoldClosedError
from marketplace.facade.base import MarketBase
from marketplace.ledger import chain, funding, mandate, statement
from marketplace.ledger import hold as holds
from marketplace.ledger.account import AccountView, account_view
from marketplace.ledger.chain import Head
from marketplace.ledger.hold import HoldView
from marketplace.ledger.idempotency import claim
from marketplace.ledger.journal import REFUND, PostingView
from marketplace.ledger.statement import STATEMENT_LINES, StatementPage
from marketplace.money import check_amount
from marketplace.names import check_key, check_name, check_text
from marketplace.store import verify
from marketplace.trade.pending import is_promised
from marketplace.trade.returns import give_back


class LedgerFacade(MarketBase):
    """The part of the market that holds credits."""

    def open_account(self, name: str, *, key: str | None = None) -> AccountView:
        """The account of this name, opened now if it is new."""
        check_name(name, "account name")
        key = None if key is None else check_key(key)
        return self._change(
            lambda session: account_view(
                funding.open_account(session, name=name, key=key, at=self._now())
            )
        )

    def account(self, name: str) -> AccountView:
        """The account of this name.

        Raises:
            AccountNotFoundError: There is none; the message names the closest ones.
        """
        with self._read() as session:
            return account_view(statement.find_account(session, name))

    def accounts(self) -> list[AccountView]:
        """All accounts by name, the house's own included."""
        with self._read() as session:
            return statement.account_views(session)

    def fund(self, name: str, amount_nanos: int, *, key: str) -> None:
        """Move new credits from 'world' to an account, once per key.

        Raises:
            AccountNotFoundError: There is no such account.
            UnclaimedAccountError: The market is served, and no key speaks for the account.
        """
        check_amount(amount_nanos)
        check_key(key)
        self._change(
            lambda session: funding.fund(
                session, name=name, amount_nanos=amount_nanos, key=key, at=self._now()
            )
        )

    def note_served(self) -> None:
        """Accounts belong to keys from now on; said by a service when it starts."""
        self._change(lambda session: funding.note_served(session, at=self._now()))

    def is_served(self) -> bool:
        """Whether a service ever served this market."""
        with self._read() as session:
            return funding.is_served(session)

    def open_mandate(self, *, owner: str, name: str, cap_nanos: int, key: str) -> AccountView:
        """A sub-account 'owner/name' that may spend up to the cap in all.

        Raises:
            MandateError: The owner is a mandate himself, or the name is taken.
        """
        check_key(key)
        return self._change(
            lambda session: account_view(
                mandate.open_mandate(
                    session, owner=owner, name=name, cap_nanos=cap_nanos, key=key, at=self._now()
                )
            )
        )

    def fund_mandate(self, name: str, amount_nanos: int, *, key: str) -> None:
        """Move credits from the owner to his mandate, once per key."""
        check_key(key)
        self._change(
            lambda session: mandate.fund_mandate(
                session, mandate=name, amount_nanos=amount_nanos, key=key, at=self._now()
            )
        )

    def reclaim_mandate(self, name: str, *, key: str) -> None:
        """Move what the mandate has left back to its owner."""
        check_key(key)
        self._change(
            lambda session: mandate.reclaim_mandate(session, mandate=name, key=key, at=self._now())
        )

    def mandates(self, owner: str) -> list[AccountView]:
        """The owner's mandates by name."""
        with self._read() as session:
            statement.find_account(session, owner)
            return statement.mandate_views(session, owner)

    def hold(
        self, *, payer: str, amount_nanos: int, purpose: str, expires_at: float, key: str
    ) -> int:
        """Promise credits until a time, once per key; the number of the hold."""
        check_text(purpose, "purpose")
        check_key(key)
        body: dict[str, object] = {
            "payer": payer,
            "amount_nanos": amount_nanos,
            "purpose": purpose,
            "expires_at": expires_at,
        }

        def work(session: Session) -> int:
            at = self._now()
            if not claim(session, key=key, operation="hold", body=body, at=at):
                return statement.made_by(session, key)
            return holds.hold(
                session,
                payer=payer,
                amount_nanos=amount_nanos,
                purpose=purpose,
                key=key,
                expires_at=expires_at,
                at=at,
            )

        return self._change(work)

    def void_hold(self, hold_id: int, *, key: str) -> None:
        """Take a hold back before its time, once per key.

        Raises:
            HoldClosedError: It has ended already, or something else decides its end.
        """
        check_key(key)

        def work(session: Session) -> None:
            at = self._now()
            if claim(session, key=key, operation="void", body={"hold": hold_id}, at=at):
                if is_promised(session, hold_id):
                    raise HoldClosedError(
                        f"hold {hold_id} belongs to a trial, meter, subscription or bounty, which"
                        " decides how it ends: settle that instead"
                    )
                holds.void_hold(session, hold_id, key=key, at=at)

        self._change(work)

    def open_holds(self, payer: str) -> list[HoldView]:
        """Everything the account has promised and not yet paid, oldest first."""
        with self._read() as session:
            statement.find_account(session, payer)
            return holds.open_holds(session, payer)

    def refund(self, transfer_id: int, *, amount_nanos: int | None = None, key: str) -> int:
        """Give back a payment, or part of one that bought no layer, once per key.

        Raises:
            RefundExceededError: More than is left.
            InsufficientCreditsError: A receiver has spent it.
        """
        check_key(key)
        body: dict[str, object] = {"transfer": transfer_id, "amount_nanos": amount_nanos}

        def work(session: Session) -> int:
            at = self._now()
            if not claim(session, key=key, operation=REFUND, body=body, at=at):
                return statement.made_by(session, key)
            return give_back(
                session, transfer_id, amount_nanos=amount_nanos, reason="by hand", key=key, at=at
            )

        return self._change(work)

    def postings(self, account: str) -> list[PostingView]:
        """The account's whole statement, oldest first; `statement` gives it page by page."""
        with self._read() as session:
            return statement.posting_views(session, account)

    def statement(
        self, account: str, *, limit: int = STATEMENT_LINES, cursor: str | None = None
    ) -> StatementPage:
        """One page of the account's statement, newest line first; holds are left out.

        Args:
            cursor: `StatementPage.next` of the page before.

        Raises:
            PageError: A limit or a cursor that there is not.
        """
        with self._read() as session:
            return statement.statement_page(session, account, limit=limit, cursor=cursor)

    def head(self) -> Head:
        """The end of the journal, to be signed and kept elsewhere."""
        with self._read() as session:
            return chain.head(session)

    def verify(self, head: Head | None = None) -> list[str]:
        """Everything that is wrong with the books, one line each; empty when all is well.

        Args:
            head: A head kept elsewhere, see `chain.check_head`; the journal must contain it.
        """
        with self._read() as session:
            return verify.problems(session, head)
