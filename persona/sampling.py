"""How the next token is chosen, and where an answer ends.

Truncation and penalties are those of transformers, applied in its order: repetition, then presence
and frequency (OpenAI's: of what the answer has said itself), temperature, top-k, top-p, min-p.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import BaseModel as Checked
from pydantic import ConfigDict, Field
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from persona.errors import NoNumbersError
from persona.grammar import Matcher


class Sampling(Checked):
    """What a request may choose; as it stands, greedy and without penalties.

    Raises:
        pydantic.ValidationError: A value is out of its bounds; it names which.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: Annotated[int, Field(ge=1)] = 64
    """Tokens of the answer at most; fewer where the base's positions end."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0 = always the likeliest."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Only the k likeliest; 0 = all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Only the fewest likeliest that have this much of the probability together."""
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Only those with this share of the likeliest's probability."""
    repetition_penalty: Annotated[float, Field(ge=0.01, le=10)] = 1.0
    """Divides the logits of tokens that stand in the prompt or the answer."""
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    """Taken off the logits of tokens that the answer has said."""
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    """Taken off for each time that it has."""
    seed: Annotated[int | None, Field(ge=0, lt=1 << 63)] = None
    """The same seed chooses the same tokens, whoever else is being answered."""
    stop: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    """Texts before which the answer ends."""
    stop_ids: frozenset[int] = frozenset()
    """Tokens before which it ends, besides the base's ends of turn."""
    logprobs: Annotated[int | None, Field(ge=0, le=20)] = None
    """Whether each token comes with its log-probability, and with so many others'."""
    of_prompt: bool = False
    """Whether those of the prompt's tokens are told, too, before the first of the answer."""
    grammar: str = ""
    """What the answer has to match, as `persona.grammar` writes it; empty = anything."""


GREEDY = Sampling()
COLD = 1e-4
"""Temperature below which the likeliest is chosen: scores divided by less are no numbers."""


class Said(NamedTuple):
    """A token of an answer."""

    token: int
    """-1 where another program tells texts alone."""
    logprob: float | None = None
    """In nats, as the model has it: before penalties, temperature and truncation."""
    likeliest: tuple[tuple[int, float], ...] = ()
    """Tokens and their log-probabilities, likeliest first."""
    text: str = ""
    """What can be shown with it; what may yet become a character or a stop comes later."""


class Read(NamedTuple):
    """The prompt as the model reads it, where `Sampling.of_prompt` asks."""

    tokens: tuple[Said, ...]
    """In order; the first has no log-probability, for nothing stands before it."""
    text: str = ""
    """None of it belongs to the answer."""


class Ended(NamedTuple):
    """That an answer is over."""

    reason: Literal["stop", "length"]
    """`stop` = it came to its end, or to a text to stop at; `length` = there was no more room."""
    text: str = ""
    """What had been held back."""
    token: Said | None = None
    """The end of turn, where the model said one."""
    n_prompt: int = 0
    """Tokens of the prompt, where another program read and counted them."""
    n_said: int = 0
    """Tokens of the answer, where another program counted them."""


class Sampler:
    """Chooses one answer's tokens, one after the other."""

    def __init__(
        self, sampling: Sampling, prompt: Sequence[int], matcher: Matcher | None = None
    ) -> None:
        """
        Args:
            matcher: Of the sampling's grammar, at its beginning.
        """
        self.sampling = sampling
        self.matcher = matcher
        self.ids = list(prompt)
        """Tokens of the prompt, and of the answer so far."""
        self._said: Counter[int] = Counter()
        self._generator = torch.Generator()
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)
        penalty, self._warped = sampling.repetition_penalty, LogitsProcessorList()
        self._repetition = RepetitionPenaltyLogitsProcessor(penalty) if penalty != 1 else None
        self._is_greedy = sampling.temperature < COLD
        if not self._is_greedy:
            self._warped.append(TemperatureLogitsWarper(sampling.temperature))
            if sampling.top_k:
                self._warped.append(TopKLogitsWarper(sampling.top_k))
            if sampling.top_p < 1:
                self._warped.append(TopPLogitsWarper(sampling.top_p))
            if sampling.min_p:
                self._warped.append(MinPLogitsWarper(sampling.min_p))

    def choose(self, logits: torch.Tensor) -> Said:
        """The next token.

        Args:
            logits: (vocabulary,)
        """
        logits = logits.float()
        if not math.isfinite(float(logits.max())):
            raise NoNumbersError
        scores = self._penalised(logits)
        if self.matcher:
            scores = scores.masked_fill(~self.matcher.allowed(len(scores)), -torch.inf)
        token = self._chosen(scores[None])
        if self.matcher:
            self.matcher.take(token)
        self.ids.append(token)
        self._said[token] += 1
        return self.read([token], logits[None])[0]

    def read(self, tokens: Sequence[int], logits: torch.Tensor) -> list[Said]:
        """These tokens with what is asked of their log-probabilities.

        Args:
            logits: (n_tokens, vocabulary), each row that which its token was chosen from.
        """
        if self.sampling.logprobs is None or not tokens:
            return [Said(token) for token in tokens]
        all_of_them = logits.float().log_softmax(-1)
        values, ids = all_of_them.topk(self.sampling.logprobs)
        own = all_of_them[range(len(tokens)), tokens].tolist()
        likeliest = (
            tuple(zip(*pair, strict=True))
            for pair in zip(ids.tolist(), values.tolist(), strict=True)
        )
        return [Said(*facts) for facts in zip(tokens, own, likeliest, strict=True)]

    def _penalised(self, logits: torch.Tensor) -> torch.Tensor:
        if self._repetition:
            ids = torch.tensor([self.ids])
            logits = self._repetition(ids, logits[None].clone())[0]
        presence, frequency = self.sampling.presence_penalty, self.sampling.frequency_penalty
        if self._said and (presence or frequency):
            ids, times = (
                torch.tensor(list(part)) for part in zip(*self._said.items(), strict=True)
            )
            logits = logits.index_add(0, ids, -(presence + frequency * times))
        return logits

    def _chosen(self, scores: torch.Tensor) -> int:
        if self._is_greedy:
            return int(scores.argmax())
        ids: Any = torch.tensor([self.ids])
        probabilities = self._warped(ids, scores).softmax(-1)
        return int(torch.multinomial(probabilities, 1, generator=self._generator))


class Spoken:
    """The text of an answer as its tokens come."""

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = [text for text in stop if text]
        self._ids: list[int] = []
        self._before = self._read = 0
        """Tokens before these have their text; those before the first were let go."""
        self._held = ""
        self.stopped = False
        """Whether a text to stop at has come; from then on nothing is said."""

    def add(self, token: int) -> str:
        """What can be shown with this token; held back is what may become a character or a stop."""
        self._ids.append(token)
        if not (new := self._new()).endswith("\N{REPLACEMENT CHARACTER}"):
            self._before, self._read = self._read, len(self._ids)
            self._held += new
        return self._shown(max((_overlap(self._held, text) for text in self._stop), default=0))

    def rest(self) -> str:
        """What was held back, now that nothing more comes."""
        self._held += self._new()
        self._read = len(self._ids)
        return self._shown(0)

    def _new(self) -> str:
        """Text that tokens add to those before them, which may change how they are written."""
        known = self._tokenizer.decode(self._ids[self._before : self._read])
        return str(self._tokenizer.decode(self._ids[self._before :]))[len(known) :]

    def _shown(self, n_held: int) -> str:
        if self.stopped:
            return ""
        found = [at for text in self._stop if (at := self._held.find(text)) >= 0]
        self.stopped = bool(found)
        n = min(found) if found else len(self._held) - n_held
        shown, self._held = self._held[:n], self._held[n:]
        return shown


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of a text with which a stop may have begun."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
