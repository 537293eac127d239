"""Who may speak for an account: its registered public keys."""

from marketplace.facade.base import MarketBase
from marketplace.ledger import account_key
from marketplace.ledger.account_key import KeyView, check_proof, check_public_key
from marketplace.names import check_key, check_name


class KeysFacade(MarketBase):
    """The part of the market that knows accounts by their keys."""

    def register(self, name: str, public_key: str, *, key: str) -> KeyView:
        """Open an account with its first key; repeating it finds the same key.

        Whoever calls this has seen proof that the private half is held: the service's caller
        signs the registration itself with it.

        Raises:
            KeyTakenError: The account or the key is somebody's already.
        """
        check_name(name, "account name")
        return self._register(name, public_key, key=key, first=True)

    def adopt(self, name: str, public_key: str, *, proof: str, key: str) -> KeyView:
        """Open an account with a key, or give its first one to an account that never had any.

        For who holds the database: over the wire such an account is nobody's.

        Args:
            proof: The key's signature, see `marketplace.ledger.account_key.prove_key`.

        Raises:
            KeyProofError: The key's holder did not agree.
            KeyTakenError: The account or the key is somebody's already.
        """
        check_name(name, "account name")
        check_proof(name, public_key, proof)
        return self._register(name, public_key, key=key, first=True, adopts=True)

    def add_key(self, account: str, public_key: str, *, proof: str, key: str) -> KeyView:
        """Let one more key speak for an account.

        Args:
            proof: The new key's signature, see `marketplace.ledger.account_key.prove_key`.

        Raises:
            KeyProofError: The new key's holder did not agree.
            KeyTakenError: The key is registered already, or the account has too many.
        """
        check_proof(account, public_key, proof)
        return self._register(account, public_key, key=key, first=False)

    def revoke_key(self, account: str, public_key: str, *, key: str) -> KeyView:
        """Take a key's voice for good.

        Raises:
            KeyTakenError: The account has no such key.
            LastKeyError: It is the account's only good key.
        """
        check_public_key(public_key)
        check_key(key)
        return self._change(
            lambda session: account_key.revoke_key(
                session, account=account, public_key=public_key, key=key, at=self._now()
            )
        )

    def keys(self, account: str) -> list[KeyView]:
        """Every key the account ever had, oldest first."""
        with self._read() as session:
            return account_key.keys_of(session, account)

    def speaker(self, public_key: str) -> str | None:
        """The account a key speaks for now; None for an unknown or revoked key."""
        with self._read() as session:
            return account_key.speaker(session, public_key)

    def n_revoked_keys(self) -> int:
        """How many keys were revoked so far: while it stays, every key speaks as it did."""
        with self._read() as session:
            return account_key.n_revoked_keys(session)

    def _register(
        self, account: str, public_key: str, *, key: str, first: bool, adopts: bool = False
    ) -> KeyView:
        check_public_key(public_key)
        check_key(key)
        return self._change(
            lambda session: account_key.register_key(
                session, account=account, public_key=public_key, key=key, at=self._now(),
                first=first, adopts=adopts,
            )
        )  # fmt: skip
