"""The demo of sixteen clients: everybody answered at once as alone, by layers made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from academy.training import StudyPlan
from genome.base_model import BaseModel
from persona.persona import PersonaStore
from tests.support.jobs import Silent
from tui.jobs import serving


def test_sixteen_clients_hear_what_each_alone_hears(
    tmp_path: Path, embedded: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PLAN", StudyPlan(steps=2, rows_per_step=2, learning_rate=1e-2))
    found = serving.run_serving(tmp_path, embedded, "embedded", Silent())
    assert found.n_same == len(found.at_once) == 16
    assert all(0 < one.first_s <= one.whole_s for one in found.at_once if one.answer)
    names = PersonaStore(tmp_path).names()
    layers = {PersonaStore(tmp_path).load(name).layers for name in names}
    assert len(names) == 16 and len(layers) == 16

    def again(*_: object, **__: object) -> None:
        raise AssertionError("made already")

    monkeypatch.setattr(serving, "train_litter", again)
    assert serving.run_serving(tmp_path, embedded, "embedded", Silent()).n_same == 16
