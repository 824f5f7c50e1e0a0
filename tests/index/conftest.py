"""A local server that speaks S3, for tests of object stores."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def _server() -> Iterator[str]:
    pytest.importorskip("moto", reason="needs moto: pip install 'samespace[dev]'")
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The URL of an empty prefix; the environment leads there, also that of processes started from here."""
    import obstore
    from obstore.store import S3Store

    settings = {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": _server, "AWS_ALLOW_HTTP": "true",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    import urllib.request

    put = urllib.request.Request(f"{_server}/shelf", method="PUT")  # making a bucket is no business of obstore's
    urllib.request.urlopen(put).close()
    prefix = f"{request.node.name[:40]}-{abs(hash(request.node.nodeid)):x}".replace("[", "-").replace("]", "")
    store = S3Store("shelf", prefix=prefix)
    assert not list(obstore.list(store))
    return f"s3://shelf/{prefix}"
