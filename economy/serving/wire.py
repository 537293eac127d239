"""What a request may say: the fields of OpenAI's API that are meant here, and no others.

A field that would change an answer and is not supported is refused by its name; those that change
nothing are left out unread.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel as Checked
from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from persona.errors import PromptError
from persona.grammar import of_call, of_schema
from persona.sampling import Sampling

HARMLESS = {
    *("user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key"),
    "include",
}
"""Fields that change no answer."""
MOST_ANSWERS = 128
"""Of one request, to all of its prompts."""
MOST_TEXTS = 256
"""Of which vectors are asked at once."""
MOST_TURNS = 2048
"""Of one conversation."""
MOST_TOOLS = 128
"""Of one request."""
TEMPERATURE = 0.7
"""Where a request says none; as `continuum chat`."""


class Asked(Checked):
    """What all requests for text have in common."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=2000)]
    temperature: Annotated[float, Field(ge=0, le=2)] = TEMPERATURE
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    stream: bool = False

    @property
    def chosen(self) -> set[str]:
        """Fields of `Sampling` that the request chose itself, by their names there."""
        same = {"max_completion_tokens": "max_tokens", "max_output_tokens": "max_tokens"}
        same |= {"stop_token_ids": "stop_ids", "top_logprobs": "logprobs"}
        always = {"logprobs", "grammar", "of_prompt"}
        return always | {same.get(name, name) for name in self.model_fields_set}

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

    @model_validator(mode="before")
    @classmethod
    def _said(cls, said: Any) -> Any:
        """Without null, which says nothing."""
        is_dict = isinstance(said, dict)
        return {name: v for name, v in said.items() if v is not None} if is_dict else said


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


class Calling(Asked):
    """What requests that offer tools have in common."""

    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] = []
    tool_choice: Literal["none", "auto", "required"] | ToolChoice = "auto"
    parallel_tool_calls: bool = True

    @field_validator("tools", mode="before")
    @classmethod
    def _only_functions(cls, tools: Any) -> Any:
        """Refuse those that other servers have built in, by name."""
        kinds = [t.get("type") for t in tools if isinstance(t, dict)] if tools else []
        if others := [f"{kind!s:.40}" for kind in kinds if kind != "function"]:
            raise ValueError(
                f"of type {', '.join(others)} there are none here: send tools of type function"
            )
        return tools

    @property
    def offered(self) -> list[dict[str, Any]]:
        """Tools as templates print them."""
        if self.tool_choice == "none":
            return []
        return [tool.model_dump() for tool in self.tools]

    @property
    def most_calls(self) -> int:
        """Of tools, in one answer; 0 where none is offered."""
        if not self.offered:
            return 0
        return MOST_TOOLS if self.parallel_tool_calls else 1

    def call_grammar(self) -> str:
        """What the answer has to match where it has to be a call; empty elsewhere.

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
        if self.tool_choice != "required":
            return ""
        if not schemas:
            raise PromptError("tool_choice is required, but there are no tools: give some")
        return of_call(schemas)


class Chat(Calling, Choosing):
    """`/v1/chat/completions`: a conversation."""

    messages: Annotated[list[Message], Field(max_length=MOST_TURNS)]
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    response_format: Format = Format(type="text")
    truncation: Literal["auto", "disabled"] = "disabled"
    """auto = the oldest turns go where there is no room for all."""

    def grammar(self) -> str:
        """What the answer has to match.

        Raises:
            GrammarError: A schema cannot be followed.
            PromptError: The tool that is to be called is none of those offered.
        """
        return self.call_grammar() or self.response_format.grammar


class TextFormat(Checked):
    """What form an answer has, in the words of the newer API."""

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["text", "json_object", "json_schema"]
    the_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class Text(Checked):
    """How the answer is written."""

    model_config = ConfigDict(extra="forbid")

    format: TextFormat = TextFormat(type="text")


class ItemCall(Called):
    """A call that a model made, which is a turn's part in the older API."""


class ItemOutput(Checked):
    """What a tool gave back."""

    output: str | list[Part]


def _kind(item: Any) -> str:
    return str(item.get("type") or "message") if isinstance(item, dict) else "message"


Item = Annotated[
    Annotated[Message, Tag("message")]
    | Annotated[ItemCall, Tag("function_call")]
    | Annotated[ItemOutput, Tag("function_call_output")],
    Discriminator(_kind),
]
"""One turn or a part of one, in the words of the newer API."""


class Response(Calling):
    """`/v1/responses`, stateless: the whole conversation comes with each request."""

    input: str | Annotated[list[Item], Field(max_length=MOST_TURNS)]
    instructions: str = ""
    max_output_tokens: Annotated[int, Field(ge=1)] = 1024
    text: Text = Text()
    truncation: Literal["auto", "disabled"] = "disabled"

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, said: Any) -> Any:
        """Tools as the older API has them, where their facts lie one level deeper."""
        if not isinstance(said, dict):
            return said
        tools, choice = said.get("tools"), said.get("tool_choice")
        if isinstance(tools, list):
            said = {**said, "tools": [_deeper(tool) for tool in tools]}
        return said if choice is None else {**said, "tool_choice": _deeper(choice)}

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The conversation as chat templates take it.

        Raises:
            PromptError: As `turns_of`.
        """
        said = [Message(role="user", content=self.input)] if isinstance(self.input, str) else []
        turns = [Message(role="system", content=self.instructions)] if self.instructions else []
        for item in said or self.input:
            if isinstance(item, ItemOutput):
                turns.append(Message(role="tool", content=item.output))
            elif isinstance(item, ItemCall):  # those in a row are one turn's, with its text
                if not turns or turns[-1].role != "assistant":
                    turns.append(Message(role="assistant"))
                calls = [*(turns[-1].tool_calls or ()), Call(function=item)]
                turns[-1] = turns[-1].model_copy(update={"tool_calls": calls})
            elif isinstance(item, Message):
                turns.append(item)
        return turns_of(turns)

    @property
    def echoed(self) -> dict[str, Any]:
        """What the answer's document repeats of the tools."""
        tools = [
            {"type": "function", "strict": False, **t.function.model_dump()} for t in self.tools
        ]
        choice: Any = self.tool_choice
        if isinstance(choice, ToolChoice):
            choice = {"type": "function", **choice.function}
        calls = {"tool_choice": choice, "parallel_tool_calls": self.parallel_tool_calls}
        return {"tools": tools, **calls}

    def grammar(self) -> str:
        """What the answer has to match.

        Raises:
            GrammarError, PromptError: As `Chat.grammar`.
        """
        if call := self.call_grammar():
            return call
        form = self.text.format
        if form.type == "json_schema":
            if form.the_schema is None:
                raise PromptError("text.format has no schema: give it")
            return of_schema(form.the_schema)
        return "" if form.type == "text" else of_schema({"type": "object"})


def _deeper(said: Any) -> Any:
    if not isinstance(said, dict) or said.get("type") != "function":
        return said
    return {"type": "function", "function": {k: v for k, v in said.items() if k != "type"}}


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
