"""The operators of a run, held and called by a DEAP toolbox: the one place they are named.

    select    first parent of a child           mutate    a child of one parent
    attract   its mate                          mate      a child of two
    study     gradient steps of children        tune      mixing weights of children
    evaluate  scores on the generation's sheet  survive   who stays on an island
    migrate   clones between islands
The engine reaches its operators through the toolbox alone, so registering another function under
a name (or `toolbox.decorate`) changes the run; `deap.base.Toolbox` is documented at
https://deap.readthedocs.io/en/master/api/toolbox.html.
"""

from __future__ import annotations

from deap.base import Toolbox

from academy.evolution import generation, sheet, society, study
from academy.evolution.config import RunConfig
from academy.evolution.offspring import Nursery


def toolbox_of(config: RunConfig) -> Toolbox:
    """The operators that a configuration names, with what it says of them filled in."""
    toolbox = Toolbox()
    toolbox.register("select", generation.choose_parent, rule=config.selection.parents)
    toolbox.register("attract", generation.choose_mate, rule=config.selection.mates)
    toolbox.register("mate", Nursery.mate)
    toolbox.register("mutate", Nursery.mutate)
    toolbox.register("study", study.study)
    toolbox.register("tune", study.tune)
    toolbox.register("evaluate", sheet.examine)
    toolbox.register("survive", society.choose_survivors, rule=config.selection.survival)
    toolbox.register("migrate", society.migrate)
    return toolbox
