"""What `litellm` makes of our answers; runs in an environment of its own.

    python use_litellm.py BASE_URL

Prints one JSON document for the test that started it.
"""

import json
import sys

import litellm

litellm.suppress_debug_info = True
same = {
    "model": "openai/ada",
    "api_base": sys.argv[1],
    "api_key": "not needed",
    "messages": [{"role": "user", "content": "sort: cbda"}],
    "temperature": 0,
    "max_tokens": 12,
}
found = {"chat": litellm.completion(**same).choices[0].message.content}
chunks = litellm.completion(**same, stream=True)
found["streamed"] = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
try:
    litellm.completion(**{**same, "model": "openai/adda"})
except litellm.NotFoundError as refused:
    found["refused"] = "did you mean ada" in str(refused)
print(json.dumps(found))
