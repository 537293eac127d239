"""Private keys stay private: where they are kept, and what is refused."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from marketplace.errors import AccountKeyError, NameFormatError
from marketplace.ledger.keyring import KeyStore, PrivateKey, platform_vault


class FakeVault:
    """A platform keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def in_files(folder: Path) -> KeyStore:
    return KeyStore(folder, lambda: None)


def test_a_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    """A second `create` and a later `load` give the same key."""
    store = in_files(tmp_path / "keys")
    made = store.create("ada")
    assert (
        store.create("ada").public == made.public == in_files(tmp_path / "keys").load("ada").public
    )
    assert store.accounts() == {"ada": made.public}


def test_the_file_and_its_folder_are_for_the_owner_only(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700, whatever the umask."""
    old = os.umask(0)
    try:
        in_files(tmp_path / "keys").create("ada")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "keys" / "ada.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_file_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """Readable or writable by group or others: the remedy is named, the key is not used."""
    store = in_files(tmp_path)
    store.create("ada")
    (tmp_path / "ada.pem").chmod(mode)
    with pytest.raises(AccountKeyError, match=f"mode {mode:03o}.*chmod 600"):
        store.load("ada")
    with pytest.raises(AccountKeyError):
        store.create("ada")  # nor is it silently replaced


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A link may point anywhere a moment later, even at nothing."""
    in_files(tmp_path).create("ada")
    (tmp_path / "eve.pem").symlink_to(tmp_path / "ada.pem")
    (tmp_path / "bob.pem").symlink_to(tmp_path / "nothing")
    for name in ("eve", "bob"):
        with pytest.raises(AccountKeyError, match="plain file"):
            in_files(tmp_path).load(name)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_damaged_key_is_named_and_its_content_is_not(tmp_path: Path, content: bytes) -> None:
    """The message tells file and remedy; what is in the file could be a secret."""
    store = in_files(tmp_path)
    store.create("ada")
    (tmp_path / "ada.pem").write_bytes(content)
    with pytest.raises(AccountKeyError, match="holds no unencrypted Ed25519 key") as caught:
        store.load("ada")
    assert "AAAA" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_of_another_kind_is_refused() -> None:
    """Only Ed25519 signs here."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(AccountKeyError, match="Ed25519"):
        PrivateKey.from_pem(pem, "the key file x")


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    """One line with the command."""
    with pytest.raises(AccountKeyError, match="continuum market open ada"):
        in_files(tmp_path / "nowhere").load("ada")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "name", ["a/../b", "a/b/c", "/ada", "Ada", "", "a+b", "..", ".", "../..", "../ada", ".git"]
)
def test_what_is_no_name_becomes_no_file(tmp_path: Path, name: str) -> None:
    """An account's name becomes a file's name."""
    with pytest.raises(NameFormatError):
        in_files(tmp_path / "keys").create(name)
    assert list(tmp_path.rglob("*.pem")) == []


def test_a_mandate_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Whoever shops under `ada/shopper` cannot act as `ada`."""
    store = in_files(tmp_path)
    assert store.create("ada/shopper").public != store.create("ada").public
    assert set(store.accounts()) == {"ada", "ada/shopper"}


def test_a_real_keyring_keeps_the_key_and_no_file_does(tmp_path: Path) -> None:
    """Only the public half is written beside it."""
    vault = FakeVault()
    store = KeyStore(tmp_path, lambda: vault)
    made = store.create("ada")
    assert [path.name for path in tmp_path.iterdir()] == ["ada.pub"]
    assert store.load("ada").public == store.create("ada").public == made.public
    assert len(vault.kept) == 1


def test_two_homes_share_a_keyring_without_sharing_keys(tmp_path: Path) -> None:
    """The entry is named after the home's folder."""
    vault = FakeVault()
    first = KeyStore(tmp_path / "a", lambda: vault).create("ada")
    assert KeyStore(tmp_path / "b", lambda: vault).create("ada").public != first.public


def test_a_keyring_that_is_gone_does_not_lead_to_a_new_key(tmp_path: Path) -> None:
    """A second key under the same name would be a stranger to the market."""
    KeyStore(tmp_path, FakeVault).create("ada")
    with pytest.raises(AccountKeyError, match="no key of account 'ada'"):
        KeyStore(tmp_path, lambda: None).create("ada")


def test_a_locked_keyring_is_one_line(tmp_path: Path) -> None:
    """The platform's own error becomes ours, with a remedy."""
    from keyring.errors import KeyringLocked

    class Locked(FakeVault):
        def set_password(self, service: str, username: str, password: str) -> None:
            raise KeyringLocked(f"secret {password}")

    with pytest.raises(AccountKeyError, match="unlock it") as caught:
        KeyStore(tmp_path, Locked).create("ada")
    assert "PRIVATE" not in str(caught.value)


def test_backends_that_only_pretend_are_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keyring, the null keyring and a plain-text one all mean: keep files."""
    import keyring
    from keyring.backends import fail, null

    class PlainText(null.Keyring):
        priority = 9

    for pretender in (fail.Keyring(), null.Keyring(), PlainText()):
        monkeypatch.setattr(keyring, "get_keyring", lambda chosen=pretender: chosen)
        assert platform_vault() is None


@pytest.mark.parametrize("vault", [None, FakeVault()], ids=["file", "keyring"])
def test_a_key_nobody_accepted_can_be_forgotten(tmp_path: Path, vault: FakeVault | None) -> None:
    """Nothing of it stays, and a second time is no error."""
    store = KeyStore(tmp_path, lambda: vault)
    first = store.create("ada").public
    store.forget("ada")
    store.forget("ada")
    assert not store.has("ada") and list(tmp_path.iterdir()) == []
    assert vault is None or vault.kept == {}
    assert store.create("ada").public != first


def test_threads_that_open_at_once_agree_on_one_key(tmp_path: Path) -> None:
    """The first file wins; nobody overwrites it."""
    barrier = threading.Barrier(8)
    found: list[str] = []

    def make() -> None:
        barrier.wait()
        found.append(in_files(tmp_path).create("ada").public)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ada.pem", "ada.pub"]


def test_a_key_does_not_show_itself() -> None:
    """Neither repr nor str holds the secret."""
    key = PrivateKey.generate()
    assert key.private.private_bytes_raw().hex() not in f"{key!r} {key}"
