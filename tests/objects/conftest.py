"""A real S3 server on loopback: moto's, whose requests are answered one after the other."""

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any

import boto3
import pytest
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "NO_PROXY": "127.0.0.1",
}


@dataclass
class Server:
    """The server, what was asked of it, and how it is to answer what is asked next."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    # "503", "403": answers so; "reset": closes the connection; "lost": does it, and answers 500.
    faults: list[str] = field(default_factory=list)
    _moto: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))
    # moto looks whether an object is there, and then puts it: not at once, as S3 does.
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        with self._turn:
            self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            fault = self.faults.pop(0) if self.faults else ""
            if fault in ("503", "403"):
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                respond(f"{fault} Not Now", [("Content-Length", "0")])
                return [b""]
            if fault == "reset":
                environ["werkzeug.socket"].shutdown(SHUT_RDWR)
                return [b""]
            if fault == "lost":
                list(self._moto(environ, lambda *_: None))
                respond("500 Internal Server Error", [("Content-Length", "0")])
                return [b""]
            return list(self._moto(environ, respond))


@dataclass(frozen=True)
class Bucket:
    """A bucket of one test, seen by another client than seelike's."""

    name: str
    client: Any

    @property
    def url(self) -> str:
        return f"s3://{self.name}/some/where"

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """All objects whose keys follow ``some/where/`` and ``prefix``."""
        root = f"some/where/{prefix}"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=root)
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        return {
            key.removeprefix(root): self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
            for key in keys
        }

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=f"some/where/{key}", Body=content)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=f"some/where/{key}")


@pytest.fixture(scope="session")
def _serving() -> Iterator[tuple[Server, str]]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Server()
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield app, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(_serving: tuple[Server, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, whose address and keys are in the environment."""
    app, address = _serving
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, value)
    app.requests.clear()
    yield app
    app.faults.clear()


@pytest.fixture
def bucket(server: Server, _serving: tuple[Server, str]) -> Bucket:  # noqa: ARG001
    """A new, empty bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=_serving[1],
        region_name="us-east-1",
        aws_access_key_id="other",
        aws_secret_access_key="other",
    )
    made = Bucket(f"test-{uuid.uuid4().hex[:12]}", client)
    client.create_bucket(Bucket=made.name)
    return made
