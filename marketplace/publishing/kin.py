"""One layer that is to be published, compared with the layers that are in the market.

Whoever has the files compares exactly; where they are gone, the sketches decide, which see less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from marketplace.errors import InvalidInputError
from marketplace.similarity import (
    CLONE_COSINE,
    KIN_SHARE,
    Spaces,
    Weights,
    share_within,
    sketch,
    spaces_of,
    too_wide,
    update_cosine,
)

MARGIN = 0.2
"""How much more two layers of one origin may have in common than chance lets them."""
Others = Callable[[str], Weights | None]
"""The weights of the layer of this digest; None if its files are not at hand."""


@dataclass(frozen=True, slots=True)
class Near:
    """An elder layer that a new one repeats or was made from."""

    listing: str
    digest: str
    niche: str
    share: float
    """How much one contains of the other, beyond chance (`marketplace.similarity`)."""
    cosine: float | None
    """Of their whole updates; None where only sketches could be compared."""
    explained_by: tuple[str, ...] = ()
    """Listings in its own line that are near as well and that all the likeness comes from."""

    @property
    def is_near(self) -> bool:
        """Whether anything follows from it."""
        return self.share >= KIN_SHARE or self.is_clone

    @property
    def is_clone(self) -> bool:
        """Whether it is the same update, whatever it is sold for."""
        return self.cosine is not None and self.cosine >= CLONE_COSINE

    @property
    def is_repeat(self) -> bool:
        """Whether, as far as can be seen, it repeats the update and nothing else."""
        return (self.share if self.cosine is None else self.cosine) >= CLONE_COSINE

    @property
    def words(self) -> str:
        """For people."""
        cosine = "" if self.cosine is None else f", cosine {self.cosine:.3f}"
        return f"share {self.share:.3f}{cosine}"


@dataclass(frozen=True)
class Newcomer:
    """A layer's weights, made ready for comparison.

    Raises:
        InvalidInputError: Its ranks are so large that nothing could be told from it.
    """

    weights: Weights
    others: Others = lambda _: None

    def __post_init__(self) -> None:
        module = too_wide(self.spaces)
        if module is not None:
            left, _, right = self.spaces[module]
            raise InvalidInputError(
                f"the update of module {module!r:.80} has rank {left.shape[1]} in a map of"
                f" {right.shape[0]} to {left.shape[0]} numbers, too much to tell whether it is a"
                f" copy: compress the layer to rank {left.shape[1] // 2} (genome.compose.truncate)"
            )

    @cached_property
    def spaces(self) -> dict[str, Spaces]:
        """By module; those that it does not change are left out."""
        return spaces_of(self.weights)

    @cached_property
    def sketch(self) -> bytes:
        """What the market keeps of it."""
        return sketch(self.spaces)

    def compared(self, digest: str) -> tuple[float, float] | None:
        """Share and cosine with the layer of this digest; None if its files are not at hand."""
        elder = self.others(digest)
        if elder is None:
            return None
        share = max(share_within(elder, self.spaces), share_within(self.weights, spaces_of(elder)))
        return share, update_cosine(self.weights, elder)

    def explained(self, digest: str, ancestor: str) -> bool:
        """Whether likeness to a layer is no more than what both have of the layer's own ancestor.

        Two layers made from one contain of each other what is left of it in both: the product of
        the shares. Also where no files are at hand to tell.
        """
        elder, above = self.others(digest), self.others(ancestor)
        if elder is None or above is None:
            return True
        if update_cosine(self.weights, elder) >= CLONE_COSINE:
            return update_cosine(above, elder) >= CLONE_COSINE
        left_in_elder = share_within(elder, spaces_of(above))
        left_here = share_within(above, self.spaces)
        return share_within(elder, self.spaces) <= left_in_elder * left_here + MARGIN
