"""What is for sale, finding it, and putting it there.

What the service finds out from a layer's files before it is listed.

The seller's word is not taken for it: near-duplicates are found from the uploaded weights, and
the manifest, if there is one, is the uploaded file, beside hashes that were computed here.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from genome.adapter.layer_files import MANIFEST_FILE
from marketplace.errors import MarketError
from marketplace.fields import Credits
from marketplace.listing.listing import ListingView, SearchPage, Wanted
from marketplace.listing.provenance import Attestation
from marketplace.listing.publish import Publish
from marketplace.listing.similarity import Weights, factors_of
from marketplace.market import Market
from marketplace.service.answers import Cursor, Limit, answer, wire
from marketplace.service.caller import Anyone, Caller
from marketplace.service.change import Changing
from marketplace.service.endpoints import body_of, values_of
from marketplace.service.layer_store import LayerStore
from marketplace.service.openapi import listing_page, model_of
from marketplace.service.problems import ProblemError
from marketplace.service.state import Here, Service

router = APIRouter(prefix="/v1/listings")
Conditions = Annotated[list[str] | None, Query(max_length=32)]
Condition = Annotated[str | None, Query(max_length=200)]


PublishBody = body_of(Publish, set())


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
async def publish(body: PublishBody, change: Changing, service: Here) -> Response:  # type: ignore[valid-type]
    """Put an uploaded layer up for sale; what its files say is found out here, not believed."""
    asked = Publish(
        **values_of(Publish, body),
        must_be_signed=service.settings.must_be_signed,
        key=change.market_key,
    )
    change.caller.must_be(asked.owner)
    store = service.store
    if store is None:
        view = await change.run_heavy(lambda: service.market.send(asked))
    else:
        with store.being_listed(asked.digest, change.caller.name):
            prepared = await service.heavy(lambda: prepare(store, asked))
            view = await change.run_heavy(lambda: _listed(service.market, store, prepared))
    where = f"/v1/listings/{view.name}"
    return answer(view, change.caller, status=201, headers={"Location": where})


def _listed(market: Market, store: LayerStore, asked: Publish) -> ListingView:
    view = market.send(asked)
    store.listed(asked.digest)
    return view


async def _note_miss(service: Service, caller: Caller, conditions: Wanted) -> None:
    """Let an unmet search for a skill count as demand for it, once per account."""
    account, skill = caller.account, conditions.niche
    if account is not None and skill:
        with suppress(MarketError):  # no skill's name, or no room: the answer stays what it is
            await service.change(lambda: service.market.record_miss(account=account, skill=skill))


def prepare(store: LayerStore, asked: Publish) -> Publish:
    """With what follows from the files: a stored layer is read, validated once more.

    Raises:
        ProblemError: layer-rejected, when it was made for another base model than stated.
    """
    layer = store.layer(asked.digest)
    if layer.base_model not in ("", asked.base_model):
        raise ProblemError(
            "layer-rejected",
            f"the files say base model {layer.base_model}, the request {asked.base_model}:"
            " correct it",
            extra={"code": "base_mismatch"},
        )
    hashes = {file.name: file.sha256 for file in layer.files}
    manifest = store.text(asked.digest, MANIFEST_FILE) if MANIFEST_FILE in hashes else b""

    def others(other: str) -> Weights | None:
        """The weights of another layer that is kept here."""
        return factors_of(store.folder(other)) if store.has(other) else None

    return replace(
        asked,
        weights=factors_of(store.folder(asked.digest)),
        others=others,
        evidence=Attestation(manifest, hashes),
    )
