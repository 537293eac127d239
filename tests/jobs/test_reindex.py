"""An imported layer is found by what it can do once it has been examined."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from academy.exam import exam_sheet
from academy.operators.noise import random_layer
from academy.skills.curriculum import curriculum, skill_named
from academy.skills.letters import SKILL_NAMES
from academy.skills.skill import unique_questions
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import BaseModel
from genome.library import Library
from tests.support.genome import random_layer as foreign_layer
from tests.support.genome import tiny_llama
from tui.jobs.reindex import reindex

PLAN = StudyPlan(steps=40, rows_per_step=16, learning_rate=0.004)


def test_imported_layers_become_searchable(home: Path, embedded: BaseModel, tmp_path: Path) -> None:
    """One that learned to shift letters, and says nothing of it, is nearer to questions for that
    skill than for any other; one that does not fit the base is known by its description alone."""
    rng = np.random.default_rng(0)
    asked = unique_questions(skill_named("shift"), "train", PLAN.n_rows, rng)
    rows = embedded.rows([c.prompt for c in asked], [c.answer for c in asked])
    founder = random_layer(embedded.fingerprint, embedded.linear_shapes, 8, 0.02, rng)
    learned = train_litter(embedded, [founder], [rows], PLAN, TokenMeter())[0]
    learned.to_peft(tmp_path / "x17")
    foreign_layer(tiny_llama(), "another", seed=3).to_peft(tmp_path / "foreign")
    library = Library.open(home)
    ours = library.import_folder(tmp_path / "x17")
    theirs = library.import_folder(tmp_path / "foreign", description="write haiku about ships")
    assert library.vector(ours) is None
    done = reindex(home)
    assert (done.examined, done.described) == (1, 1)
    encoder = library.encoder(embedded)
    vector, n_results = library.vector(ours) or (np.zeros(0), 0)
    assert n_results == curriculum(embedded).ability_questions
    near = {
        name: float((encoder.encode([c.prompt for c in exam_sheet(name, 20)]) @ vector).mean())
        for name in SKILL_NAMES
    }
    assert max(near, key=lambda name: near[name]) == "shift"
    assert (
        library.search("haiku", encoder=encoder, base_model=embedded.fingerprint, unbound=True)[
            0
        ].digest
        == theirs
    )
    assert (library.vector(theirs, embedded.fingerprint) or (0, 0))[1] == 0
    assert reindex(home).examined == 0
    if done.calibration:
        assert library.calibration(embedded.fingerprint).encoder == library.encoder_id(
            embedded.fingerprint
        )
