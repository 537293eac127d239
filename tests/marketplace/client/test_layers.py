"""Files of layers: what is sent arrives, and what arrives is what was paid for, or nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from genome.validate import check_folder
from marketplace.client.remote import RemoteMarket
from marketplace.client.transport import Patience
from marketplace.errors import DownloadError, MarketError, ServiceError, ServiceUnreachableError
from marketplace.ledger.keyring import PrivateKey
from marketplace.receipt import ReceiptFacts
from tests.support.client import ORIGIN, Hosted
from tests.support.hostile import factors, write_valid

WEIGHTS = "adapter_model.safetensors"


def digest_of(folder: Path) -> str:
    with check_folder(folder) as checked:
        return checked.digest


@pytest.fixture
def layer(tmp_path: Path) -> tuple[str, Path]:
    """A valid layer's digest and folder."""
    folder = write_valid(tmp_path / "layer")
    return digest_of(folder), folder


def publish(seller: RemoteMarket, digest: str, base_model: str = "tiny") -> None:
    seller.publish(
        owner="ada",
        name="sql",
        digest=digest,
        base_model=base_model,
        niche="sql",
        ask_nanos=10**8,
        key="p",
        receipt=ReceiptFacts(skill="sql", n_questions=100, n_correct=80, n_base_correct=30),
    )


def test_a_layer_travels_from_seller_to_buyer(
    hosted: Hosted, layer: tuple[str, Path], tmp_path: Path
) -> None:
    """Uploaded, listed, bought, downloaded: the same bytes."""
    digest, folder = layer
    ada, bob = hosted.member("ada"), hosted.member("bob", credits=9)
    ada.upload_layer(digest, folder)
    publish(ada, digest)
    with pytest.raises(ServiceError, match="may not use"):
        bob.download_layer(digest, tmp_path / "stolen")
    bob.buy(buyer="bob", listing="sql", key="b")
    copy = bob.download_layer(digest, tmp_path / "copy")
    assert digest_of(copy) == digest
    assert {p.name: p.read_bytes() for p in copy.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }
    assert not (tmp_path / "stolen").exists()
    assert [path.name for path in tmp_path.glob(".*") if path.suffix != ".made"] == []


def test_an_upload_may_be_repeated(hosted: Hosted, layer: tuple[str, Path]) -> None:
    """After a crash the same command completes what was begun."""
    digest, folder = layer
    ada = hosted.member("ada")
    ada.upload_layer(digest, folder)
    ada.upload_layer(digest, folder)
    publish(ada, digest)


def test_a_layer_under_anothers_digest_is_refused(hosted: Hosted, layer: tuple[str, Path]) -> None:
    """The service computes the digest itself."""
    _, folder = layer
    with pytest.raises(ServiceError, match="announce"):
        hosted.member("ada").upload_layer("0" * 64, folder)


class Liar:
    """A service that hands out a layer's files as it likes."""

    def __init__(self, digest: str, folder: Path) -> None:
        self.digest = digest
        self.contents = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.announced = [
            {"name": name, "n_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(self.contents.items())
        ]
        self.cuts: list[int] = []
        """After how many bytes each answer with weights breaks off."""
        self.ranges: list[str | None] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if name == self.digest:
            return httpx.Response(200, json={"digest": self.digest, "files": self.announced})
        data, status, headers = self.contents[name], 200, {}
        if name == WEIGHTS:
            self.ranges.append(request.headers.get("Range"))
            if "Range" in request.headers:
                start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                data, status = data[start:], 206
                headers = {"Content-Range": f"bytes {start}-/{len(self.contents[name])}"}
            if self.cuts:
                data = data[: self.cuts.pop(0)]
        return httpx.Response(status, content=data, headers=headers)

    def client(self) -> RemoteMarket:
        http = httpx.Client(transport=httpx.MockTransport(self))
        patience = Patience(attempts=3, first_pause_s=0.0)
        return RemoteMarket(ORIGIN, key=PrivateKey.generate(), http=http, patience=patience)


def test_a_broken_download_goes_on_where_it_stopped(
    layer: tuple[str, Path], tmp_path: Path
) -> None:
    """What was received is not asked for again."""
    liar = Liar(*layer)
    size = len(liar.contents[WEIGHTS])
    liar.cuts = [100, 50]
    copy = liar.client().download_layer(layer[0], tmp_path / "copy")
    assert digest_of(copy) == layer[0]
    assert liar.ranges == [None, "bytes=100-", "bytes=150-"]
    assert size > 150


def test_a_download_that_never_ends_well_leaves_nothing(
    layer: tuple[str, Path], tmp_path: Path
) -> None:
    """After the last attempt: one line, no half layer."""
    liar = Liar(*layer)
    liar.cuts = [1, 1, 1]
    with pytest.raises(ServiceUnreachableError, match="3 attempts"):
        liar.client().download_layer(layer[0], tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layer"]


def other_weights(liar: Liar, tmp_path: Path) -> None:
    """Another valid layer, announced honestly, under the digest that was paid for."""
    other = write_valid(tmp_path / "other", factors(seed=7))
    liar.contents[WEIGHTS] = (other / WEIGHTS).read_bytes()
    liar.announced = Liar(liar.digest, other).announced


def flipped_bit(liar: Liar, tmp_path: Path) -> None:
    """One bit other than announced."""
    data = bytearray(liar.contents[WEIGHTS])
    data[-1] ^= 1
    liar.contents[WEIGHTS] = bytes(data)


def longer(liar: Liar, tmp_path: Path) -> None:
    """More bytes than announced."""
    liar.contents[WEIGHTS] += b"x" * 5_000_000


def escaping(liar: Liar, tmp_path: Path) -> None:
    """A name that leads out of the folder."""
    liar.announced[0]["name"] = "../../evil"


def pickled(liar: Liar, tmp_path: Path) -> None:
    """A file that could run code."""
    liar.announced.append({"name": "x.pkl", "n_bytes": 3, "sha256": "0" * 64})


def twice(liar: Liar, tmp_path: Path) -> None:
    """The same name twice."""
    liar.announced.append(liar.announced[0])


def endless(liar: Liar, tmp_path: Path) -> None:
    """A size nobody has room for."""
    liar.announced[0]["n_bytes"] = 2**60


def not_a_layer(liar: Liar, tmp_path: Path) -> None:
    """Announced honestly, but no layer."""
    liar.contents[WEIGHTS] = b"nothing of the kind"
    for file in liar.announced:
        if file["name"] == WEIGHTS:
            data = liar.contents[WEIGHTS]
            file.update(n_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def half(liar: Liar, tmp_path: Path) -> None:
    """The weights are missing."""
    liar.announced = [file for file in liar.announced if file["name"] != WEIGHTS]


@pytest.mark.parametrize(
    "lie",
    [other_weights, flipped_bit, longer, escaping, pickled, twice, endless, not_a_layer, half],
    ids=lambda lie: lie.__name__,
)
def test_whatever_a_service_sends_instead_is_refused(
    lie: Callable[[Liar, Path], None], layer: tuple[str, Path], tmp_path: Path
) -> None:
    """One line that says not to trust it; nothing stays on disk, nothing outside is touched."""
    liar = Liar(*layer)
    place = tmp_path / "place"
    place.mkdir()
    lie(liar, tmp_path)
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    with pytest.raises(DownloadError) as caught:
        liar.client().download_layer(layer[0], place / "copy")
    assert "\n" not in str(caught.value)
    assert list(place.iterdir()) == []
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before


def test_a_folder_that_is_there_is_not_touched(layer: tuple[str, Path]) -> None:
    """Neither overwritten nor added to."""
    with pytest.raises(DownloadError, match="there already"):
        Liar(*layer).client().download_layer(layer[0], layer[1])


def test_misshapen_facts_are_one_line(layer: tuple[str, Path], tmp_path: Path) -> None:
    """JSON of another shape."""
    liar = Liar(*layer)
    liar.announced = json.loads('[{"name": 5}]')
    with pytest.raises(MarketError):
        liar.client().download_layer(layer[0], tmp_path / "copy")
