"""What must no longer be used, signed, for clients to keep."""

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from marketplace.service.caller import Anyone
from marketplace.service.openapi import model_of
from marketplace.service.problems import ProblemError
from marketplace.service.state import Here
from marketplace.trade.moderation import RevocationList

router = APIRouter(prefix="/v1/revocations", tags=["layers"])


class SignedRevocations(BaseModel):
    """The list, and the market's Ed25519 signature over its DSSE envelope."""

    list: model_of(RevocationList)  # type: ignore[valid-type]
    public_key: str
    signature: str


@router.get("", operation_id="read_revocations", response_model=SignedRevocations)
async def read_revocations(caller: Anyone, service: Here) -> Response:
    """Every revoked layer and key; check the signature with the key that was seen first."""
    key = service.settings.signing_key
    if key is None:
        raise ProblemError("not-found", "this service signs no list: ask its operator for one")
    data = await service.read(lambda: service.market.revocations(key.private))
    return Response(data, media_type="application/json")
