"""A home with two personas, and the API over it in this process."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from economy.serving.serve import create_app, server_of
from economy.serving.service import Service
from genome.base_model import BaseModel
from genome.library import Library
from genome.search.question_encoder import QuestionEncoder
from marketplace.service.serve import bound
from tests.support.genome import put_ada_and_bob


@pytest.fixture
def home(tmp_path: Path, embedded: BaseModel) -> Path:
    """Two personas that answer differently, of layers `ada` and `bob`."""
    put_ada_and_bob(tmp_path, embedded)
    return tmp_path


@pytest.fixture
def searchable(home: Path, embedded: BaseModel) -> Path:
    """The same, where layer `ada` is known to be good at sorting and `bob` at shifting."""
    library = Library.open(home)
    questions = {
        "ada": [f"sort: {a}{b}ca" for a in "abcdef" for b in "ghij"],
        "bob": [f"shift: {a}{b}ca" for a in "abcdef" for b in "ghij"],
    }
    encoder = QuestionEncoder.fit(embedded, [q for qs in questions.values() for q in qs])
    library.save_encoder(encoder)
    for name, asked in questions.items():
        digest = library.resolve(name)
        vector = encoder.encode(asked).mean(0)
        library.set_vector(digest, vector / np.linalg.norm(vector), n_results=60)
    return home


@pytest.fixture
def service(home: Path, embedded: BaseModel) -> Iterator[Service]:
    """What the API shares."""
    service = Service.of(home, embedded, "embedded", log_to=io.StringIO())
    yield service
    service.close()


@pytest.fixture
def port(service: Service) -> Iterator[int]:
    """Of the API, served over a real socket until it is told to stop."""
    started, listener = threading.Event(), bound("127.0.0.1", 0)
    server = server_of(service, started.set)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    assert started.wait(30)
    yield listener.getsockname()[1]
    server.handle_exit(signal.SIGTERM, None)
    thread.join(40)
    listener.close()
    assert not thread.is_alive()


@pytest.fixture
def api(service: Service) -> Iterator[Any]:
    """A client of the API."""
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        yield client
