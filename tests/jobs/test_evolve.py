"""A run in a home: its cast becomes personas that can be asked, and a kill loses nothing."""

from __future__ import annotations

import json
import random
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tui.jobs.evolve
from academy.errors import RunCorruptError, RunMismatchError, RunSettingsError
from academy.evaluator import LocalEvaluator
from academy.evolution.config import load_config
from academy.evolution.events import silent
from academy.evolution.run import RunResult
from academy.run_folder import RunFolder
from academy.sources.builtin import BuiltinSource
from academy.trial import compare_scores
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.library import Library, Manifest
from persona.errors import PersonaError
from persona.persona import Persona, PersonaStore
from tests.support.cli import continuum
from tests.support.genome import random_layer
from tests.support.jobs import killed_until_done
from tui.data.source import HomeSource
from tui.jobs.breed import breed
from tui.jobs.compare_runs import compare_runs
from tui.jobs.evolve import run_evolution, saved_config, saved_genomes
from tui.jobs.run_report import log_trials, write_run_report

SMALL = {"tokens": 150_000}


@pytest.fixture(scope="module")
def homes(
    smoke: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, dict[str, Any]]:
    """Two finished small runs, and what is said of the first when it is run again."""
    folder = tmp_path_factory.mktemp("runs")
    one = Path(shutil.copytree(smoke, folder / "one"))
    before = files(one)
    facts = run_evolution(saved_config(one), one, silent)
    assert files(one) == before
    run_evolution(load_config("smoke").with_(run={**SMALL, "seed": 2}), folder / "two", silent)
    return one, folder / "two", facts


def files(home: Path) -> dict[str, bytes]:
    """What a run and its cast consist of."""
    kept = (home / "run" / "result.json", *sorted((home / "personas").glob("*")))
    layers = sorted((home / "library").rglob("*.safetensors"))
    return {str(path.relative_to(home)): path.read_bytes() for path in (*kept, *layers)}


def test_the_cast_becomes_personas_with_receipts(
    homes: tuple[Path, Path, dict[str, Any]], embedded: BaseModel
) -> None:
    home, _, facts = homes
    store, library = PersonaStore(home), Library.open(home)
    assert {m["persona"] for m in facts["cast"]} == set(store.names())
    genomes = saved_genomes(home, embedded)
    for member, genome in zip(facts["cast"], genomes, strict=True):
        assert store.load(member["persona"]).genome(library).digest == genome.digest
    receipts = [r for m in library.manifests.values() for r in m.receipts]
    assert receipts and all(r.n_questions == 100 for r in receipts)


def test_a_receipt_is_about_what_was_examined(
    homes: tuple[Path, Path, dict[str, Any]], embedded: BaseModel, tmp_path: Path
) -> None:
    """The stack's result is none of its top layer: it names all layers and stands beside the
    ancestor's; what the card of the layer says, the layer alone scores again."""
    home, _, facts = homes
    library, evaluator = Library.open(home), LocalEvaluator(embedded)
    genomes = [genome for genome in saved_genomes(home, embedded) if len(genome.layers) > 1]
    assert genomes, "the smoke preset trains an ancestor"
    stacks = {genome.layers[-1].digest: genome for genome in reversed(genomes)}  # first one counts
    told = {member["persona"]: member for member in facts["cast"]}
    for genome in stacks.values():
        manifest = library.manifest(genome.layers[-1].digest)
        together, alone = manifest.receipts
        assert (together.is_alone, alone.is_alone) == (False, True)
        assert together.layers == tuple(layer.digest for layer in genome.layers)
        assert together.weights == genome.weights and alone.layers == (manifest.digest,)
        for receipt in manifest.receipts:
            assert (receipt.base_model, receipt.rule) == (embedded.fingerprint, "exact")
            assert receipt.prompt == embedded.prompt_digest
        assert together.ancestor_accuracy is not None and alone.ancestor_accuracy is None
        assert manifest.headline == alone == library.manifest(manifest.digest).headline
        name = next(
            n
            for n, p in ((n, PersonaStore(home).load(n)) for n in told)
            if p.layers == together.layers
        )
        number = list(told).index(name)
        rng = np.random.default_rng([saved_config(home).run.seed, 77, number])
        sheet = BuiltinSource().draw(alone.skill, "test", 100, rng)
        genomes = [Genome.of(genome.layers[-1]), genome, Genome.of(genome.layers[0])]
        right = evaluator.scores(genomes, sheet).sum(1).tolist()
        assert right == [alone.n_correct, together.n_correct, together.n_ancestor_correct]
        assert told[name]["accuracy"] == together.accuracy
        assert told[name]["ancestor_accuracy"] == together.ancestor_accuracy
        card = (library.export(manifest.digest, tmp_path / name) / "README.md").read_text()
        header, body = card.removeprefix("---").split("---", 1)
        assert f"value: {alone.accuracy}" in header and "Measured together as" in body
        assert header.count("value:") == 1


def test_running_again_changes_nothing(homes: tuple[Path, Path, dict[str, Any]]) -> None:
    home, _, facts = homes
    again = run_evolution(saved_config(home), home, silent)
    assert again["cast"] == facts["cast"] and again["tokens"] == facts["tokens"]


def test_the_report_needs_nothing_else(homes: tuple[Path, Path, dict[str, Any]]) -> None:
    sides = ("ada", "bob")
    shown = compare_scores(np.array([[1.0] * 9, [0.0] * 9]), rng=np.random.default_rng(0))
    log_trials(homes[0], sides, ["sort"], [shown])
    text = write_run_report(homes[0]).read_text()
    assert text.count("<svg") >= 1 and "<script" not in text and 'src="http' not in text
    assert "memetic" in text and "Cast" in text
    assert "<td>ada</td><td>bob</td><td>sort</td><td>A better</td>" in text


def test_a_report_says_no_more_than_is_known(
    homes: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Finished, at work or neither, as it is; a base that was not measured has no row."""
    home = Path(shutil.copytree(homes[0], tmp_path / "home"))
    assert "Finished run" in write_run_report(home).read_text()
    (home / "run" / "result.json").unlink()
    text = write_run_report(home).read_text()
    assert "Unfinished run" in text and ">base<" in text
    with RunFolder(home).claimed({}):
        assert "Run in progress" in write_run_report(home).read_text()
    for path in (home / "run" / "generations").iterdir():
        record = json.loads(path.read_text())
        del record["base_by_skill"]
        path.write_text(json.dumps(record))
    assert ">base<" not in write_run_report(home).read_text()


def test_the_screens_can_read_a_run(homes: tuple[Path, Path, dict[str, Any]]) -> None:
    run = HomeSource(homes[0]).run()
    assert len(run.base_by_skill) == 12 and max(run.base_by_skill) > 0
    assert not run.notices and run.status is not None and run.status.phase == "done"
    assert len(run.generations) == len(list((homes[0] / "run" / "generations").iterdir()))
    assert len(run.skills) == 12


def test_two_runs_are_compared_on_the_same_questions(
    homes: tuple[Path, Path, dict[str, Any]],
) -> None:
    one, two, _ = homes
    there, back = compare_runs(one, two, 10), compare_runs(two, one, 10)
    assert [a for _, a, _ in there.by_skill] == [b for _, _, b in back.by_skill]
    assert "120 questions" in there.verdict


def test_breeding_makes_a_persona_of_chosen_parents(
    homes: tuple[Path, Path, dict[str, Any]], embedded: BaseModel, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(homes[0], tmp_path / "home"))
    parents = [
        (name, Genome.of(random_layer(embedded.model, embedded.fingerprint, seed=i, scale=1e-3)))
        for i, name in enumerate(("ada", "bob"))
    ]
    bred = breed(
        LocalEvaluator(embedded),
        BuiltinSource(),
        parents,
        "sort from ada, reverse from bob",
        n_questions=10,
        home=home,
        name="both",
        seed=1,
    )
    assert {row.skill for row in bred.rows} == {"sort", "reverse"} and len(bred.rows) == 6
    assert PersonaStore(home).load("both").genome(Library.open(home)).layers


def test_a_child_names_its_parents_and_is_not_called_wrong_before_an_exam(
    homes: tuple[Path, Path, dict[str, Any]], embedded: BaseModel, tmp_path: Path
) -> None:
    """Lineage and weights are in the manifest; without an exam a dash, never 0.0 %."""
    home = Path(shutil.copytree(homes[0], tmp_path / "home"))
    library, store = Library.open(home), PersonaStore(home)
    made = {}
    for seed, name in enumerate(("ada", "bob")):
        layer = random_layer(embedded.model, embedded.fingerprint, seed=seed, scale=1e-3)
        made[name] = library.add(layer, Manifest(name=name, base_model=embedded.fingerprint))
        store.create(Persona(name, embedded.fingerprint, (made[name],)))
    parents = [(name, store.load(name).genome(library)) for name in made]
    breed(
        LocalEvaluator(embedded),
        BuiltinSource(),
        parents,
        "sort from ada, reverse from bob",
        n_questions=10,
        home=home,
        name="both",
        seed=1,
    )
    library = Library.open(home)
    (child,) = store.load("both").layers
    assert {p.digest for p in library.manifest(child).parents} == set(made.values())
    assert len({p.weight for p in library.manifest(child).parents}) == 1
    assert {r.digest for r in library.ancestors(child)} == set(made.values())
    shown = continuum("layer", "list", "--home", home).out
    row = next(line for line in shown.splitlines() if line.startswith("both "))
    assert "0.0 %" not in row and row.split()[3:5] == ["-", "-"]


def test_names_that_others_have_are_left_to_them(
    homes: tuple[Path, Path, dict[str, Any]], embedded: BaseModel, tmp_path: Path
) -> None:
    """A library and a persona of the cast's names were there first; twice changes nothing."""
    home = Path(shutil.copytree(homes[0], tmp_path / "home"))
    for part in ("library", "personas"):
        shutil.rmtree(home / part)
    name = homes[2]["cast"][0]["persona"]
    foreign = random_layer(embedded.model, embedded.fingerprint, seed=5)
    library, store = Library.open(home), PersonaStore(home)
    for seed, taken in enumerate((name, "ancestor")):
        layer = random_layer(embedded.model, embedded.fingerprint, seed=seed)
        library.add(layer, Manifest(name=taken, base_model=embedded.fingerprint))
    theirs = Persona(
        name,
        embedded.fingerprint,
        (library.add(foreign, Manifest(name="mine", base_model=embedded.fingerprint)),),
    )
    store.create(theirs)
    found = [run_evolution(saved_config(home), home, silent)["cast"] for _ in range(2)]
    assert found[0] == found[1] and found[0][0]["persona"] == f"{name}-2"
    assert store.load(name) == theirs
    assert len(Library.open(home).versions(name)) == 1
    mine = saved_genomes(home, embedded)[0]
    assert store.load(f"{name}-2").genome(Library.open(home)).digest == mine.digest


def test_the_ancestor_alone_in_the_cast_has_its_own_receipts(
    homes: tuple[Path, Path, dict[str, Any]],
    embedded: BaseModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether another member came with it before or after; so it can be examined, as others can."""
    made = tui.jobs.evolve.evolve
    for order in (1, -1):
        home = Path(shutil.copytree(homes[0], tmp_path / f"home{order}"))
        for part in ("library", "personas"):
            shutil.rmtree(home / part)

        def cast(*args: Any, order: int = order, **kwargs: Any) -> RunResult:
            result = made(*args, **kwargs)
            stack = next(g for g in result.genomes if len(g.layers) > 1)
            one = replace(result.cast[0], niches=("reverse",))
            two = replace(one, niches=("sort",))
            genomes = (stack, Genome.of(stack.layers[0]))
            return replace(result, cast=(one, two)[::order], genomes=genomes[::order])

        monkeypatch.setattr(tui.jobs.evolve, "evolve", cast)
        run_evolution(saved_config(home), home, silent)
        library = Library.open(home)
        (sorter,) = PersonaStore(home).load("sorter").layers
        (receipt,) = library.manifest(sorter).receipts
        assert (library.manifest(sorter).name, receipt.skill) == ("ancestor", "sort")
        assert receipt.is_alone and receipt.n_questions == 100
        top = PersonaStore(home).load("reverser").layers[-1]
        assert [r.skill for r in library.manifest(top).receipts] == ["reverse", "reverse"]
        for name, asked in (("sorter", "sort "), ("reverser", "reverse ")):
            exam = continuum("academy", "exam", name, "--items", 20, "--home", home)
            assert asked in exam.out and exam.out.count("exact") == 1


def test_what_no_base_has_positions_for_is_not_examined_either(tmp_path: Path) -> None:
    """Most test questions are longer than the base's 128 positions: the others are the exam."""
    challenges = [
        {"prompt": f"say {i}" + (i % 3 > 0) * (" and then nothing" * 9), "answer": str(i % 7)}
        for i in range(300)
    ]
    path = tmp_path / "long.jsonl"
    path.write_text("\n".join(map(json.dumps, challenges)))
    config = load_config("smoke").with_(run={"tokens": 15_000, "source": f"jsonl:{path}"})
    facts = run_evolution(config, tmp_path / "home", silent)
    assert facts["failures"] == 0
    assert all(0 < member["questions"] < 50 for member in facts["cast"])


def test_breeding_into_a_name_that_is_taken_is_refused_before_anything_is_asked(
    embedded: BaseModel, tmp_path: Path
) -> None:
    layer = random_layer(embedded.model, embedded.fingerprint, seed=1)
    Library.open(tmp_path).add(layer, Manifest(name="both", base_model=embedded.fingerprint))
    PersonaStore(tmp_path).create(Persona("ada", embedded.fingerprint))
    evaluator = LocalEvaluator(embedded)
    parents = [("ada", Genome.of(layer)), ("bob", Genome(embedded.fingerprint))]
    for name, words in (("both", "a layer 'both'"), ("ada", "a persona 'ada'"), ("A b", "A b")):
        with pytest.raises((RunSettingsError, PersonaError), match=words):
            breed(
                evaluator,
                BuiltinSource(),
                parents,
                "sort",
                n_questions=10,
                home=tmp_path,
                name=name,
                seed=1,
            )
    assert evaluator.tokens.equivalents == 0


def test_settings_that_were_lost_are_read_from_the_checkpoint(
    homes: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    home = Path(shutil.copytree(homes[0], tmp_path / "home"))
    (home / "run" / "config.json").write_text("{")
    with pytest.raises(RunCorruptError, match="delete it to have it made again"):
        saved_config(home)
    (home / "run" / "config.json").unlink()
    assert saved_config(home) == saved_config(homes[0])


def test_a_report_of_a_log_that_is_no_text_is_one_line(
    homes: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    home = Path(shutil.copytree(homes[0], tmp_path / "home"))
    (home / "run" / "events.jsonl").write_bytes(b"\xff\xfe{\n")
    with pytest.raises(RunCorruptError, match="is no text"):
        write_run_report(home)


def test_an_unfinished_or_missing_run_is_named(tmp_path: Path, embedded: BaseModel) -> None:
    with pytest.raises(RunMismatchError, match="academy run"):
        saved_config(tmp_path)
    with pytest.raises(RunMismatchError, match="not finished"):
        saved_genomes(tmp_path, embedded)
    with pytest.raises(RunMismatchError, match="no run"):
        write_run_report(tmp_path)


@pytest.mark.slow
def test_killed_at_random_instants_a_run_ends_as_if_it_had_not_been(
    homes: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    """kill -9 at instants drawn once and for all; result, layers and event log are the same."""
    command = [
        sys.executable,
        "-m",
        "tui.cli.main",
        "academy",
        "run",
        "smoke",
        "--home",
        str(tmp_path),
    ]
    waits = [4 + random.Random(1).uniform(0, 2) + 0.7 * i for i in range(9)]
    assert killed_until_done(command, [*waits, 1200.0]) >= 2
    for name in ("result.json", "events.jsonl", "state.json"):
        ours, theirs = ((h / "run" / name).read_text() for h in (tmp_path, homes[0]))
        assert ours == theirs, name
    layers = [
        sorted(p.name for p in (h / "run" / "layers").iterdir()) for h in (tmp_path, homes[0])
    ]
    assert layers[0] == layers[1]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["cast"]
