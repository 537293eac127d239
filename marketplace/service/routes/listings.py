"""What is for sale, finding it, and putting it there.

What the service finds out from a layer's files before it is listed.

The seller's word is not taken for it: near-duplicates are found from the uploaded weights, and
the manifest, if there is one, is the uploaded file, beside hashes that were computed here.
"""

from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import JSONResponse, Response

from genome.adapter.layer_files import MANIFEST_FILE
from marketplace.errors import MarketError
from marketplace.fields import (
    AccountName,
    Count,
    Credits,
    Digest,
    ListingName,
    Name,
    QuestionsDigest,
    Seed,
    Several,
    Text,
)
from marketplace.formula.royalty import Parent
from marketplace.listing.duplicates import Others
from marketplace.listing.listing import ListingView, SearchPage, Wanted
from marketplace.listing.provenance import Attestation
from marketplace.listing.similarity import Weights, factors_of
from marketplace.receipt import ReceiptFacts, ReceiptView
from marketplace.service.answers import Cursor, Limit, answer, wire
from marketplace.service.caller import Anyone, Caller
from marketplace.service.change import Changing
from marketplace.service.layer_store import LayerStore
from marketplace.service.openapi import Body, listing_page, model_of
from marketplace.service.problems import ProblemError
from marketplace.service.state import Here, Service


@dataclass(frozen=True, slots=True)
class Prepared:
    """What follows from the files."""

    weights: Weights | None = None
    others: Others | None = None
    evidence: Attestation = field(default_factory=Attestation)


router = APIRouter(prefix="/v1/listings")
Conditions = Annotated[list[str] | None, Query(max_length=32)]
Condition = Annotated[str | None, Query(max_length=200)]


class ReceiptBody(Body):
    """What the layer, and its base model alone, scored on the same questions."""

    skill: Name
    n_questions: Several
    n_correct: Count
    n_base_correct: Count
    split: Literal["audit", "test"] = "test"
    exam: Name = "standard"
    seed: Seed | None = None
    questions_digest: QuestionsDigest = ""
    layer: Digest | Literal[""] = ""
    base_model: Annotated[str, Field(max_length=200)] = ""
    prompt: Annotated[str, Field(max_length=64)] = ""
    rule: Annotated[str, Field(max_length=64)] = ""
    n_ancestor_correct: Count | None = None

    def facts(self) -> ReceiptFacts:
        """The receipt as the market takes it."""
        return ReceiptFacts(**self.model_dump())


class OwnReceiptBody(Body):
    """One more exam of one's own listing."""

    owner: AccountName
    receipt: ReceiptBody


class ParentBody(Body):
    """A layer that this one was made from, by listing or digest."""

    name: Digest
    weight: Several = 1


class ListingBody(Body):
    """A layer to put up for sale; its files are uploaded before."""

    owner: AccountName
    name: Name
    digest: Digest
    base_model: Text
    niche: Text
    ask: Credits
    receipt: ReceiptBody
    receipts: Annotated[list[ReceiptBody], Field(max_length=32, default_factory=list)]
    description: Annotated[str, Field(max_length=2000)] = ""
    licence: Annotated[str, Field(max_length=200)] = ""
    tags: Annotated[list[Name], Field(max_length=32, default_factory=list)]
    parents: Annotated[list[ParentBody], Field(max_length=32, default_factory=list)]
    version_of: Name | None = None


async def wanted(
    base_model: Condition = None,
    niche: Condition = None,
    owner: Condition = None,
    licence: Conditions = None,
    tag: Conditions = None,
    max_price: Annotated[Credits | None, Query()] = None,
    min_reputation: Annotated[float, Query(ge=0.0, le=1.0)] = 0.0,
    commercial: bool = False,
) -> Wanted:
    """The conditions of a search; all must hold: any of the licences, every tag."""
    return Wanted(
        base_model=base_model,
        niche=niche,
        owner=owner,
        licences=tuple(licence or ()),
        tags=tuple(tag or ()),
        max_price_nanos=max_price,
        min_reputation=min_reputation,
        commercial=commercial,
    )


@router.get(
    "", tags=["listings"], operation_id="list_listings", response_model=listing_page(ListingView)
)
async def list_listings(
    caller: Anyone,
    service: Here,
    conditions: Annotated[Wanted, Depends(wanted)],
    query: Annotated[str, Query(max_length=200, description="Words; all must be found.")] = "",
    order: Literal["rank", "price", "newest", "sales", "name"] = "rank",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """One page of what is for sale and fits."""
    scope = ("listings", query, conditions, order)
    start = None if cursor is None else str(service.cursors.open(scope, cursor))
    found: SearchPage = await service.read(
        lambda: service.market.search(query, conditions, order=order, limit=limit, cursor=start)
    )
    if not found.total and caller is not None:
        await _note_miss(service, caller, conditions)
    following = None if found.next is None else service.cursors.seal(scope, found.next)
    items = [wire(listing) for listing in found.listings]
    return JSONResponse({"items": items, "next": following, "total": found.total})


@router.post(
    "",
    tags=["listings"],
    operation_id="publish",
    response_model=model_of(ListingView),
    status_code=201,
)
async def publish(body: ListingBody, change: Changing, service: Here) -> Response:
    """Put an uploaded layer up for sale; what its files say is found out here, not believed."""
    change.caller.must_be(body.owner)
    with _kept(service, body.digest, change.caller.name):
        prepared = await _prepared(service, body)
        view = await change.run_heavy(
            lambda: _published(service, body, prepared, change.market_key)
        )
    where = f"/v1/listings/{view.name}"
    return answer(view, change.caller, status=201, headers={"Location": where})


@router.post(
    "/{name}/receipts",
    operation_id="add_receipt",
    tags=["evidence"],
    response_model=model_of(ReceiptView),
    status_code=201,
)
async def add_receipt(
    name: ListingName, body: OwnReceiptBody, change: Changing, service: Here
) -> Response:
    """State another exam's result of one's own listing."""
    change.caller.must_be(body.owner)
    market = service.market
    view = await change.run(
        lambda key: market.add_receipt(
            owner=body.owner, listing=name, receipt=body.receipt.facts(), key=key
        )
    )
    return answer(view, status=201)


def _kept(service: Service, digest: str, account: str) -> AbstractContextManager[None]:
    """Keeps the layer's files as they are until it is listed, or refused."""
    store = service.store
    return nullcontext() if store is None else store.being_listed(digest, account)


async def _prepared(service: Service, body: ListingBody) -> Prepared:
    store = service.store
    if store is None:
        return Prepared()
    return await service.heavy(lambda: prepare(store, body.digest, body.base_model))


def _published(service: Service, body: ListingBody, prepared: Prepared, key: str) -> ListingView:
    view = service.market.publish(
        owner=body.owner,
        name=body.name,
        digest=body.digest,
        base_model=body.base_model,
        niche=body.niche,
        ask_nanos=body.ask,
        receipt=body.receipt.facts(),
        receipts=[one.facts() for one in body.receipts],
        description=body.description,
        licence=body.licence,
        tags=body.tags,
        version_of=body.version_of,
        parents=[Parent(one.name, one.weight) for one in body.parents],
        weights=prepared.weights,
        others=prepared.others,
        evidence=prepared.evidence,
        must_be_signed=service.settings.must_be_signed,
        key=key,
    )
    if service.store is not None:
        service.store.listed(body.digest)
    return view


async def _note_miss(service: Service, caller: Caller, conditions: Wanted) -> None:
    """Let an unmet search for a skill count as demand for it, once per account."""
    account, skill = caller.account, conditions.niche
    if account is not None and skill:
        with suppress(MarketError):  # no skill's name, or no room: the answer stays what it is
            await service.change(lambda: service.market.record_miss(account=account, skill=skill))


def prepare(store: LayerStore, digest: str, base_model: str) -> Prepared:
    """Read a stored layer, validated once more.

    Raises:
        ProblemError: layer-rejected, when it was made for another base model than stated.
    """
    layer = store.layer(digest)
    if layer.base_model not in ("", base_model):
        raise ProblemError(
            "layer-rejected",
            f"the files say base model {layer.base_model}, the request {base_model}: correct it",
            extra={"code": "base_mismatch"},
        )
    factors = factors_of(store.folder(digest))
    names = {file.name for file in layer.files}
    manifest = store.text(digest, MANIFEST_FILE) if MANIFEST_FILE in names else b""

    def others(other: str) -> Weights | None:
        """The weights of another layer that is kept here."""
        return factors_of(store.folder(other)) if store.has(other) else None

    hashes = {file.name: file.sha256 for file in layer.files}
    return Prepared(factors, others, Attestation(manifest, hashes))
