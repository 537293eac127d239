"""Layers over the wire: checked on the way in, for who paid on the way out."""

import errno
import hashlib
import resource
from concurrent.futures import ThreadPoolExecutor

import pytest

from genome.validate import check_folder
from tests.support.hostile import write_valid
from tests.support.service import ORIGIN, key_of, sign_headers

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def slug(response) -> str:
    """The last part of a problem's type."""
    return response.json()["type"].rpartition(":")[2]


@pytest.fixture
def files(tmp_path):
    """A valid layer: its digest and its two files."""
    folder = write_valid(tmp_path / "layer")
    with check_folder(folder) as checked:
        digest = checked.digest
    return digest, (folder / CONFIG).read_bytes(), (folder / WEIGHTS).read_bytes()


@pytest.fixture
def shop(host, tmp_path):
    """A service that keeps files; bob sells, ada has credits, eve has none."""
    hosted = host(layers=tmp_path / "store")
    hosted.member("bob")
    hosted.member("ada", "9")
    hosted.member("eve")
    return hosted


def put(caller, digest, name, data, **options):
    """Upload one file."""
    return caller.change("PUT", f"/v1/layers/{digest}/{name}", content=data, **options)


def upload(caller, files):
    """Upload a layer as a client does."""
    digest, config, weights = files
    assert put(caller, digest, CONFIG, config).json()["complete"] is False
    return put(caller, digest, WEIGHTS, weights)


def listing(digest: str, name: str = "sql-v2") -> dict:
    """What bob publishes."""
    return {
        "owner": "bob",
        "name": name,
        "digest": digest,
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


def publish(shop, files):
    """Bob uploads and lists the layer."""
    bob = shop.caller("bob")
    assert upload(bob, files).json()["complete"] is True
    found = bob.change("POST", "/v1/listings", listing(files[0]))
    assert found.status_code == 201, found.text
    assert found.headers["location"] == "/v1/listings/sql-v2"
    return found.json()


def test_layer_travels_from_seller_to_buyer_unchanged(shop, files):
    """What ada downloads after paying is byte for byte what bob uploaded."""
    publish(shop, files)
    digest, config, weights = files
    ada = shop.caller("ada")
    address = f"/v1/layers/{digest}/{WEIGHTS}"
    assert slug(ada.get(address)) == "forbidden"
    assert ada.change("POST", "/v1/listings/sql-v2/purchases", {"buyer": "ada"}).status_code == 200
    found = ada.get(address)
    assert found.content == weights and ada.get(f"/v1/layers/{digest}/{CONFIG}").content == config
    assert found.headers["etag"] == f'"{hashlib.sha256(weights).hexdigest()}"'
    assert found.headers["repr-digest"].startswith("sha-256=:")
    named = {f["name"]: f["sha256"] for f in ada.get(f"/v1/layers/{digest}").json()["files"]}
    assert named == {
        n: hashlib.sha256(d).hexdigest() for n, d in ((CONFIG, config), (WEIGHTS, weights))
    }


def test_download_resumes_by_range(shop, files):
    """Two halves make the whole; If-Range with another tag starts over; beyond the end is 416."""
    publish(shop, files)
    digest, _, weights = files
    bob, address = shop.caller("bob"), f"/v1/layers/{digest}/{WEIGHTS}"
    first = bob.get(address, headers={"Range": "bytes=0-99"})
    rest = bob.get(address, headers={"Range": "bytes=100-", "If-Range": first.headers["etag"]})
    assert (first.status_code, rest.status_code) == (206, 206)
    assert first.content + rest.content == weights
    assert first.headers["content-range"] == f"bytes 0-99/{len(weights)}"
    other = bob.get(address, headers={"Range": "bytes=100-", "If-Range": '"other"'})
    assert other.status_code == 200 and other.content == weights
    beyond = bob.get(address, headers={"Range": "bytes=999999-"})
    assert (beyond.status_code, slug(beyond)) == (416, "range-invalid")
    same = bob.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert same.status_code == 304
    look = bob.send("HEAD", address)
    assert look.headers["content-length"] == str(len(weights)) and look.content == b""


@pytest.mark.parametrize("reader", ["eve", None])
def test_who_did_not_pay_learns_nothing(shop, files, reader):
    """Neither whether the layer is here, nor its files."""
    publish(shop, files)
    caller = shop.caller(reader) if reader else shop.nobody()
    for digest in (files[0], "0" * 64):
        for address in (f"/v1/layers/{digest}", f"/v1/layers/{digest}/{WEIGHTS}"):
            answer = caller.get(address)
            assert answer.status_code == (403 if reader else 401)


def test_an_evaluator_downloads_without_paying_even_what_is_quarantined(shop, files):
    """Its buyer may not use that any more, the evaluator must judge it; of a revoked one, none."""
    publish(shop, files)
    ada, eve = shop.caller("ada"), shop.caller("eve")
    address = f"/v1/layers/{files[0]}/{WEIGHTS}"
    assert ada.change("POST", "/v1/listings/sql-v2/purchases", {"buyer": "ada"}).status_code == 200
    assert "a day's rent is enough" in eve.get(address).json()["detail"]
    shop.market.appoint_evaluator("eve", key="appoint")
    assert eve.get(address).content == files[2]
    shop.market.quarantine(listing="sql-v2", by="eve", reason="odd", key="stop")
    assert (ada.get(address).status_code, eve.get(address).status_code) == (403, 200)
    assert eve.get(f"/v1/layers/{files[0]}").status_code == 200
    shop.market.revoke(listing="sql-v2", by="eve", reason="poisoned", key="gone")
    assert eve.get(address).status_code == 403


def test_a_service_may_demand_signed_manifests(host, tmp_path, files):
    """Told so, it lists nothing that nobody vouches for."""
    strict = host(layers=tmp_path / "store", must_be_signed=True)
    bob = strict.member("bob")
    assert upload(bob, files).json()["complete"] is True
    refused = bob.change("POST", "/v1/listings", listing(files[0]))
    assert refused.status_code == 409 and "must come with a signed manifest" in refused.text
    assert strict.market.listings() == []


def test_listing_needs_the_files(shop, files):
    """Nothing is for sale that could not be delivered."""
    refused = shop.caller("bob").change("POST", "/v1/listings", listing(files[0]))
    assert (refused.status_code, slug(refused)) == (409, "layer-missing")


def test_weights_before_the_configuration_are_refused(shop, files):
    """The weights complete an upload, so they come last."""
    refused = put(shop.caller("bob"), files[0], WEIGHTS, files[2])
    assert (refused.status_code, slug(refused)) == (409, "layer-missing")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda w: b"\x80\x04" + w[2:], None),
        (lambda w: w[:-4], None),
        (lambda w: w[:-1] + bytes([w[-1] ^ 1]), "digest"),
    ],
)
def test_bad_layer_is_refused_with_the_validators_code(shop, files, spoil, code):
    """A pickle, a cut file, another layer than announced: refused, and nothing is kept."""
    digest, config, weights = files
    bob = shop.caller("bob")
    put(bob, digest, CONFIG, config)
    refused = put(bob, digest, WEIGHTS, spoil(weights))
    assert (refused.status_code, slug(refused)) == (422, "layer-rejected")
    assert refused.json()["code"] == code if code else refused.json()["code"]
    assert "/store" not in refused.json()["detail"]
    assert not shop.service.store.has(digest)
    assert upload(bob, files).json()["complete"] is True


def test_body_changed_on_the_way_is_refused(shop, files):
    """A streamed body is compared with the signed digest before it counts."""
    config = files[1]
    bob, url = shop.caller("bob"), f"{ORIGIN}/v1/layers/{files[0]}/{CONFIG}"
    headers = sign_headers(bob.key, "PUT", url, config, {"Idempotency-Key": "k"})
    refused = shop.client.put(url, content=config[:-1] + b" ", headers=headers)
    assert (refused.status_code, slug(refused)) == (400, "digest-mismatch")


def test_only_a_layers_files_are_taken(shop, files):
    """No program, no other name, no path."""
    for name in ("evil.py", "weights.bin", "..%2f..%2fetc"):
        assert put(shop.caller("bob"), files[0], name, b"x").status_code == 404


def test_unfinished_uploads_are_few(shop, files):
    """An account cannot fill the disk with beginnings; abandoning one makes room."""
    bob = shop.caller("bob")
    for number in range(4):
        assert put(bob, f"{number:064x}", CONFIG, files[1]).status_code == 201
    refused = put(bob, "f" * 64, CONFIG, files[1])
    assert (refused.status_code, slug(refused)) == (409, "too-many-uploads")
    assert bob.change("DELETE", f"/v1/layers/{0:064x}").status_code == 204
    assert put(bob, "f" * 64, CONFIG, files[1]).status_code == 201


def test_file_changed_on_disk_is_not_handed_out(shop, files):
    """A rotten or swapped file is a failure, never a download."""
    publish(shop, files)
    digest, _, weights = files
    path = shop.service.store._layers / digest / WEIGHTS
    path.chmod(0o600)
    path.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    answer = shop.caller("bob").get(f"/v1/layers/{digest}/{WEIGHTS}")
    assert answer.status_code == 500 and weights[:8] not in answer.content


def test_service_without_a_store_says_so(hosted):
    """A market that keeps no files has none to give."""
    hosted.member("bob")
    answer = put(hosted.caller("bob"), "0" * 64, CONFIG, b"{}")
    assert (answer.status_code, slug(answer)) == (404, "not-found")
    assert key_of("bob")


@pytest.mark.parametrize("n_accounts", [1, 4])
def test_the_same_weights_many_times_at_once_are_stored_once(shop, files, n_accounts):
    """Every upload is answered as done or as somebody else's to finish; none fails."""
    digest, config, weights = files
    names = [f"seller-{number}" for number in range(n_accounts)]
    callers = [shop.member(name) for name in names]
    for caller in callers:
        assert put(caller, digest, CONFIG, config).status_code == 201
    with ThreadPoolExecutor(8) as pool:
        together = [callers[number % n_accounts] for number in range(8)]
        answers = list(pool.map(lambda one: put(one, digest, WEIGHTS, weights), together))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {201, 409} and statuses.count(201) >= 1
    assert [path.name for path in (shop.service.store._layers).iterdir()] == [digest]
    assert not list(shop.service.store._uploads.rglob("*.safetensors"))


def test_a_full_disk_is_said_and_recovers(shop, files, tmp_path, monkeypatch):
    """503 while no byte fits, whatever step finds out; with room again the same upload goes on."""
    digest, config, weights = files
    bob = shop.caller("bob")
    assert put(bob, digest, CONFIG, config).status_code == 201
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (1, len(weights)):  # while it arrives; when its facts are written
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        if room > 1:
            monkeypatch.setattr("pathlib.Path.write_text", no_room)
        try:
            refused = put(bob, digest, WEIGHTS, weights)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            monkeypatch.undo()
        assert (refused.status_code, slug(refused)) == (503, "storage-full")
        assert int(refused.headers["retry-after"]) > 0
        assert put(bob, digest, CONFIG, config).status_code == 201
    assert put(bob, digest, WEIGHTS, weights).json()["complete"] is True
    assert bob.change("POST", "/v1/listings", listing(digest)).status_code == 201


def no_room(*_args, **_options):
    """What a full disk says."""
    raise OSError(errno.ENOSPC, "No space left on device")
