"""Personas, the library's search and exams as tools of an agent, over the Model Context Protocol.

What is asked of a persona runs in the same engine as all else; searches and exams run between two
tokens of the answers, which wait for them.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field, ValidationError

from academy.errors import AcademyError
from academy.evaluator import LocalEvaluator
from academy.exam import ExamResult, exam_sheet, sit_exam
from economy.serving.names import Meant, ModelNotFoundError, Names
from economy.serving.service import Service
from economy.serving.wire import TEMPERATURE
from genome.errors import GenomeError
from genome.genome import Genome
from genome.search.index_filter import Filter
from marketplace.errors import MarketError
from persona.errors import PersonaError
from persona.sampling import Sampling

MOST_QUESTIONS = 512
"""Of one exam: answers wait as long as it takes."""
INSTRUCTIONS = """Personas are a base language model with LoRA layers. search_layers finds who is \
able to answer a question, ask puts it to a persona, exam measures one against the base alone."""
Who = Annotated[
    str, Field(max_length=2000, description="A persona, BASE, BASE+LAYER, or auto: who knows most.")
]
Question = Annotated[str, Field(min_length=1, max_length=100_000)]


class ToolServer(MCPServer[Any]):
    """One that refuses in one line, which says the rule, the value and the remedy."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """Call a tool.

        Raises:
            ToolError: It was refused, or failed; of failures that nobody foresaw only that.
        """
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause, text = error.__cause__, str(error)
            if isinstance(cause, ValidationError):
                wrong = [(".".join(map(str, one["loc"])), one["msg"]) for one in cause.errors()]
                text = "; ".join(f"{place}: {said}" for place, said in wrong)
            elif isinstance(cause, AcademyError | GenomeError | MarketError | PersonaError):
                text = str(cause)
            raise ToolError(" ".join(text.split())) from cause


def create_server(service: Service) -> ToolServer:
    """The server, with its three tools; `run()` serves it on stdin and stdout until they close."""
    server = ToolServer("continuum", instructions=INSTRUCTIONS, log_level="ERROR")
    engine, names = service.engine, service.names
    base = engine.base

    @server.tool()
    async def ask(
        persona: Who,
        question: Question,
        max_tokens: Annotated[int, Field(ge=1, description="Longest answer.")] = 256,
    ) -> str:
        """Ask a persona one question; its answer. Nothing is remembered between two calls."""
        meant = await service.meant(persona, question)
        sampling = Sampling(temperature=TEMPERATURE, max_tokens=max_tokens)
        sampling = meant.speaking(sampling, {"max_tokens"})
        prompt = meant.told([{"role": "user", "content": question}], base)
        told = service.backend(meant.backend).generate(meant.genome, [prompt], sampling)
        return "".join([what.text async for _, what in told])

    @server.tool()
    async def search_layers(
        question: Question, k: Annotated[int, Field(ge=1, le=100)] = 5
    ) -> dict[str, Any]:
        """Find layers proven able to answer a question like this, the most able first.

        One is sure to be from a similarity of `sure_from` on; below, the nearest are told.
        """
        vectors, own = await service.encoded([question]), base.fingerprint

        def search() -> dict[str, Any]:
            library = names.library
            (found,) = library.search_vectors(
                vectors, library.encoder_id(own), where=Filter(base_model=own), k=k
            )
            layers = [
                {
                    "model": f"{names.base_name}+{one.manifest.name}@{one.manifest.version}",
                    "similarity": round(one.similarity, 4),
                    "able_to": one.manifest.description,
                    "niche": one.manifest.niche,
                    "accuracy": one.manifest.accuracy,
                    "base_accuracy": one.manifest.base_accuracy,
                }
                for one in found
            ]
            return {"sure_from": round(library.clear_match(own), 4), "layers": layers}

        return await asyncio.to_thread(search)

    @server.tool()
    async def exam(
        name: Annotated[str, Field(max_length=2000, description="A persona or a layer.")],
        skill: Annotated[str, Field(max_length=200)],
        n: Annotated[int, Field(ge=1, le=MOST_QUESTIONS, description="Questions.")] = 64,
    ) -> dict[str, Any]:
        """Share of a skill's test questions answered exactly, and the base's alone as control.

        The questions are the same every time; intervals are Wilson's of 95 %.
        """
        meant = await asyncio.to_thread(_persona_or_layer, names, name)
        if meant.backend:
            raise PersonaError(
                f"exams are sat in the engine here, {name} stands on backend {meant.backend}: "
                "name a persona of layers"
            )

        def sit() -> list[ExamResult]:
            alone = Genome(base.fingerprint)
            return sit_exam(LocalEvaluator(base), [meant.genome, alone], exam_sheet(skill, n))

        result, control = await asyncio.wrap_future(engine.between_tokens(sit))
        shown = {"model": meant.name, "skill": skill, "n_questions": result.n_questions}
        return {**shown, **_shown(result), "base": _shown(control)}

    return server


def _persona_or_layer(names: Names, name: str) -> Meant:
    """Who is meant, where a layer may go by its name alone.

    Raises:
        ModelNotFoundError: Neither is called so.
    """
    try:
        return names.meant(name)
    except ModelNotFoundError:
        try:
            return names.meant(f"{names.base_name}+{name}")
        except GenomeError:
            pass
        raise


def _shown(result: ExamResult) -> dict[str, Any]:
    low, high = result.interval
    return {"accuracy": round(result.accuracy, 4), "interval": [round(low, 4), round(high, 4)]}
