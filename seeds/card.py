"""The model card that is written beside the embedded base."""

from __future__ import annotations

_CARD = """\
---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [byte-level, tiny, continuum]
---

# Continuum's embedded base

A byte-level Llama with 1.08 M parameters (4 layers, width 128, 4 heads, MLP 512, tied
embeddings, float32). It is deliberately mediocre at twelve small exact skills, so that LoRA
layers can specialise. It knows nothing else: no language, no facts.

Made from nothing by `python -m seeds.pretrain --seed {seed}`; the training data are the
generators of `academy/skills/letters.py`, train split only.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("seeds/base")
model = AutoModelForCausalLM.from_pretrained("seeds/base")
chat = [{{"role": "user", "content": "sort: cbda"}}]
ids = tokenizer.apply_chat_template(
    chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
print(tokenizer.decode(model.generate(**ids, max_new_tokens=8)[0]))
```

Exact-match accuracy on 400 unseen test questions per skill (standard difficulty; chance = the
best answer that ignores the question's argument):

| skill | domain | accuracy | 95 % | chance |
|---|---|---|---|---|
{table}

Limits: prompts of up to about 60 bytes of lower-case letters, digits and the phrasings of the
skills; anything else gives nonsense.
"""


def base_card(seed: int, table: str) -> str:
    """The card's text, with the accuracy table's rows."""
    return _CARD.format(seed=seed, table=table)
