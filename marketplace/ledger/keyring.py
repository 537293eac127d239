"""Where an account's private key lives on its owner's machine: never in the market.

The platform's keyring keeps it when there is a real one (macOS, Windows, Secret Service, KWallet);
else a file `keys/NAME.pem` of mode 0600, in PEM, the form `continuum layer keygen` writes too.
Beside it `NAME.pub` says which accounts have a key here; that half is no secret. Accounts of
a mandate, `ada/shopper`, have keys of their own: whoever spends under a mandate holds that one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from marketplace.errors import AccountKeyError
from marketplace.names import check_name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_KEY_BYTES = 4096
KEYRING_SERVICE = "continuum-market"
REAL_KEYRINGS = ("SecretService", "libsecret", "macOS", "Windows", "kwallet")
"""Backends of the `keyring` package that encrypt; plain-text ones from elsewhere are passed by."""


@dataclass(frozen=True, eq=False)
class PrivateKey:
    """An Ed25519 private key; whoever has it acts as the account."""

    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new key from the system's randomness."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes, where: str) -> PrivateKey:
        """The key in an unencrypted PEM text.

        Raises:
            AccountKeyError: It is no Ed25519 key.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None  # the cause may quote the text, which is a secret
        if not isinstance(key, Ed25519PrivateKey):
            raise AccountKeyError(
                f"{where} holds no unencrypted Ed25519 key in PEM: restore it from a backup, or"
                " remove it and open another account"
            )
        return cls(key)

    @property
    def public(self) -> str:
        """The public half, 64 hex digits: how the service knows the account."""
        return self.private.public_key().public_bytes_raw().hex()

    def pem(self) -> bytes:
        """The private key as text: a secret."""
        from cryptography.hazmat.primitives import serialization

        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


class Vault(Protocol):
    """What is used of a `keyring` backend."""

    def get_password(self, service: str, username: str) -> str | None:
        """The secret kept under these two names, or None."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""

    def delete_password(self, service: str, username: str) -> None:
        """Forget a secret."""


class KeyStore:
    """The keys of one home.

    Args:
        folder: Holds the files; made, with mode 0700, when the first key is.
        find_vault: Gives the platform's keyring, or None to use files.
    """

    def __init__(self, folder: Path, find_vault: Callable[[], Vault | None] | None = None) -> None:
        self.folder = folder
        self._find_vault = find_vault or platform_vault

    def accounts(self) -> dict[str, str]:
        """Account -> public key, for every key kept here."""
        return {
            path.stem.replace("+", "/"): path.read_text(encoding="ascii").strip()
            for path in sorted(self.folder.glob("*.pub"))
        }

    def load(self, account: str) -> PrivateKey:
        """The key of an account.

        Raises:
            AccountKeyError: It is missing, unusable, or may be read by others.
        """
        path = self._path(account)
        if path.exists() or path.is_symlink():
            return PrivateKey.from_pem(_read_private(path), f"the key file {path}")
        pem = self._from_vault(account) if path.with_suffix(".pub").exists() else None
        if pem is None:
            raise AccountKeyError(
                f"there is no key of account {account!r} in {self.folder}: make one with"
                f" `continuum market open {account} --market URL`, or name an account of yours"
            )
        return PrivateKey.from_pem(pem.encode(), f"the keyring's entry for {account!r}")

    def has(self, account: str) -> bool:
        """Whether a key of this account was kept here."""
        return any(self._path(account).with_suffix(end).exists() for end in (".pem", ".pub"))

    def create(self, account: str) -> PrivateKey:
        """The account's key, made now if there is none.

        Raises:
            AccountKeyError: There is one that cannot be used, or nothing can be kept.
        """
        if self.has(account):
            return self.load(account)
        key = PrivateKey.generate()
        path = self._path(account)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault = self._find_vault()
        if vault is not None:
            with _keyring_failures():
                vault.set_password(KEYRING_SERVICE, str(path), key.pem().decode())
        elif not _write_private(path, key.pem()):
            return self.load(account)  # another process was faster
        path.with_suffix(".pub").write_text(f"{key.public}\n", encoding="ascii")
        return key

    def forget(self, account: str) -> None:
        """Delete the account's key: nobody can act as the account any more.

        Only for a key that no market has accepted.
        """
        path = self._path(account)
        if not path.exists() and self.has(account):
            vault = self._find_vault()
            if vault is not None:
                with _keyring_failures():
                    vault.delete_password(KEYRING_SERVICE, str(path))
        for end in (".pem", ".pub"):
            path.with_suffix(end).unlink(missing_ok=True)

    def _from_vault(self, account: str) -> str | None:
        vault = self._find_vault()
        if vault is None:
            return None
        with _keyring_failures():
            return vault.get_password(KEYRING_SERVICE, str(self._path(account)))

    def _path(self, account: str) -> Path:
        for part in account.split("/", 1):
            check_name(part, "account name")
        return self.folder / f"{account.replace('/', '+')}.pem"


def platform_vault() -> Vault | None:
    """The platform's keyring if it is a real one, else None."""
    import keyring
    from keyring.backends.chainer import ChainerBackend

    chosen = keyring.get_keyring()
    candidates = chosen.backends if isinstance(chosen, ChainerBackend) else [chosen]
    for backend in candidates:
        module = type(backend).__module__
        if module.startswith("keyring.backends.") and module.split(".")[2] in REAL_KEYRINGS:
            return backend
    return None


@contextmanager
def _keyring_failures() -> Iterator[None]:
    from keyring.errors import KeyringError

    try:
        yield
    except KeyringError as error:
        raise AccountKeyError(
            f"the platform's keyring refused ({type(error).__name__}): unlock it, or set"
            " PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring to keep new keys in files"
        ) from error


def _read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner can read.

    Raises:
        AccountKeyError: Others may read it, it is somebody else's, a link, or unreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise AccountKeyError(
            f"the key file {path} cannot be read ({error.strerror}): it must be a plain file of"
            " yours, mode 600"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_mode & 0o077:
            raise AccountKeyError(
                f"the key file {path} may be read by others (mode {status.st_mode & 0o777:03o}):"
                f" run `chmod 600 {path}`, and change the key if somebody could have copied it"
            )
        if status.st_uid != os.geteuid():
            raise AccountKeyError(
                f"the key file {path} belongs to user {status.st_uid}, not to you: copy it to a"
                " file of your own"
            )
        return file.read(MAX_KEY_BYTES)


def _write_private(path: Path, pem: bytes) -> bool:
    """Write a file of mode 0600, whole or not at all; False if there is one already."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)  # unlike a rename, never over another key
    except FileExistsError:
        return False
    finally:
        os.unlink(fresh)
    return True
