"""Whatever somebody typed, there is a name for it that is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genome.shelf.manifest import check_name, plain_name, suggested_name


@given(st.text(max_size=90))
def test_any_text_becomes_a_name(text: str) -> None:
    assert check_name(plain_name(text)) == plain_name(plain_name(text)) == plain_name(text)


@pytest.mark.parametrize(
    ("file", "name"),
    [("SQL Helper", "sql-helper"), ("My_LoRA.TAR.GZ", "my_lora"), ("x.zip", "x"), ("…", "layer")],
)
def test_a_file_gives_its_layer_a_name(tmp_path: Path, file: str, name: str) -> None:
    assert suggested_name(tmp_path / file) == name
