"""A market's service in a process of its own, and clients that charge it as fast as it answers.

    python -m tests.benchmarks.market_service FOLDER    (the benchmark starts it)

Requests are signed before the clock starts and sent over plain sockets that stay open: on a small
machine a comfortable client would take more of the processor than the service it measures.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from marketplace.service.serve import serve
from marketplace.service.settings import RateLimit, ServiceSettings
from tests.support.service import key_of, public_of, sign_headers
from tests.support.trading import put_up

PLENTY = RateLimit(10**9)


@dataclass
class Answers:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0


def serve_folder(folder: Path) -> None:
    """Serve the market in the folder until told to stop, as `continuum market serve` does."""
    serve(
        f"sqlite:///{folder / 'api.db'}",
        port=0,
        settings=ServiceSettings(signed=PLENTY, unsigned=PLENTY),
        started=lambda here: print(here.address, flush=True),
    )


@contextmanager
def running(folder: Path, n_clients: int) -> Iterator[str]:
    """The address of a service with one layer and so many funded clients."""
    with Market.open(f"sqlite:///{folder / 'api.db'}") as market:
        market.open_account("seller")
        put_up(market, "seller", "sorting-v1")
        for number in range(n_clients):
            market.register(f"client-{number}", public_of(_key(number)), key=f"register-{number}")
            market.fund(f"client-{number}", 1000 * NANOS_PER_CREDIT, key=f"fund-{number}")
    command = [sys.executable, "-m", "tests.benchmarks.market_service", str(folder)]
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, f"the service did not start: see {folder / 'api.log'}"
            yield address
        finally:
            process.terminate()
            process.wait(60)
            process.stdout.close()


def charge_all(origin: str, n_clients: int, n_each: int, pause_s: float, tag: str) -> Answers:
    """Every client sends its charges one after the other."""
    sent = [[_request(origin, c, f"{tag}-{i}") for i in range(n_each)] for c in range(n_clients)]
    return asyncio.run(_charge_all(origin, sent, pause_s))


async def _charge_all(origin: str, sent: list[list[bytes]], pause_s: float) -> Answers:
    answers = Answers()
    host, port = origin.removeprefix("http://").split(":")

    async def client(number: int, requests: list[bytes]) -> None:
        await asyncio.sleep(pause_s * number / len(sent))  # they have not agreed on a moment
        reader, writer = await asyncio.open_connection(host, int(port))
        for request in requests:
            began = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            body = await reader.readexactly(length)
            answers.seconds.append(time.perf_counter() - began)
            if " 200 " not in head.partition("\r\n")[0] or b'"status":200' not in body:
                answers.errors.append(f"{head.partition(chr(13))[0]} {body[:300]!r}")
            await asyncio.sleep(pause_s)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(*one) for one in enumerate(sent)))
    answers.elapsed_s = time.perf_counter() - began
    return answers


def _request(origin: str, client: int, key: str) -> bytes:
    use = {"account": f"client-{client}", "listing": "sorting-v1", "units": 1000, "key": key}
    body = json.dumps({"charges": [use]}, separators=(",", ":")).encode()
    url = f"{origin}/v1/usage"
    own = {"Idempotency-Key": key}
    headers = sign_headers(_key(client), "POST", url, body, own, validity_s=60)
    headers |= {
        "Host": origin.removeprefix("http://"),
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /v1/usage HTTP/1.1\r\n{lines}\r\n".encode() + body


def _key(client: int) -> Ed25519PrivateKey:
    return key_of(f"client-{client}")


if __name__ == "__main__":
    serve_folder(Path(sys.argv[1]))
