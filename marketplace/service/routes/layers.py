"""The files of layers: in, file by file, before publishing; out, by ranges, to users and judges."""

import base64
import hashlib
import os
from collections.abc import AsyncIterator
from io import FileIO
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from marketplace.fields import HEX64_PATTERN
from marketplace.service.answers import ByteRange, answer, byte_range, lists
from marketplace.service.caller import BODY_STREAMED, Caller, Signed
from marketplace.service.change import Changing
from marketplace.service.layer_store import LayerStore, StoredFile, StoredLayer
from marketplace.service.openapi import model_of
from marketplace.service.problems import ProblemError
from marketplace.service.signature import mismatch, sha256_of
from marketplace.service.state import Here, Service

router = APIRouter(prefix="/v1/layers", tags=["layers"])
LayerDigest = Annotated[str, Path(pattern=HEX64_PATTERN)]
FileName = Annotated[str, Path(max_length=64, examples=["adapter_config.json"])]
BLOCK_BYTES = 1 << 18


class Received(BaseModel):
    """A file that arrived as it was signed."""

    name: str
    n_bytes: int
    complete: bool
    """Whether the layer is now checked and kept."""


async def body_is_streamed(request: Request) -> None:
    """Keep the signature's check from reading a large body into memory."""
    request.scope[BODY_STREAMED] = True


@router.put(
    "/{digest}/{file}",
    operation_id="upload_file",
    response_model=Received,
    status_code=201,
    dependencies=[Depends(body_is_streamed)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
async def upload_file(
    digest: LayerDigest, file: FileName, request: Request, change: Changing, service: Here
) -> Response:
    """Take in one file of a layer; the weights come last and complete it."""
    store, account = _store(service), _account(change.caller)
    expected, limit = sha256_of(change.caller.proof.digest), store.limit_of(file)
    announced = min(limit, int(request.headers.get("content-length", 0)))
    part = await service.read(lambda: store.incoming(account, digest, file, announced))
    try:
        n_bytes = await _receive(request, service, part, expected=expected, limit=limit)
        kept = await change.run_heavy(lambda: store.keep(part, account, digest, file))
    finally:
        store.forget(part)
    return answer({"name": file, "n_bytes": n_bytes, "complete": kept is not None}, status=201)


@router.delete("/{digest}", operation_id="abandon_upload", status_code=204)
async def abandon_upload(digest: LayerDigest, change: Changing, service: Here) -> Response:
    """Forget the caller's unfinished upload; a complete layer stays."""
    store, account = _store(service), _account(change.caller)
    await change.run(lambda _key: store.abandon(account, digest))
    return Response(status_code=204)


@router.get("/{digest}", operation_id="list_files", response_model=model_of(StoredLayer))
async def list_files(digest: LayerDigest, caller: Signed, service: Here) -> Response:
    """Names, sizes and hashes of a layer's files, for who paid for them or judges it."""
    await _must_have(service, caller, digest)
    return answer(await service.read(lambda: _store(service).layer(digest)))


@router.head("/{digest}/{file}", operation_id="look_at_file", response_class=Response)
@router.get("/{digest}/{file}", operation_id="download_file", response_class=Response)
async def download_file(
    digest: LayerDigest, file: FileName, request: Request, caller: Signed, service: Here
) -> Response:
    """A file of a layer, or a part of it by Range, for who paid for it or judges it."""
    await _must_have(service, caller, digest)
    opened, facts = await service.read(lambda: _store(service).open(digest, file))
    try:
        tag = f'"{facts.sha256}"'
        headers = _file_headers(facts, tag)
        if lists(request.headers.get("if-none-match"), tag, weakly=True):
            opened.close()
            return Response(status_code=304, headers=headers)
        resumes = request.headers.get("if-range", tag) == tag
        wanted = request.headers.get("range") if resumes and request.method == "GET" else None
        part = byte_range(wanted, facts.n_bytes)
    except BaseException:
        opened.close()
        raise
    return _sending(service, opened, part, facts, headers, head=request.method == "HEAD")


def _sending(
    service: Service,
    opened: FileIO,
    part: ByteRange | None,
    facts: StoredFile,
    headers: dict[str, str],
    *,
    head: bool,
) -> Response:
    span = part or ByteRange(0, facts.n_bytes, facts.n_bytes)
    headers |= {"Content-Length": str(span.n_bytes)}
    if part is not None:
        headers |= {"Content-Range": part.content_range()}
    if head:
        opened.close()
        return Response(headers=headers, media_type="application/octet-stream")
    status = 200 if part is None else 206
    blocks = _blocks(service, opened, span)
    return StreamingResponse(blocks, status, headers, media_type="application/octet-stream")


async def _blocks(service: Service, opened: FileIO, span: ByteRange) -> AsyncIterator[bytes]:
    """The bytes of the very file that was checked, whatever its name means by now."""
    with opened:
        at = span.start
        while at < span.end:
            n_bytes = min(BLOCK_BYTES, span.end - at)
            block = await service.read(lambda n=n_bytes, a=at: os.pread(opened.fileno(), n, a))  # type: ignore[misc]
            if not block:
                raise OSError("a layer's file became shorter while it was sent")
            service.metrics.downloaded.inc(len(block))
            yield block
            at += len(block)


async def _receive(
    request: Request, service: Service, part: os.PathLike[str], *, expected: bytes, limit: int
) -> int:
    """Write the body to a file and return its size, if it is the body that was signed."""
    sha256, n_bytes = hashlib.sha256(), 0
    with open(part, "xb") as file:
        async for block in request.stream():
            n_bytes += len(block)
            if n_bytes > limit:
                raise ProblemError("too-large", f"this file may have {limit} bytes: send less")
            sha256.update(block)
            file.write(block)
    service.metrics.uploaded.inc(n_bytes)
    if sha256.digest() != expected:
        raise mismatch("Content-Digest does not match the body that arrived")
    return n_bytes


async def _must_have(service: Service, caller: Caller, digest: str) -> None:
    """Refuse who neither paid nor judges; in the same words whether the layer exists or not."""
    account = _account(caller)
    if not await service.read(lambda: service.market.may_fetch(account, digest)):
        raise ProblemError(
            "forbidden",
            f"{account!r} may not use the files of layer {digest}: buy or rent it first, a day's"
            " rent is enough; a subscription or a meter gives use alone until that much is paid;"
            " evaluators, whom the operator appoints, re-run any",
        )


def _store(service: Service) -> LayerStore:
    if service.store is None:
        raise ProblemError("not-found", "this service keeps no files: ask the layer's owner")
    return service.store


def _account(caller: Caller) -> str:
    if caller.account is None:
        raise ProblemError("forbidden", "this key has no account: register it first")
    return caller.account


def _file_headers(facts: StoredFile, tag: str) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(facts.sha256)).decode()
    return {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Disposition": f'attachment; filename="{facts.name}"',
    }
