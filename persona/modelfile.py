"""A persona for Ollama and llama.cpp's converters: its layers in the base's weights, a Modelfile;
for llama.cpp itself its layers alone.

Newer Ollama refuses ADAPTER, so the layers are added to a copy of the weights: exact in float32,
as large as the base, and from then on one model like any other.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from genome.adapter.gguf_lora import write_gguf_lora
from genome.base_model import BaseModel
from genome.compose import stack
from genome.files import write_folder_once
from genome.genome import Genome
from genome.running.stack import check_fit, linear_sites
from persona.errors import ExportError
from persona.persona import Persona

CHATML = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n"
)
"""In Go's template language."""
TALK = [{"role": role, "content": f"({role})"} for role in ("system", "user", "assistant", "user")]


def export_modelfile(
    folder: Path, persona: Persona, genome: Genome, base: BaseModel, base_name: str, licence: str
) -> None:
    """Write FOLDER/Modelfile and FOLDER/model, all or nothing.

    Args:
        licence: Of the base, as its source states it; empty if it does not.

    Raises:
        ExportError: The folder is there already, or a layer changes the head, which shares its
            weights with the embeddings.
        GenomeError: A layer does not fit the base.
        OSError: The disk is full or refuses.
    """
    model = merged(base, genome)

    def fill(target: Path) -> None:
        model.save_pretrained(target / "model")
        base.tokenizer.save_pretrained(target / "model")
        text = "\n".join(_lines(persona, genome, base, base_name, licence))
        (target / "Modelfile").write_text(text + "\n", encoding="utf-8")

    if not write_folder_once(folder, fill):
        raise ExportError(f"{folder} is there already: choose another path")


def export_adapter(path: Path, genome: Genome, base: BaseModel) -> None:
    """Write all layers of a genome, with their weights, as one GGUF adapter for llama.cpp.

    Raises:
        ExportError: The file is there already, or there are no layers.
        GenomeError: A layer does not fit the base, or llama.cpp cannot have it.
        OSError: The disk is full or refuses.
    """
    if path.exists():
        raise ExportError(f"{path} is there already: choose another path")
    if not genome.layers:
        raise ExportError("an adapter is of layers, the persona has none: use the base alone")
    check_fit(genome, linear_sites(base.model))
    write_gguf_lora(path, stack(genome.layers, genome.weights).factors, base.model.config)


@torch.no_grad()
def merged(base: BaseModel, genome: Genome) -> Any:
    """A copy of the model with a genome's updates in its weights.

    Raises:
        ExportError: A layer changes the head, which shares its weights with the embeddings.
    """
    model: Any = copy.deepcopy(base.model)
    sites = linear_sites(model)
    check_fit(genome, sites)
    shared = model.get_input_embeddings().weight
    for layer, weight in zip(genome.layers, genome.weights, strict=True):
        for module, (a, b) in layer.factors.items():
            if model.get_submodule(module).weight is shared:
                raise ExportError(
                    f"layer {layer.digest[:12]} changes {module}, whose weights are also the"
                    " embeddings': they cannot be one model, export the layer instead"
                )
            sites[module].weight.add_(weight * (b @ a))
    return model


def _lines(
    persona: Persona, genome: Genome, base: BaseModel, base_name: str, licence: str
) -> list[str]:
    digests = ", ".join(layer.digest[:12] for layer in genome.layers) or "none"
    lines = [
        f"# {persona.name}: {base_name} ({base.fingerprint}) with layers {digests} in its weights",
        "# (newer Ollama refuses ADAPTER). `ollama create NAME -f Modelfile` makes it.",
        "FROM ./model",
    ]
    lines += [f"PARAMETER stop {base.tokenizer.decode([end])}" for end in base.spelling.ends]
    render = base.tokenizer.apply_chat_template
    whole = render(TALK, tokenize=False, add_generation_prompt=True)
    turns = "".join(f"<|im_start|>{t['role']}\n{t['content']}<|im_end|>\n" for t in TALK)
    if whole == turns + "<|im_start|>assistant\n":
        lines.append(f'TEMPLATE """{CHATML}"""')
    else:
        lines.append("# no TEMPLATE: Ollama has to know this base's own, in tokenizer_config.json")
    alone = render(TALK[1:2], tokenize=False)
    before, mark, _ = alone.partition("<|im_start|>user")
    if mark and before:
        system = before.removeprefix("<|im_start|>system\n").removesuffix("<|im_end|>\n")
        lines.append(f'SYSTEM """{system}"""')
    if licence:
        lines.append(f'LICENSE """{licence}"""')
    return lines
