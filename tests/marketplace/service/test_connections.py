"""Who only waits locks nobody out: real sockets against a real server, and the rule by itself."""

import contextlib
import socket
import sys
import threading
import time

import httpx
import pytest

from marketplace.service import serve as serving
from marketplace.service.rates import Connections, Seat
from marketplace.service.settings import ConnectionLimits, RateLimit, ServiceSettings
from tests.support.service import SigningClient, key_of, public_of

SOON_S = 15.0
LIMITS = {"most": 40, "most_per_peer": 10, "head_s": 30.0, "stall_s": 30.0, "body_s": 30.0}


class Running:
    """A service on a free port, in a thread of this process."""

    def __init__(self, address: str, server) -> None:
        self.address, self.server = address, server
        host, _, port = address.removeprefix("http://").rpartition(":")
        self.where = (host, int(port))

    @property
    def seats(self) -> Connections:
        """Its connections."""
        return self.server._service.connections

    def connect(self, data: bytes = b"") -> socket.socket:
        """A stranger's connection on which this was sent."""
        found = socket.create_connection(self.where, timeout=SOON_S)
        with contextlib.suppress(OSError):
            found.sendall(data)
        return found

    def member(self, name: str, **options) -> SigningClient:
        """Somebody with an account, on connections of his own."""
        client = httpx.Client(base_url=self.address, timeout=SOON_S, **options)
        found = SigningClient(client, key_of(name))
        body = {"public_key": public_of(found.key)}
        answer = found.change("PUT", f"/v1/accounts/{name}", body)
        assert answer.status_code == 200, answer.text
        return found


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Starts a service with these limits; it is stopped at the end."""
    stop = []
    monkeypatch.setattr(serving, "SWITCH_S", sys.getswitchinterval())
    startup = serving.GracefulServer.startup

    def started(*, proxies=(), settings=None, **limits) -> Running:
        ready, servers = threading.Event(), []

        async def noted(server, sockets=None):
            servers.append(server)
            await startup(server, sockets)
            ready.set()

        monkeypatch.setattr(serving.GracefulServer, "startup", noted)
        told = ServiceSettings(
            connections=ConnectionLimits(**(LIMITS | limits)), **(settings or {})
        )
        url = f"sqlite:///{tmp_path}/market.db"
        options = {"port": 0, "settings": told, "proxies": proxies}
        thread = threading.Thread(target=serving.serve, args=(url,), kwargs=options)
        thread.start()
        assert ready.wait(60)
        stop.append((servers[0], thread))
        return Running(servers[0]._service.settings.origins[0], servers[0])

    yield started
    for server, thread in stop:
        server.should_exit = server.force_exit = True
        thread.join(30)


def ended(connection: socket.socket, within_s: float = SOON_S) -> bool:
    """Whether the service has ended a connection."""
    connection.settimeout(within_s)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def eventually(true, within_s: float = SOON_S) -> None:
    """Wait until something holds."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


HALF = {
    "idle": b"",
    "half a head": b"GET /v1/listings HTTP/1.1\r\nHost: x\r\nX-More: ",
    "half a body": b"POST /v1/usage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100000\r\n\r\n{",
}


@pytest.mark.parametrize("half", HALF)
def test_three_hundred_waiting_connections_lock_no_member_out(run, half):
    """From the member's own address; those over the share are ended, the longest waiting first."""
    service = run()
    waiting = [service.connect(HALF[half]) for _ in range(300)]
    started = time.monotonic()
    ada = service.member("ada")
    assert ada.get("/v1/accounts/ada").status_code == 200
    assert time.monotonic() - started < SOON_S
    eventually(lambda: len(service.seats) <= LIMITS["most_per_peer"] + 1)
    assert ended(waiting[0]) and not ended(waiting[-1], 0.1)
    assert ada.get("/v1/accounts/ada").status_code == 200
    for one in waiting:
        one.close()


def test_behind_a_proxy_an_address_has_its_share_of_requests(run):
    """Half bodies forwarded for one address end each other; another's, and members', go on."""
    service = run(proxies=("127.0.0.1",))

    def half(address: str) -> socket.socket:
        line = b"X-Forwarded-For: " + address.encode() + b"\r\nContent-Length"
        return service.connect(HALF["half a body"].replace(b"Content-Length", line))

    other = half("203.0.113.1")
    many = [half("203.0.113.2") for _ in range(25)]
    eventually(lambda: len(service.seats) <= LIMITS["most_per_peer"] + 1)
    assert ended(many[0]) and not ended(other, 0.1)
    ada = service.member("ada", headers={"X-Forwarded-For": "203.0.113.2"})
    assert ada.get("/v1/accounts/ada").status_code == 200
    idle = [service.connect() for _ in range(15)]  # the proxy's own: no address's share
    assert not ended(idle[0], 0.2)
    for one in (other, *many, *idle):
        one.close()


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ", b"x" * 65536),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n" * 10_000),
        (b"GET /", b"x" * 65536),
        (
            b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"a: b\r\n" * 10_000,
        ),
        (b"", b"\x00" * 65536),
    ],
    ids=["one long header", "many headers", "address", "trailers", "noise"],
)
def test_a_head_without_end_is_cut_off(run, start, more):
    """300 MB of it would have been kept; after a few blocks nobody listens any more."""
    service = run()
    connection, sent = service.connect(start), 0
    connection.settimeout(SOON_S)
    with contextlib.suppress(OSError):
        while sent < 50 << 20:
            connection.sendall(more)
            sent += len(more)
            time.sleep(0.001)
    assert sent < 20 << 20, "the service went on reading"
    eventually(lambda: len(service.seats) == 0)
    assert httpx.get(f"{service.address}/health").status_code == 200


def test_a_large_head_is_told_so(run):
    """431 with a problem document for who listens; what fits is answered."""
    service = run(max_head_bytes=10_000)
    fits = httpx.get(f"{service.address}/health", headers={"X-Long": "x" * 8000})
    large = httpx.get(f"{service.address}/health", headers={"X-Long": "x" * 12_000})
    assert (fits.status_code, large.status_code) == (200, 431)
    assert large.json()["type"] == "urn:continuum:service:head-too-large"


@pytest.mark.parametrize("half", HALF)
def test_who_is_too_slow_loses_the_connection(run, half):
    """Silent, or a byte now and then: head and body have an end in time."""
    service = run(head_s=0.5, stall_s=0.5, body_s=1.0)
    silent, dripping = service.connect(HALF[half]), service.connect(HALF[half])
    dripping.settimeout(0.05)
    until, alive = time.monotonic() + SOON_S, True
    while alive and time.monotonic() < until:
        try:
            dripping.sendall(b"x" if half != "idle" else b"G")
            alive = dripping.recv(100) != b""
        except TimeoutError:
            continue
        except OSError:
            alive = False
    assert not alive
    assert ended(silent)


def test_a_request_that_is_worked_on_keeps_its_connection(run, monkeypatch):
    """However many come meanwhile, and however long it takes."""
    service = run(head_s=0.5, stall_s=0.5, body_s=0.5)
    go_on, inside = threading.Event(), threading.Event()
    market = service.server._service.market

    def slow():
        inside.set()
        assert go_on.wait(30)
        return 7

    monkeypatch.setattr(market, "epoch", slow, raising=False)
    answers = []
    asks = threading.Thread(
        target=lambda: answers.append(httpx.get(f"{service.address}/v1/epoch", timeout=30))
    )
    asks.start()
    assert inside.wait(10)
    waiting = [service.connect() for _ in range(60)]
    time.sleep(1.5)
    go_on.set()
    asks.join(30)
    assert answers[0].json() == {"number": 7}
    for one in waiting:
        one.close()


def test_strangers_who_are_refused_do_not_use_up_a_members_quota(run):
    """Bad signatures at one address are refused by quota, a member's good one there is not."""
    service = run(settings={"unsigned": RateLimit(5, 600.0)})
    ada = service.member("ada")
    with httpx.Client(base_url=service.address) as client:
        forger = SigningClient(client, key_of("eve"))
        statuses = [forger.get("/v1/accounts/ada", tag="forged").status_code for _ in range(8)]
    assert statuses[-1] == 429
    assert ada.get("/v1/accounts/ada").status_code == 200


def seat(peer: str, closed: list[str], since: float, **facts) -> Seat:
    """A stranger's seat that waits since then."""
    return Seat(peer, lambda: closed.append(f"{peer}@{since:g}"), lambda: 0, since=since, **facts)


def test_the_address_with_most_waiting_seats_gives_way_first():
    """Then, of members, whoever waits longest; nobody who is worked on."""
    closed: list[str] = []
    seats = Connections(ConnectionLimits(most=4, most_per_peer=9))
    for one in (seat("a", closed, 1), seat("b", closed, 2), seat("b", closed, 3)):
        seats.enter(one)
    seats.enter(seat("m", closed, 0, known=True))
    seats.enter(seat("c", closed, 5))
    assert closed == ["b@2"] and len(seats) == 4
    for since in (6, 7):
        seats.enter(seat("m", closed, since, known=True, waiting=False))
    assert len(seats) == 4 and "m@0" not in closed
    for since in (8, 9):
        seats.enter(seat("m", closed, since, known=True, waiting=False))
    assert closed[-1] == "m@0" and len(seats) == 4
    newcomer = seat("z", closed, 10)
    seats.enter(newcomer)
    assert closed[-1] == "z@10", "all others work"


def test_bodies_that_strangers_announce_are_bounded_together():
    """Each may be as large as a body may be, all of them may not."""
    closed: list[str] = []
    seats = Connections(ConnectionLimits(most_bytes=100))
    held = [seat(str(number), closed, number) for number in range(4)]
    for one in held:
        seats.enter(one)
        one.n_bytes = 40
        seats.share(one)
    assert closed == ["0@0", "1@1"]


def test_who_does_not_read_the_answer_loses_the_connection():
    """An answer that nobody takes is not kept for ever."""
    closed: list[str] = []
    seats = Connections(ConnectionLimits(read_s=60.0))
    left = iter([10, 10, 5, 5, 5])
    one = Seat("a", lambda: closed.append("a"), lambda: next(left), waiting=False)
    seats.enter(one)
    for now in (0.0, 50.0, 70.0, 120.0):
        seats.sweep(now)
    assert closed == []
    seats.sweep(131.0)
    assert closed == ["a"]
