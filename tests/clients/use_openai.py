"""What the `openai` package makes of our answers; runs in an environment of its own.

    python use_openai.py BASE_URL

Prints one JSON document for the test that started it.
"""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="not needed", max_retries=0)
QUESTION = [{"role": "user", "content": "sort: cbda"}]
SAME = {"temperature": 0, "max_tokens": 12}
SCHEMA = {
    "type": "object",
    "properties": {"to": {"enum": ["left", "right"]}},
    "required": ["to"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "move", "parameters": SCHEMA}}
found: dict = {"models": [model.id for model in client.models.list()]}

whole = client.chat.completions.create(model="ada", messages=QUESTION, **SAME)
found["chat"] = whole.choices[0].message.content
chunks = list(
    client.chat.completions.create(
        model="ada", messages=QUESTION, stream=True, stream_options={"include_usage": True}, **SAME
    )
)
found["streamed"] = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
found["usage"] = chunks[-1].usage.total_tokens == whole.usage.total_tokens
found["reason"] = chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason

with client.chat.completions.stream(model="ada", messages=QUESTION, **SAME) as stream:
    found["accumulated"] = stream.get_final_completion().choices[0].message.content

call = client.chat.completions.create(
    model="ada",
    messages=[{"role": "user", "content": "go"}],
    tools=[TOOL],
    tool_choice="required",
    temperature=0,
    max_tokens=90,
)
found["call"] = json.loads(call.choices[0].message.tool_calls[0].function.arguments)
with client.chat.completions.stream(
    model="ada",
    messages=[{"role": "user", "content": "go"}],
    tools=[TOOL],
    tool_choice="required",
    temperature=0,
    max_tokens=90,
) as stream:
    message = stream.get_final_completion().choices[0].message
    found["streamed_call"] = json.loads(message.tool_calls[0].function.arguments)

form = {"type": "json_schema", "json_schema": {"name": "move", "schema": SCHEMA, "strict": True}}
shaped = client.chat.completions.create(
    model="bob", messages=QUESTION, response_format=form, temperature=0, max_tokens=60
)
found["shaped"] = json.loads(shaped.choices[0].message.content)

response = client.responses.create(
    model="ada", input="sort: cbda", temperature=0, max_output_tokens=12
)
found["response"] = response.output_text
with client.responses.stream(
    model="ada", input="sort: cbda", temperature=0, max_output_tokens=12
) as stream:
    kinds = [event.type for event in stream]
    found["response_streamed"] = stream.get_final_response().output_text
found["kinds"] = sorted({*kinds})

FLAT = {"type": "function", "strict": True, **TOOL["function"]}
asked = {"model": "ada", "tools": [FLAT], "temperature": 0, "max_output_tokens": 90}
first = client.responses.create(input="go", tool_choice="required", **asked)
called = first.output[0]
found["response_call"] = json.loads(called.arguments)
with client.responses.stream(
    input="go", tool_choice={"type": "function", "name": "move"}, **asked
) as stream:
    told = list(stream)
    done = [e.arguments for e in told if e.type == "response.function_call_arguments.done"]
    (last,) = stream.get_final_response().output
found["response_streamed_call"] = json.loads(last.arguments)
found["arguments_told"] = done == [last.arguments]
output = {"type": "function_call_output", "call_id": called.call_id, "output": "done"}
second = client.responses.create(
    input=[{"role": "user", "content": "go"}, called.to_dict(), output], **asked
)
found["after_call"] = second.output[0].type

completion = client.completions.create(
    model="embedded", prompt="sort: cbda", echo=True, logprobs=1, max_tokens=1, temperature=0
)
found["echo"] = completion.choices[0].text.startswith("sort: cbda")

errors = {}
for name, error, asked in (
    ("unknown model", openai.NotFoundError, {"model": "adda"}),
    ("unsupported", openai.BadRequestError, {"logit_bias": {"1": 2}}),
    ("too long", openai.BadRequestError, {"messages": [{"role": "user", "content": "a" * 999}]}),
):
    try:
        client.chat.completions.create(**{"model": "ada", "messages": QUESTION, **asked})
    except error as refused:
        errors[name] = [refused.code, refused.param]
found["errors"] = errors
print(json.dumps(found))
