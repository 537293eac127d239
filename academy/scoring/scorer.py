"""What answers are worth: those that are given, in one forward pass, and those that are written.

Under teacher forcing a model's answer is right as long as the right token is its arg-max; where it
first is not says whether the text can still be right in other tokens (`genome.spelling`).
Options of a multiple-choice question are compared by log-likelihood.
What scoring may cost at most is known before it is done: forward tokens, padding included.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from academy.challenge import Challenge, prompts_and_answers
from academy.errors import ExamFailedError, ScoringRefusedError, cause_of
from academy.scoring.rule import KINDS, LIKELIHOOD, WRITTEN, Kind, Scorer, rule_of
from genome.base_model import IGNORED, BaseModel, Rows
from genome.errors import NoRoomError

KEPT_CAUSES = 20


@dataclass(slots=True)
class Failures:
    """Scorings that went wrong: how many, and what the first of them said."""

    count: int = 0
    causes: list[str] = field(default_factory=list)
    """At most KEPT_CAUSES, each one line."""
    last: str = ""
    """The cause of the newest failure here, without its question; else what others say."""

    def add(self, challenge: Challenge, error: BaseException) -> None:
        """Count one challenge that could not be scored."""
        self.last = cause_of(error)
        self.merge(1, [f"{challenge.skill} {challenge.prompt[:60]!r}: {self.last}"])

    def refuse_most(self, n_failed: int, n_asked: int) -> None:
        """Let a result stand only if at most half of its answers could not be scored.

        Raises:
            ExamFailedError: With the last cause; what fails most of an exam fails all alike.
        """
        if n_failed * 2 > n_asked:
            raise ExamFailedError(
                f"{n_failed} of {n_asked} answers could not be scored ({self.last}), so that "
                "there is no result: remove the cause and ask again"
            )

    def merge(self, count: int, causes: list[str]) -> None:
        """Take over what another process counted."""
        self.count += count
        self.causes += causes[: KEPT_CAUSES - len(self.causes)]
        self.last = self.last or "".join(causes[-1:])


def guarded(scorer: Scorer, failures: Failures) -> Scorer:
    """A scorer that gives 0.0, and counts it, where the one given raises or leaves [0, 1].

    What refuses to score at all, such as code questions without a sandbox, still raises.
    """

    def score(challenge: Challenge, response: str) -> float:
        try:
            worth = float(scorer(challenge, response))
            if not 0.0 <= worth <= 1.0:  # also true for nan
                raise ValueError(f"a score of {worth} is outside [0, 1]")
        except ScoringRefusedError:
            raise
        except Exception as error:
            failures.add(challenge, error)
            return 0.0
        return worth

    return score


def most_tokens(
    base: BaseModel,
    challenges: Sequence[Challenge],
    max_new_tokens: Mapping[Kind, int],
    written: Collection[Kind] = WRITTEN,
) -> int:
    """Forward tokens of one genome on these challenges, unless scoring one of them fails.

    Args:
        written: Kinds that are answered in writing (`LocalEvaluator.scorers`).
    """
    total = 0
    for kind in KINDS:
        some = [challenge for challenge in challenges if rule_of(challenge).kind == kind]
        if not some:
            continue
        if kind in written:
            total += _written_tokens(base, some, max_new_tokens[kind])
        elif kind in LIKELIHOOD:
            total += base.rows(*option_rows(some)[:2]).n_tokens
        else:
            total += base.rows(*prompts_and_answers(some)).n_tokens
            open_ = [challenge for challenge in some if not base.spelling.once(challenge.answer)]
            if open_:
                total += _written_tokens(base, open_, room_for(open_))
    return total


def _written_tokens(base: BaseModel, some: Sequence[Challenge], room: int) -> int:
    width = max(map(len, base.prompt_ids([challenge.prompt for challenge in some])))
    return len(some) * (width + room - 1)


def room_for(challenges: Sequence[Challenge]) -> int:
    """Tokens that any spelling of the right answers takes at most: a byte each, and an end."""
    longest = max(len(c.answer.encode(errors="surrogatepass")) for c in challenges)
    return longest + 2  # some tokenizers write a space first that no text shows


def refusal(base: BaseModel, challenge: Challenge) -> NoRoomError | None:
    """Why the base cannot be asked a question, or write a first token of its answer, if so."""
    prompt = challenge.prompt
    if rule_of(challenge).kind in WRITTEN:
        return base.refusal(prompt, len(base.prompt_ids([prompt])[0]) + 1, 1)
    answers = challenge.choices or (challenge.answer,)
    most = [len(text.encode(errors="surrogatepass")) + 1 for text in (prompt, *answers)]
    n_bytes = most[0] + max(most[1:]) + base.frame  # a token is one byte or more
    if base.refusal(prompt, n_bytes, max(most[1:])) is None:
        return None
    longest = max(len(ids) for ids in base.answer_ids(answers))
    return base.refusal(prompt, len(base.prompt_ids([prompt])[0]) + longest - 1, longest)


def option_rows(challenges: Sequence[Challenge]) -> tuple[list[str], list[str], list[int]]:
    """Every option as a question-and-answer row.

    Returns:
        Prompts, options, and for each challenge its number of options.
    """
    prompts = [c.prompt for c in challenges for _ in c.choices]
    options = [option for c in challenges for option in c.choices]
    return prompts, options, [len(c.choices) for c in challenges]


def choice_hits(challenges: Sequence[Challenge], losses: np.ndarray) -> np.ndarray:
    """1.0 where the right option is strictly the likeliest, (n_challenges,) float.

    A tie is no answer, so that a model to which all options are alike scores 0 and not 1.

    Args:
        losses: Mean negative log-likelihood per token of every option in turn, (n_options,).
            NaN is taken as impossible.
    """
    finite = np.where(np.isnan(losses), np.inf, losses)
    starts = np.cumsum([0] + [len(c.choices) for c in challenges])
    return np.array(
        [
            _likeliest_is_right(challenge, finite[start : start + len(challenge.choices)])
            for challenge, start in zip(challenges, starts, strict=False)
        ],
        dtype=np.float64,
    )


def _likeliest_is_right(challenge: Challenge, losses: np.ndarray) -> float:
    right = challenge.choices.index(challenge.answer)
    others = np.delete(losses, right)
    return float(losses[right] < others.min())


def first_slips(base: BaseModel, rows: Rows) -> np.ndarray:
    """Where greedy decoding first leaves each right answer's tokens, (n_rows, 2) int64.

    Tokens that were right before, and the token said instead; (-1, -1) where it never does. At the
    end of the answer, one token that ends a turn is as good as another.
    """
    logits, labels = _at_answers(base, rows)
    said, asked = logits.argmax(-1), labels != IGNORED  # (n_rows, n_columns)
    place = asked.cumsum(1) - 1
    at_end = asked & (place == asked.sum(1, keepdim=True) - 1)
    ended = at_end & torch.isin(said, torch.tensor(base.spelling.ends))
    slipped = asked & (said != labels) & ~ended
    first = slipped.int().argmax(1, keepdim=True)
    slips = torch.cat([place.gather(1, first), said.gather(1, first)], 1)
    slips[~slipped.any(1)] = -1
    return np.asarray(slips.numpy())


def option_losses(base: BaseModel, rows: Rows) -> np.ndarray:
    """Negative log-likelihood of every row's answer, its end left out, in nats, (n_rows,) float."""
    rows = without_end(rows)
    n_tokens = (rows.labels != IGNORED).sum(1)
    return np.asarray(answer_losses(base, rows) * n_tokens.numpy())


def answer_losses(base: BaseModel, rows: Rows) -> np.ndarray:
    """Mean negative log-likelihood per answer token of every row, in nats, (n_rows,) float."""
    logits, labels = _at_answers(base, rows)
    losses = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    ).view(labels.shape)
    n_tokens = (labels != IGNORED).sum(1)
    return np.asarray((losses.sum(1) / n_tokens).numpy(), dtype=np.float64)


def without_end(rows: Rows) -> Rows:
    """The same rows with the end-of-sequence token after each answer left unscored."""
    labels = rows.labels.clone()
    places = torch.arange(labels.shape[1]).expand_as(labels)
    last = places.masked_fill(labels == IGNORED, -1).amax(1)
    labels[torch.arange(len(labels)), last] = IGNORED
    return replace(rows, labels=labels)


def _at_answers(base: BaseModel, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels at the answer positions (see `BaseModel.scored_places`)."""
    places, labels = base.scored_places(rows.labels)
    output = base.model(
        input_ids=rows.input_ids,
        past_key_values=rows.past,
        use_cache=rows.past is not None,
        logits_to_keep=places,
    )
    return output.logits, labels
