"""The page over a small collection, with a client that is let in."""

from collections.abc import Iterator

import pytest
from serving import PORT, TOKEN, Desk, fill
from starlette.testclient import TestClient

from samespace.encode.hashing import Hashing
from samespace.index.flat import FlatIndex
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Options
from samespace.serve.http import create_app
from samespace.serve.security import allowed_hosts


@pytest.fixture(scope="module")
def desk(encoder: Hashing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root = tmp_path_factory.mktemp("collection")
    index = FlatIndex(encoder.space, "hashing:256")
    fill(index, encoder, root)
    with ReaderPool(Options(), workers=1) as pool:
        app = create_app(index, encoder, pool, token=TOKEN, hosts=allowed_hosts("127.0.0.1", PORT))
        headers = {"authorization": f"Bearer {TOKEN}"}
        with TestClient(app, base_url=f"http://127.0.0.1:{PORT}", headers=headers, follow_redirects=False) as client:
            yield Desk(client, index, root)
