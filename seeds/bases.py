"""Which base model to run: the one a person names, or the one that a layer or persona belongs to.

Every base that a home runs is remembered in its `bases.json`, so that layers can be bound to it.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genome.bases import FOLDER, NAME_RULE, Base, Bases, chosen_base, misfit, name_for
from genome.errors import BaseModelError, LibraryError, UnboundLayerError, UnknownBaseError

if TYPE_CHECKING:  # looking a base up needs no torch
    from genome.base_model import BaseModel
    from genome.layer import Layer

EMBEDDED = "embedded"
"""What the base that ships with Continuum is called."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A base that can be had by its short name alone."""

    about: str
    licence: str
    """SPDX expression."""
    source: str = ""
    """As `genome.base_source.fetch` takes it; empty for the embedded one."""
    aliases: tuple[str, ...] = ()
    terms: str = ""
    """Where terms stand that one agrees to by using it; empty where the licence is a usual one."""
    fingerprint: str = ""
    """Of what the source gives in float32."""


def embedded_base_path() -> Path:
    """The folder of the base model that ships with Continuum."""
    return Path(__file__).parent / "base"


@cache
def offers() -> Mapping[str, Offer]:
    """The bases of `bases.toml`, by their short names."""
    text = Path(__file__).with_name("bases.toml").read_text(encoding="utf-8")
    return {
        name: Offer(**{**facts, "aliases": tuple(facts.get("aliases", ()))})
        for name, facts in tomllib.loads(text).items()
    }


def add_base(
    home: Path,
    source: str,
    name: str = "",
    *,
    dtype: str = "float32",
    say: Callable[[str], Any] = lambda line: None,
) -> Base:
    """Make a base known to a home: all of it, or nothing.

    Args:
        source: A short name of `offers`, or as `genome.base_source.fetch` takes it.
        name: What to call it; default the short name, or the last part of its source.
        dtype: What a GGUF file's weights are written in.
        say: Is told what takes time, and the licence.

    Raises:
        BaseModelError: It cannot be had, or is no base model.
        LibraryError: The name is another base's, or the weights have another name here.
    """
    from genome.base_model import BaseModel
    from genome.base_source import Sourced, fetch

    if name and not NAME_RULE.fullmatch(name):
        raise BaseModelError(
            source, f"a base's name is 1 to 60 of a-z 0-9 . _ -, not {name!r:.80}", "choose another"
        )
    bases, offer, named = Bases(home), offers().get(source), name
    name = name or (source if offer else "")
    if offer is not None and (there := bases.find(source)) and there.is_current:
        return there
    if offer is not None and offer.terms:
        say(f"{source} comes under {offer.licence}: using it is agreeing to {offer.terms}")
    folder = name or name_for(source, bases.names().values())
    bases.check_free(folder)
    if source == EMBEDDED:
        sourced = Sourced(embedded_base_path())
    else:
        sourced = fetch(offer.source if offer else source, home, folder, dtype=dtype, say=say)
    try:
        aliases = (*sourced.aliases, *(offer.aliases if offer else ()))
        licence = offer.licence if offer else sourced.licence
        say("reading it")
        model = BaseModel.load(sourced.folder)
        there = bases.find(model.fingerprint)
        if there and named and named != there.name:
            raise LibraryError(
                f"these are the weights of base {there.name!r} in {there.path}: leave --name out, "
                f"or `continuum base remove {there.name}` first"
            )
        name = there.name if there else name
        home.mkdir(parents=True, exist_ok=True)
        return bases.remember(model, name, aliases=aliases, licence=licence)
    except BaseException:
        if sourced.folder.parent == home / FOLDER:  # made just now, of no use to anybody
            shutil.rmtree(sourced.folder, ignore_errors=True)
        raise


def known_bases(home: Path) -> Bases:
    """The bases that a home knows; the embedded one always is among them."""
    from genome.base_model import BaseModel

    bases = Bases(home)
    path = str(embedded_base_path())
    if not any(base.path == path and base.is_current for base in bases.all()):
        remember_base(bases, BaseModel.load(path))
    return bases


def default_base(home: Path) -> Base:
    """What is used where nothing says another: what was chosen, else what all layers here run on.

    The embedded one where nobody chose, and layers of several bases or none are here.
    """
    from genome.library import Library

    bases = known_bases(home)
    layers = Library.open(home).find() if (home / "library").is_dir() else []
    used = {row.base_model for row in layers if row.base_model}
    only = bases.find(*used) if len(used) == 1 else None
    return bases.default() or only or bases.get(EMBEDDED)


def load_base(
    home: Path, reference: str | Path | None = None, *, to_answer: bool = False
) -> BaseModel:
    """Load a base and remember it.

    Args:
        to_answer: In the precision that was chosen for answers, not in float32.
        reference: Name, fingerprint or alias of a base the home knows, a folder, or a hub id;
            None = `default_base`.

    Raises:
        BaseModelError: It cannot be loaded.
        UnknownBaseError: It is none of these.
    """
    from genome.base_model import BaseModel

    bases = known_bases(home)
    path = "" if reference is None else str(reference)
    found = bases.find(path) if path else default_base(home)
    if found is None and not Path(path).exists() and "/" not in path:
        short = path if path in offers() else "SOURCE"
        raise UnknownBaseError(path, list(bases.names().values()), short)
    dtype = found.dtype if found and to_answer and found.dtype else "float32"
    base = BaseModel.load(found.path if found else path, dtype=dtype)
    if found and base.fingerprint != found.fingerprint and str(reference) != found.path:
        raise BaseModelError(
            found.name,
            f"its files in {found.path} changed since: {found.fingerprint} then, "
            f"{base.fingerprint} now",
            f"put the old ones back, or `continuum base add {found.path} --name NEW`",
        )
    remember_base(bases, base)
    return base


def remember_base(bases: Bases, base: BaseModel) -> None:
    """Let a home know a loaded base; also one that was not there yet when it was loaded."""
    with suppress(OSError):  # a list that cannot be written only has to be asked for again
        ours = Path(base.path) == embedded_base_path()
        licence = offers()[EMBEDDED].licence if ours else ""
        bases.remember(base, EMBEDDED if ours else "", licence=licence)


def load_base_of(
    home: Path,
    fingerprint: str,
    reference: str | Path | None = None,
    *,
    to_answer: bool = False,
) -> BaseModel:
    """Load the base that something belongs to, unless a person names another.

    Raises:
        UnknownBaseError: The home knows no base of this fingerprint.
        BaseModelError: It cannot be loaded.
    """
    if reference is not None:
        return load_base(home, reference, to_answer=to_answer)
    bases = known_bases(home)
    if bases.find(fingerprint) is not None:
        return load_base(home, fingerprint, to_answer=to_answer)
    short = [name for name, offer in offers().items() if offer.fingerprint == fingerprint]
    raise UnknownBaseError(fingerprint, list(bases.names().values()), *short)


def load_base_for(home: Path, layer: Layer, reference: str | None = None) -> BaseModel:
    """Load the base that a layer runs on: the one it states or a person names, else one it fits.

    Raises:
        LayerRejected: It states or fits another than the one that is named.
        UnboundLayerError: It fits none that is known here.
        UnknownBaseError, BaseModelError: Its base is not here, or cannot be loaded.
    """
    wanted = load_base(home, reference).fingerprint if reference is not None else ""
    bases = known_bases(home)
    default = default_base(home)
    known = sorted(bases.all(), key=lambda base: base != default)
    shapes = {name: (len(b), a.shape[1]) for name, (a, b) in layer.factors.items()}
    found = chosen_base(known, shapes, stated=layer.base_model, wanted=wanted)
    if not found and known:
        raise UnboundLayerError(layer.digest[:12], "", [misfit(shapes, base) for base in known])
    return load_base_of(home, found) if found else load_base(home)


def fingerprint_of(home: Path, reference: str) -> str:
    """The fingerprint of a base by its name, folder or hub id here; anything else is one itself.

    Raises:
        BaseModelError: A folder of that name holds no base model.
    """
    found = Bases(home).find(reference)
    if found is not None:
        return found.fingerprint
    is_base = reference == EMBEDDED or Path(reference).is_dir()
    return load_base(home, reference).fingerprint if is_base else reference
