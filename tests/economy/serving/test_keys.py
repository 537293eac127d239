"""Keys are kept nowhere, counted by several processes, and refused by name."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from economy.serving.keys import ApiKey, ApiKeyError, ApiKeys
from tests.support.cli import continuum


def test_a_key_is_known_by_itself_and_kept_nowhere(tmp_path: Path) -> None:
    keys = ApiKeys(tmp_path)
    assert keys.every() == [] and keys.of("ck-guessed") is None and not keys.path.exists()
    made = ApiKey("laptop", "ada", per_minute=5, budget=100)
    secret = keys.create(made)
    assert keys.of(secret) == made == keys.every()[0]
    assert secret.encode() not in keys.path.read_bytes()
    with pytest.raises(ApiKeyError, match="`continuum key remove laptop` first"):
        keys.create(made)
    keys.remove("laptop")
    assert keys.of(secret) is None
    keys.create(ApiKey("phone"))
    with pytest.raises(ApiKeyError, match="did you mean phone"):
        keys.remove("phonn")


def test_tokens_of_many_at_once_are_all_counted(tmp_path: Path) -> None:
    secret = ApiKeys(tmp_path).create(ApiKey("laptop", budget=400))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ApiKeys(tmp_path).use("laptop", 10), range(40)))
    found = ApiKeys(tmp_path).of(secret)
    assert found and found.used == 400
    assert not ApiKeys(tmp_path).use("laptop", 1) and ApiKeys(tmp_path).use("laptop", -1)


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "a" * 65])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(ApiKeyError, match="1 to 64"):
        ApiKeys(tmp_path).create(ApiKey(name))


def test_keys_by_command(tmp_path: Path) -> None:
    home = ("--home", tmp_path / "new")
    made = continuum("key", "create", "laptop", "--tokens", "9", "--account", "ada", *home)
    assert made.code == 0 and made.out.startswith("ck-") and len(made.out.split()) == 1
    row = continuum("key", "list", *home).out
    assert "laptop" in row and "ada" in row and made.out.strip() not in row
    assert "already" in continuum("key", "create", "laptop", *home).refusal
    assert continuum("key", "remove", "laptop", *home).out == "laptop is removed\n"
    assert "there are none yet" in continuum("key", "remove", "laptop", *home).refusal
    everywhere = continuum("serve", "--host", "0.0.0.0", *home).refusal
    assert "continuum key create NAME" in everywhere


def test_a_server_without_its_extra_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    for module in ("routes", "serve", "service"):
        monkeypatch.delitem(sys.modules, f"economy.serving.{module}", raising=False)
    assert "continuum-personas[serve]" in continuum("serve", "--home", tmp_path).refusal
