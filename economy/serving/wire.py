"""What a request may say: the fields of OpenAI's API that are meant here, and no others.

A field that would change an answer and is not supported is refused by its name; those that change
nothing are left out unread.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel as Checked
from pydantic import ConfigDict, Field, model_validator

from persona.errors import PromptError
from persona.grammar import of_call, of_schema
from persona.sampling import Sampling

HARMLESS = {
    *("user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key"),
    *("parallel_tool_calls", "include"),
}
"""Fields that change no answer."""
MOST_ANSWERS = 128
"""Of one request, to all of its prompts."""
MOST_TEXTS = 256
"""Of which vectors are asked at once."""
MOST_TURNS = 2048
"""Of one conversation."""
TEMPERATURE = 0.7
"""Where a request says none; as `continuum chat`."""


class Asked(Checked):
    """What all requests for text have in common."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=2000)]
    temperature: Annotated[float, Field(ge=0, le=2)] = TEMPERATURE
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    stream: bool = False

    @model_validator(mode="before")
    @classmethod
    def _meant(cls, said: Any) -> Any:
        """Without what says nothing: null, and fields that change no answer."""
        if not isinstance(said, dict):
            return said
        try:
            json.dumps(said, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("there is half a character in it: send UTF-8 text") from None
        return {
            name: value
            for name, value in said.items()
            if value is not None and not (name in HARMLESS and name not in cls.model_fields)
        }


class StreamOptions(Checked):
    """What a stream tells beside its tokens."""

    include_usage: bool = False


class Choosing(Asked):
    """What the two older requests have beside that."""

    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = 1
    top_k: Annotated[int, Field(ge=0)] = 0
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    repetition_penalty: Annotated[float, Field(ge=0.01, le=10)] = 1.0
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    seed: Annotated[int | None, Field(ge=0, lt=1 << 62)] = None
    stop: str | Annotated[list[str], Field(max_length=16)] = []
    stop_token_ids: Annotated[list[int], Field(max_length=64)] = []
    stream_options: StreamOptions = StreamOptions()

    def sampling(self, **more: Any) -> Sampling:
        """These choices, as the engine takes them."""
        same = {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed"}
        same |= {"presence_penalty", "frequency_penalty"}
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        return Sampling(
            **{name: getattr(self, name) for name in same},
            stop=tuple(stop),
            stop_ids=frozenset(self.stop_token_ids),
            **more,
        )


class Completion(Choosing):
    """`/v1/completions`: texts, or tokens, to be gone on from."""

    prompt: str | list[int] | list[str] | list[list[int]]
    max_tokens: Annotated[int, Field(ge=0)] = 16
    echo: bool = False
    logprobs: Annotated[int | None, Field(ge=0, le=20)] = None

    @model_validator(mode="after")
    def _possible(self) -> Completion:
        if self.stream and self.echo:
            raise ValueError("echo is not streamed: leave one of echo and stream out")
        if not self.max_tokens and not self.echo:
            raise ValueError("max_tokens is 0, which leaves no answer: give 1 or more, or echo")
        if len(self.prompts) * self.n > MOST_ANSWERS:
            raise ValueError(
                f"{len(self.prompts)} prompts with n = {self.n} are more than {MOST_ANSWERS}"
                " answers: send fewer at once"
            )
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt."""
        prompt: Any = self.prompt
        one = isinstance(prompt, str) or not prompt or isinstance(prompt[0], int)
        return [prompt] if one else prompt


class Function(Checked):
    """A tool that may be called."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
    description: str = ""
    parameters: dict[str, Any] = {}


class Tool(Checked):
    """A tool, in the words of the API."""

    type: Literal["function"]
    function: Function


class JsonSchema(Checked):
    """What an answer has to match."""

    model_config = ConfigDict(populate_by_name=True)

    the_schema: Annotated[dict[str, Any], Field(alias="schema")]


class Format(Checked):
    """What form an answer has."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @property
    def grammar(self) -> str:
        """As the engine takes it; empty = anything goes.

        Raises:
            GrammarError: The schema cannot be followed.
        """
        if self.type == "json_schema":
            if self.json_schema is None:
                raise PromptError("response_format has no json_schema: give it, with its schema")
            return of_schema(self.json_schema.the_schema)
        return "" if self.type == "text" else of_schema({"type": "object"})


class Part(Checked):
    """A piece of a message's text."""

    type: Literal["text", "input_text", "output_text"]
    text: str


class Called(Checked):
    """A tool's name and arguments, as a model called it."""

    name: str
    arguments: str


class Call(Checked):
    """One call of a tool."""

    function: Called


class Message(Checked):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[Call] | None = None

    def turn(self) -> dict[str, Any]:
        """As chat templates take it."""
        content = self.content
        text = content if isinstance(content, str) else "".join(p.text for p in content or ())
        turn: dict[str, Any] = {"role": self.role.replace("developer", "system"), "content": text}
        if self.tool_calls:
            turn["tool_calls"] = [
                {"type": "function", "function": _called(call.function)} for call in self.tool_calls
            ]
        return turn


def _called(called: Called) -> dict[str, Any]:
    """A call with its arguments as the object that templates print."""
    try:
        arguments = json.loads(called.arguments or "{}")
    except (ValueError, RecursionError):
        raise PromptError(f"arguments of a call of {called.name} are no JSON") from None
    return {"name": called.name, "arguments": arguments}


def turns_of(messages: list[Message]) -> list[dict[str, Any]]:
    """A conversation as chat templates take it.

    Raises:
        PromptError: Nobody asks for an answer, or the roles are out of order.
    """
    if not messages:
        raise PromptError("messages is empty: give at least one")
    roles = [message.role for message in messages]
    if roles[-1] not in ("user", "tool"):
        raise PromptError(
            f"the last message is of role {roles[-1]}: nobody waits for an answer to it, end with"
            " one of role user or tool"
        )
    called = False
    for i, role in enumerate(roles):
        called = called or bool(messages[i].tool_calls)
        if role in ("system", "developer") and i:
            raise PromptError(f"message {i} is of role {role}: only the first may be")
        if role == "tool" and not called:
            raise PromptError(f"message {i} is of role tool, but no assistant's called one before")
    return [message.turn() for message in messages]


class ToolChoice(Checked):
    """That one tool has to be called."""

    type: Literal["function"]
    function: dict[Literal["name"], str]


class Chat(Choosing):
    """`/v1/chat/completions`: a conversation."""

    messages: Annotated[list[Message], Field(max_length=MOST_TURNS)]
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    response_format: Format = Format(type="text")
    tools: Annotated[list[Tool], Field(max_length=128)] = []
    tool_choice: Literal["none", "auto", "required"] | ToolChoice = "auto"
    truncation: Literal["auto", "disabled"] = "disabled"
    """auto = the oldest turns go where there is no room for all."""

    @property
    def offered(self) -> list[dict[str, Any]]:
        """Tools as templates print them."""
        if self.tool_choice == "none":
            return []
        return [tool.model_dump() for tool in self.tools]

    def grammar(self) -> str:
        """What the answer has to match.

        Raises:
            GrammarError: A schema cannot be followed.
            PromptError: The tool that is to be called is none of those offered.
        """
        schemas = {tool.function.name: tool.function.parameters for tool in self.tools}
        if isinstance(self.tool_choice, ToolChoice):
            name = self.tool_choice.function.get("name", "")
            if name not in schemas:
                raise PromptError(f"tool_choice names {name!r}, which is none of tools")
            return of_call({name: schemas[name]})
        if self.tool_choice == "required":
            if not schemas:
                raise PromptError("tool_choice is required, but there are no tools: give some")
            return of_call(schemas)
        return self.response_format.grammar


class TextFormat(Checked):
    """What form an answer has, in the words of the newer API."""

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["text", "json_object", "json_schema"]
    the_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class Text(Checked):
    """How the answer is written."""

    model_config = ConfigDict(extra="forbid")

    format: TextFormat = TextFormat(type="text")


class Item(Message):
    """One turn, in the words of the newer API."""

    type: Literal["message"] = "message"


class Response(Asked):
    """`/v1/responses`, stateless: the whole conversation comes with each request."""

    input: str | Annotated[list[Item], Field(max_length=MOST_TURNS)]
    instructions: str = ""
    max_output_tokens: Annotated[int, Field(ge=1)] = 1024
    text: Text = Text()
    truncation: Literal["auto", "disabled"] = "disabled"
    tool_choice: Literal["auto", "none"] = "auto"
    tools: Annotated[list[Any], Field(max_length=0)] = []

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The conversation as chat templates take it."""
        said = (
            [Item(role="user", content=self.input)] if isinstance(self.input, str) else self.input
        )
        before = [Message(role="system", content=self.instructions)] if self.instructions else []
        return turns_of([*before, *said])

    def grammar(self) -> str:
        """What the answer has to match."""
        form = self.text.format
        if form.type == "json_schema":
            if form.the_schema is None:
                raise PromptError("text.format has no schema: give it")
            return of_schema(form.the_schema)
        return "" if form.type == "text" else of_schema({"type": "object"})


class Embedding(Asked):
    """`/v1/embeddings`."""

    input: str | Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] = "float"


class Tokenize(Asked):
    """`/tokenize`."""

    model: str = ""
    prompt: str | None = None
    messages: list[Message] | None = None
    add_special_tokens: bool = True


class Detokenize(Asked):
    """`/detokenize`."""

    model: str = ""
    tokens: list[Annotated[int, Field(ge=0)]]
