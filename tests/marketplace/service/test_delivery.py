"""Nobody pays for what cannot be handed over."""

import pytest

from genome.validate import check_folder
from tests.support.hostile import factors, write_valid
from tests.support.market import publish_example

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def slug(response) -> str:
    """The last part of a problem's type."""
    return response.json()["type"].rpartition(":")[2]


@pytest.fixture
def shop(host, tmp_path):
    """Bob uploads and lists a layer with a README; ada has nine credits."""
    hosted = host(layers=tmp_path / "store")
    bob = hosted.member("bob")
    hosted.member("ada", "9")
    folder = write_valid(tmp_path / "layer")
    with check_folder(folder) as checked:
        hosted.digest = checked.digest
    hosted.layer = {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    upload(hosted, bob, b"as listed")
    body = {
        "owner": "bob",
        "name": "sql-v2",
        "digest": hosted.digest,
        "base_model": "tiny",
        "niche": "sql",
        "ask": "0.01",
        "receipt": {
            "skill": "sql",
            "n_questions": 100,
            "n_correct": 80,
            "n_base_correct": 30,
        },
    }
    assert bob.change("POST", "/v1/listings", body).status_code == 201
    return hosted


def upload(shop, caller, card: bytes):
    """Upload the layer with this README."""
    for name, data in {CONFIG: shop.layer[CONFIG], "README.md": card, **shop.layer}.items():
        if name != WEIGHTS:
            put(shop, caller, name, data)
    assert put(shop, caller, WEIGHTS, shop.layer[WEIGHTS]).json()["complete"] is True


def put(shop, caller, name: str, data: bytes):
    """Upload one file."""
    found = caller.change("PUT", f"/v1/layers/{shop.digest}/{name}", content=data)
    assert found.status_code == 201, found.text
    return found


WAYS = (
    ("/v1/listings/sql-v2/purchases", {"buyer": "ada"}),
    ("/v1/listings/sql-v2/rentals", {"renter": "ada", "days": 1}),
    ("/v1/listings/sql-v2/meters", {"account": "ada", "limit": "1", "days": 1}),
    (
        "/v1/listings/sql-v2/trials",
        {"buyer": "ada", "challenge_digest": "0" * 64, "n_questions": 10, "min_gain": 1},
    ),
    ("/v1/bundles/all/purchases", {"buyer": "ada"}),
)


def test_who_uploads_a_listed_layer_again_harms_nobody(shop):
    """Eve has the files and sends them with another README; ada buys, and gets what was listed."""
    upload(shop, shop.member("eve"), b"hello")
    ada = shop.caller("ada")
    assert ada.change("POST", WAYS[0][0], WAYS[0][1]).status_code == 200
    address = f"/v1/layers/{shop.digest}"
    for file in ada.get(address).json()["files"]:
        assert ada.get(f"{address}/{file['name']}").status_code == 200
    assert ada.get(f"{address}/README.md").content == b"as listed"


def test_a_refused_listing_is_corrected_by_its_seller(host, shop, tmp_path):
    """Uploaded, refused, uploaded again with another README: what is sold is the second."""
    bob = shop.caller("bob")
    folder = write_valid(tmp_path / "other", factors(seed=2))
    with check_folder(folder) as checked:
        shop.digest = checked.digest
    shop.layer = {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    for card in (b"no parent", b"with its parent"):
        upload(shop, bob, card)
    kept = shop.service.store
    kept.check(shop.digest)
    assert kept.text(shop.digest, "README.md") == b"with its parent"


@pytest.mark.parametrize("way", range(len(WAYS)))
@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_damaged_files_are_not_sold(shop, way, harm):
    """No purchase, rental, meter, trial or bundle: the refusal comes before the money moves."""
    publish_example(shop.market, "bob", "zip-v1")
    bundle = {"owner": "bob", "name": "all", "listings": ["sql-v2", "zip-v1"]}
    assert shop.caller("bob").change("POST", "/v1/bundles", bundle).status_code == 200
    path = shop.service.store.folder(shop.digest) / "README.md"
    path.unlink()
    if harm == "changed":
        path.write_bytes(b"as lister")
    ada, (address, body) = shop.caller("ada"), WAYS[way]
    refused = ada.change("POST", address, body)
    assert (refused.status_code, slug(refused)) == (500, "internal")
    account = ada.get("/v1/accounts/ada").json()
    assert (account["balance"], account["held"]) == ("9", "0")


def test_a_layer_that_is_not_here_is_not_sold(shop):
    """Nor is one whose files were never here."""
    shop.service.store.folder(shop.digest).rename(shop.service.store.folder("0" * 64))
    refused = shop.caller("ada").change("POST", WAYS[0][0], WAYS[0][1])
    assert (refused.status_code, slug(refused)) == (409, "layer-missing")


def test_a_settled_purchase_is_answered_as_it_was(shop):
    """The answer was lost and the file damaged since: the same answer, and no second payment."""
    ada = shop.caller("ada")
    first = ada.change("POST", WAYS[0][0], WAYS[0][1], idempotency_key="k").json()
    (shop.service.store.folder(shop.digest) / "README.md").unlink()
    again = ada.change("POST", WAYS[0][0], WAYS[0][1], idempotency_key="k").json()
    assert again == first | {"replayed": True}
