"""A configuration is right or refused in one line that says what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from academy.errors import ConfigError
from academy.evolution.config import RunConfig, load_config, parse_config, preset_names


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_read(name: str) -> None:
    assert isinstance(load_config(name), RunConfig)


def test_plain_data_makes_the_same_configuration_again() -> None:
    config = RunConfig().with_(
        run={"seed": 7}, operators={"rates": {"merge": 1.0}}, islands={"count": 2}
    )
    assert parse_config(config.plain()) == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[population]\nbirth = 3", "did you mean 'births'"),
        ("[popultion]\nsize = 3", "did you mean 'population'"),
        ("[run]\ntokens = 'many'", "run.tokens must be int"),
        ("[run]\ntokens = true", "run.tokens must be int"),
        ("[run]\ntokens = 5", "it must be 1000 to"),
        ("[ancestor]\nshare = nan", "it must be 0 to 0.95"),
        ("[ancestor]\nteacher = 'lernable'", "did you mean 'learnable'"),
        ("[operators]\nnames = ['merg']", "did you mean 'merge'"),
        ("[operators]\nnames = []", "name at least one operator"),
        ("[operators]\nnames = 'merge'", "must be a list of texts"),
        ("[operators.rates]\nmerge = 'x'", "operators.rates.merge must be float"),
        ("[islands]\ncount = 3\noperators = ['merge']", "1 entries for 3 islands"),
        ("[islands]\ncount = 2\nsurvival = ['sharing', 'topp']", "did you mean 'top'"),
        ("[islands]\ncount = 2\noperators = ['merge, mrge', '']", "did you mean 'merge'"),
        ("[operators]\nnames = ['merge', 'merge']", "'merge' is named twice"),
        ("[operators.rates]\nmerge = -1.0", "operators.rates.merge is -1.0: it must be 0 to"),
        ("[operators.rates]\nmerge = nan", "operators.rates.merge is nan"),
        ("[operators.rates]\nmerge = inf", "operators.rates.merge is inf"),
        ("[operators.rates]\nmerge = 0", "operators.rates are all 0"),
        ("[operators.rates]\nmerge = 1\n[islands]\noperators = ['noise']", "exclude each other"),
        ("[selection]\narchive = 0", "it must be 1 to 100000"),
        ("[population]\nsize = 2\n[islands]\nmigrants = 2", "let fewer move"),
        ("run = 3", "must be a table"),
        ("[run", "not valid TOML"),
    ],
)
def test_a_mistake_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r".") as refused:
        load_config(str(path))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_spaces_in_a_list_of_an_island_do_not_count() -> None:
    config = RunConfig().with_(
        islands={"count": 2, "operators": ("memetic-4, merge", ""), "skills": (" sort ", "")}
    )
    assert config.islands.operators_of(0) == ("memetic-4", "merge")
    assert config.islands.operators_of(1) == config.islands.skills_of(1) == ()
    assert config.islands.skills_of(0) == ("sort",)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'standard'"):
        load_config("standart")
