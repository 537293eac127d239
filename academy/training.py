"""Gradient steps for many layers at once: one backward pass trains a whole litter.

Every slot has its own rows, its own loss, its own clipping and (AdamW works element by element)
its own optimiser state, so what a layer learns does not depend on its litter mates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch.utils.checkpoint import checkpoint

from genome.base_model import IGNORED, BaseModel, Rows, answer_places, cut_by_length
from genome.errors import TooLargeError
from genome.genome import Genome
from genome.layer import Layer
from genome.memory import allowed, returned_at_once
from genome.opening import without_opening
from genome.population import PopulationModel
from genome.running.halves import run_body, run_head

BETAS = (0.9, 0.99)
CLIP_NORM = 1.0
STEP_BYTES, WIDE_STEP_BYTES = 8 << 30, 1 << 30
"""What rows that go together take at most, if so much is allowed; with a large vocabulary.

As with batches of questions: on a small base all ordinary steps stay in one piece.
"""
LOGIT_BYTES = 64 << 20
"""What the logits of one piece of a loss take: small beside a block's activations."""


@dataclass(slots=True)
class TokenMeter:
    """Tokens computed so far, padding included: the budget every method is compared under."""

    forward: int = 0
    backward: int = 0
    """Tokens that went forward and backward (counted here only, not in `forward`)."""

    @property
    def equivalents(self) -> int:
        """Forward passes' worth of work: forward 1, forward + backward 3."""
        return self.forward + 3 * self.backward


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """How a layer is trained: the rate goes linearly from one value to another over the steps."""

    steps: int
    rows_per_step: int
    learning_rate: float
    pull: float = 0.0
    """Weight of the squared distance to the update a layer starts from; 0 lets it go anywhere."""
    final_rate: float = 0.0
    """The rate after the last step; above 0 in a study that goes on later."""

    @property
    def n_rows(self) -> int:
        """Rows that one layer studies in all."""
        return self.steps * self.rows_per_step


Tick = Callable[[int, int], None]
"""Told how many of how many steps are done."""


def train_litter(
    base: BaseModel,
    layers: Sequence[Layer],
    studies: Sequence[Rows],
    plan: StudyPlan,
    tokens: TokenMeter,
    *,
    rates: Sequence[float] | None = None,
    below: Sequence[Genome] | None = None,
    tick: Tick | None = None,
) -> list[Layer]:
    """Train every layer on its own rows, all in one batch; the inputs are left unchanged.

    Args:
        studies: For each layer, (plan.n_rows, n_positions) rows in the order of study.
        rates: A learning rate for each layer instead of the plan's.
        below: A genome under each layer that runs with it and is not trained.
        tokens: Is charged with every position that goes forward and backward.
        tick: Told after every step how many of how many are done.

    Returns:
        The trained layers, in the order given.
    """
    population, course = _course(base, layers, studies, plan, rates, below)
    course.run(tokens, tick)
    return [_unstack(layer, population, slot) for slot, layer in enumerate(layers)]


def train_on(
    base: BaseModel,
    layer: Layer,
    study: Rows,
    plan: StudyPlan,
    tokens: TokenMeter,
    moments: Moments | None = None,
) -> tuple[Layer, Moments]:
    """Train one layer and keep the optimiser's memory, so that the study can go on later.

    A study in stretches, each with the moments of the one before, is the study in one piece.
    """
    population, course = _course(base, [layer], [study], plan, None, None)
    steps = 0
    if moments is not None:
        steps = moments.steps
        course.remember(
            _parameters_of(base, moments.mean), _parameters_of(base, moments.square), steps
        )
    course.run(tokens)
    mean, square = (_like(population, layer, part) for part in course.memory())
    return _unstack(layer, population, 0), Moments(mean, square, steps + plan.steps)


@dataclass(frozen=True)
class Moments:
    """AdamW's running means of a layer's gradient and of its square, in the layer's own shape."""

    mean: Layer
    square: Layer
    steps: int
    """Steps taken so far, for the bias correction."""


class _Course:
    """The steps of one litter, with their optimiser."""

    def __init__(
        self,
        base: BaseModel,
        population: PopulationModel,
        data: tuple[torch.Tensor, torch.Tensor],
        plan: StudyPlan,
        slot_rates: torch.Tensor,
        trained: Sequence[torch.Tensor] | None,
        tether: Tether | None,
    ) -> None:
        self.base, self.population, self.plan = base, population, plan
        self.input_ids, self.labels = data
        self.slot_rates, self.trained, self.tether = slot_rates, trained, tether
        self.parameters = population.parameters()
        self.optimizer = torch.optim.AdamW(self.parameters, 1.0, betas=BETAS, weight_decay=0.0)

    def remember(
        self, mean: Sequence[torch.Tensor], square: Sequence[torch.Tensor], steps: int
    ) -> None:
        """Give the optimiser the memory of an earlier course."""
        for parameter, m, v in zip(self.parameters, mean, square, strict=True):
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(steps)),
                "exp_avg": m,
                "exp_avg_sq": v,
            }

    def memory(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The optimiser's memory, in the order of the parameters."""
        states = [self.optimizer.state[parameter] for parameter in self.parameters]
        return [s["exp_avg"] for s in states], [s["exp_avg_sq"] for s in states]

    def run(self, tokens: TokenMeter, tick: Tick | None = None) -> None:
        """All steps of the plan."""
        plan = self.plan
        n_slots = self.population.n_slots
        row_slots = [slot for slot in range(n_slots) for _ in range(plan.rows_per_step)]
        self.population.train(True)
        for step in range(plan.steps):
            part = slice(step * plan.rows_per_step, (step + 1) * plan.rows_per_step)
            x, y = self.input_ids[:, part].flatten(0, 1), self.labels[:, part].flatten(0, 1)
            width = _width(y)
            x, y = x[:, :width], y[:, :width]
            self._backward(x, y, row_slots)
            if self.trained is not None:
                _keep_below(self.parameters, self.trained)
            _clip_slots(self.parameters)
            done = step / plan.steps
            rates = self.slot_rates * (1 - done) + plan.final_rate * done
            _step(self.optimizer, self.parameters, rates)
            tokens.backward += x.numel()
            if tick is not None:
                tick(step + 1, plan.steps)
        self.population.train(False)

    def _backward(self, x: torch.Tensor, y: torch.Tensor, row_slots: Sequence[int]) -> None:
        """Gradients of one step; by length in parts where its rows do not fit into memory."""
        parts, recomputed = self._parts(x, y)
        if len(parts) == 1 and not (recomputed or self.base.is_wide):
            with half_precision(), self.population.rows(row_slots):
                logits = self.base.model(input_ids=x, use_cache=False).logits
            loss = _slot_losses(logits.float(), y, self.population.n_slots).sum()
            (loss if self.tether is None else loss + self.tether.penalty()).backward()
            return
        answered = (y.reshape(self.population.n_slots, -1) != IGNORED).sum(1)
        for part in parts:
            part.sort()  # a genome's rows side by side
            slots, width = [row_slots[i] for i in part], _width(y[part])
            again = _recomputing(_blocks(self.base) if recomputed else [])
            rows = Rows(x[part, :width], y[part, :width])
            with half_precision():
                if self.base.is_wide and not recomputed:
                    rows, _ = without_opening(self.population, slots, rows)
                with self.population.rows(slots), again:
                    self._part_backward(rows, answered[slots])
        if self.tether is not None:
            self.tether.penalty().backward()

    def _part_backward(self, rows: Rows, answered: torch.Tensor) -> None:
        """Gradients of rows that go together; the logits of few positions at a time.

        Of each piece the gradient by its hidden states is kept, and all of them go back through
        the body at once.
        """
        model = self.base.model
        output = run_body(model, rows.input_ids, rows.past)
        places, labels = answer_places(rows.labels)
        states = output.last_hidden_state.take_along_dim(places[..., None], 1)
        gradient = torch.empty_like(states)
        column_bytes = 4 * len(labels) * self.base.footprint.vocabulary
        at_once = max(1, LOGIT_BYTES // column_bytes)
        for start in range(0, labels.shape[1], at_once):
            part = slice(start, start + at_once)
            piece = states[:, part].detach().requires_grad_()
            logits = run_head(model, output, piece).float()
            _slot_losses(logits, labels[:, part], len(labels), answered).sum().backward()
            gradient[:, part] = piece.grad
        states.backward(gradient)

    def _parts(self, x: torch.Tensor, y: torch.Tensor) -> tuple[list[list[int]], bool]:
        """Rows that go together, by their places; and whether activations are not to be kept.

        Raises:
            TooLargeError: A row takes more than is allowed even alone, and recomputed.
        """
        n_rows, width = y.shape
        recomputed = self._taken(1, width) > allowed() and bool(_blocks(self.base))
        least = self._taken(1, width, recomputed)
        if least > allowed():
            longest = x[max(range(n_rows), key=lambda i: _width(y[i]))]
            raise TooLargeError(self.base.tokenizer.decode(longest), least, allowed())
        room = min(WIDE_STEP_BYTES if self.base.is_wide else STEP_BYTES, allowed())

        def fit(n_rows: int, width: int, _: int) -> bool:
            return self._taken(n_rows, width, recomputed) <= room

        if fit(n_rows, width, 0):
            return [list(range(n_rows))], recomputed
        return cut_by_length([(_width(row), 0) for row in y], fit), recomputed

    def _taken(self, n_rows: int, width: int, recomputed: bool = False) -> int:
        """Bytes of rows that go together; their logits are all there, or a piece of them."""
        each = self.base.footprint
        if not self.base.is_wide:
            return n_rows * each.training(width, width, recomputed=recomputed)
        pieces = 3 * max(LOGIT_BYTES, 4 * n_rows * each.vocabulary)
        return n_rows * each.training(width, 0, recomputed=recomputed) + pieces


@contextmanager
def _recomputing(blocks: Sequence[torch.nn.Module]) -> Iterator[None]:
    """Within: these keep their inputs only and are computed again going back.

    The library's own switch works in training mode alone, which would bring dropout with it.
    """
    if not blocks:
        yield
        return
    for block in blocks:
        block.__dict__["forward"] = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        with returned_at_once():
            yield
    finally:
        for block in blocks:
            del block.__dict__["forward"]


def _blocks(base: BaseModel) -> list[torch.nn.Module]:
    """What a model is stacked of; none if its architecture cannot be computed again."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [m for m in base.model.modules() if isinstance(m, GradientCheckpointingLayer)]


def trained_positions(base: BaseModel, studies: Sequence[Rows], plan: StudyPlan) -> int:
    """Positions that training these studies in one litter goes over, padding included."""
    _, labels = _pad_together(base, studies)
    widths = [
        _width(labels[:, step * plan.rows_per_step : (step + 1) * plan.rows_per_step])
        for step in range(plan.steps)
    ]
    return len(studies) * plan.rows_per_step * sum(widths)


def _width(labels: torch.Tensor) -> int:
    """Positions up to the last answer token of any row."""
    return int((labels.reshape(-1, labels.shape[-1]) != IGNORED).any(0).nonzero().max()) + 1


def _course(
    base: BaseModel,
    layers: Sequence[Layer],
    studies: Sequence[Rows],
    plan: StudyPlan,
    rates: Sequence[float] | None,
    below: Sequence[Genome] | None,
) -> tuple[PopulationModel, _Course]:
    population = PopulationModel(base.model)
    under = below or [Genome(base.fingerprint)] * len(layers)
    population.load([_on_top(layer, genome) for layer, genome in zip(layers, under, strict=True)])
    trained = population.own_parts([_ranks(layer) for layer in layers])
    tether = Tether(population, trained, plan.pull) if plan.pull else None
    slot_rates = torch.tensor(rates or [plan.learning_rate] * len(layers))[:, None, None]
    data = _pad_together(base, studies)
    frozen = trained if below is not None else None
    return population, _Course(base, population, data, plan, slot_rates, frozen, tether)


def _parameters_of(base: BaseModel, layer: Layer) -> list[torch.Tensor]:
    """A layer's numbers stacked as a population's parameters are."""
    population = PopulationModel(base.model)
    population.load([Genome.of(layer)])
    return population.parameters()


def _like(population: PopulationModel, template: Layer, parts: Sequence[torch.Tensor]) -> Layer:
    """Tensors in the order of the population's parameters, as a layer of the template's shape."""
    own = population.parameters()
    kept = [tensor.detach().clone() for tensor in own]
    try:
        for tensor, part in zip(own, parts, strict=True):
            tensor.detach().copy_(part)
        return _unstack(template, population, 0)
    finally:
        for tensor, old in zip(own, kept, strict=True):
            tensor.detach().copy_(old)


class Tether:
    """Pulls every slot's update back to where it began: `pull * ||delta - delta_0||^2`.

    Squared Frobenius norms of differences come from Gram products of the factors, so that no
    dense matrix is formed: `<AB, CD> = sum((A'C) * (B D'))`.
    """

    def __init__(
        self, population: PopulationModel, trained: Sequence[torch.Tensor], pull: float
    ) -> None:
        self.pull = pull
        parts = iter(zip(population.parameters(), trained, strict=True))
        self._pairs = []
        for columns in population.siblings():
            a, a_own = next(parts)
            for column in columns:
                b, b_own = next(parts)
                mask = a_own[..., column]
                start = (a.detach()[..., column] * mask).clone(), (b.detach() * b_own).clone()
                self._pairs.append((a, column, mask, b, b_own, start))

    def penalty(self) -> torch.Tensor:
        """The sum over slots, a scalar with gradient."""
        total = torch.zeros(())
        for a, column, mask, b, b_own, (a0, b0) in self._pairs:
            a1, b1 = a[..., column] * mask, b * b_own
            own = ((a1.mT @ a1) * (b1 @ b1.mT)).sum()
            both = ((a1.mT @ a0) * (b1 @ b0.mT)).sum()
            first = ((a0.mT @ a0) * (b0 @ b0.mT)).sum()
            total = total + own - 2 * both + first
        return self.pull * total


def _on_top(layer: Layer, below: Genome) -> Genome:
    """The trained layer and what lies under it; its factors come first in the slot."""
    return Genome(layer.base_model, (layer, *below.layers), (1.0, *below.weights))


def _ranks(layer: Layer) -> dict[str, int]:
    return {module: factors.a.shape[0] for module, factors in layer.factors.items()}


def _keep_below(parameters: Sequence[torch.Tensor], trained: Sequence[torch.Tensor]) -> None:
    """No gradient for what is not trained; AdamW without decay then leaves it as it is."""
    for parameter, own in zip(parameters, trained, strict=True):
        if parameter.grad is not None:
            parameter.grad.mul_(own)


def half_precision() -> torch.autocast:
    """bfloat16 matrix products in training where the processor has them, else float32.

    Measured on two cores with AVX512-BF16: 46,000 instead of 21,500 tokens a second. Factors,
    optimiser state and every score stay float32.
    """
    supported = bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=supported)


def _pad_together(base: BaseModel, studies: Sequence[Rows]) -> tuple[torch.Tensor, torch.Tensor]:
    """All rows in one block each of ids and labels, (n_layers, n_rows, n_positions)."""
    width = max(rows.input_ids.shape[1] for rows in studies)
    pad = base.tokenizer.pad_token_id

    def widen(tensor: torch.Tensor, value: int) -> torch.Tensor:
        return torch.nn.functional.pad(tensor, (0, width - tensor.shape[1]), value=value)

    ids = torch.stack([widen(rows.input_ids, pad) for rows in studies])
    labels = torch.stack([widen(rows.labels, IGNORED) for rows in studies])
    return ids, labels


def _slot_losses(
    logits: torch.Tensor, labels: torch.Tensor, n_slots: int, answered: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean cross-entropy per slot over its answer tokens, (n_slots,).

    Args:
        answered: Answer tokens to divide by, where these are not all rows of a slot.
    """
    flat = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    if answered is None:
        answered = (labels.reshape(n_slots, -1) != IGNORED).sum(1)
    return flat.view(n_slots, -1).sum(1) / answered


def _unstack(template: Layer, population: PopulationModel, slot: int) -> Layer:
    """One slot's factors as a layer; padding beyond the layer's own rank is dropped."""
    factors = {
        module: population.factors(module, slot, old.a.shape[0])
        for module, old in template.factors.items()
    }
    return Layer(template.base_model, factors)


@torch.no_grad()
def _step(
    optimizer: torch.optim.Optimizer, parameters: Sequence[torch.Tensor], rates: torch.Tensor
) -> None:
    """One optimiser step with a rate per slot, (n_slots, 1, 1).

    AdamW without weight decay moves in proportion to its rate, and its moments do not depend
    on it: so step with rate 1 and scale the move.
    """
    before = [parameter.clone() for parameter in parameters]
    optimizer.step()
    for parameter, old in zip(parameters, before, strict=True):
        parameter.sub_(old).mul_(rates).add_(old)
    optimizer.zero_grad()


@torch.no_grad()
def _clip_slots(parameters: Sequence[torch.Tensor]) -> None:
    """Scale every slot's gradient to norm CLIP_NORM at most, each slot on its own."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    squared = torch.stack([g.square().sum((1, 2)) for g in gradients]).sum(0)  # (n_slots,)
    scale = (CLIP_NORM / squared.sqrt().clamp_min(1e-12)).clamp_max(1.0)[:, None, None]
    for gradient in gradients:
        gradient.mul_(scale)
