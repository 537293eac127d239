"""What the `openai-agents` package makes of our answers; runs in an environment of its own.

    python use_openai_agents.py BASE_URL

Prints one JSON document for the test that started it.
"""

import asyncio
import json
import sys
from typing import Literal

from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

set_tracing_disabled(True)
moved = []


@function_tool
def move(to: Literal["left", "right"]) -> str:
    """Moves."""
    moved.append(to)
    return "done"


async def main() -> None:
    client = AsyncOpenAI(base_url=sys.argv[1], api_key="not needed", max_retries=0)
    agent = Agent(
        name="mover",
        tools=[move],
        model=OpenAIResponsesModel("embedded", client),
        model_settings=ModelSettings(temperature=0, max_tokens=90, tool_choice="required"),
    )  # the choice is free again after the first call
    found = {}
    for way in ("run", "streamed"):
        moved.clear()
        if way == "run":
            result = await Runner.run(agent, "go")
        else:
            result = Runner.run_streamed(agent, "go")
            async for _ in result.stream_events():
                pass
        items = [item.type for item in result.new_items]
        found[way] = {"moved": [*moved], "items": items, "said": result.final_output}
    print(json.dumps(found))


asyncio.run(main())
