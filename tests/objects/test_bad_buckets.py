"""A bucket that can't be used is said in one line, in time, with the remedy."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from seelike.flows.cli.main import main
from seelike.storage.errors import StorageError
from seelike.storage.places.place import open_place

OPENING = """
from seelike.storage.errors import StorageError
from seelike.storage.store import locate

try:
    locate("s3://b/a")
except StorageError as error:
    print(error)
"""
WITHOUT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def refusal(capsys: pytest.CaptureFixture[str], url: str) -> str:
    assert main(["store", "ls", url]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r"seelike: [^\n]+\n", said)
    return said


@pytest.fixture
def strict(bucket: Any) -> Iterator[str]:
    """The URL of a bucket whose server asks who it is that asks, and knows nobody."""
    address = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth"

    def after(requests: str) -> None:
        headers = {"Content-Type": "text/plain"}
        with urlopen(Request(address, requests.encode(), headers, method="POST")):
            pass

    after("0")
    yield bucket.url
    after("inf")


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of someone who listens and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://no-such-bucket/a", "s3://no-such-bucket/a: bucket 'no-such-bucket' does not exist"),
        ("s3://", "'s3://' names no bucket; expected s3://BUCKET/PREFIX"),
        ("s3:///a", "names no bucket; expected s3://BUCKET/PREFIX"),
        ("s4://bucket", r"begins with s4://; expected a folder, or one of .*s3://, gs://, az://"),
        ("az://container/a", "no credentials in the environment; set AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_what_is_no_bucket_is_named(
    capsys: pytest.CaptureFixture[str], url: str, message: str
) -> None:
    assert re.search(message, refusal(capsys, url))


def test_unknown_keys_are_refused(strict: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, strict)
    assert f"{strict}: access is refused (InvalidAccessKeyId); check AWS_ACCESS_KEY_ID" in said


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("http://127.0.0.1:9", "s3://b/a can't be reached: .*; check the endpoint and the network"),
        ("localhost:9000", "AWS_ENDPOINT_URL is 'localhost:9000'; expected http://"),
    ],
)
@pytest.mark.usefixtures("server")
def test_an_endpoint_where_nobody_is(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    endpoint: str,
    message: str,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert re.search(message, refusal(capsys, "s3://b/a"))


@pytest.mark.usefixtures("server")
def test_who_never_answers_is_not_waited_for(mute: str) -> None:
    nobody = {k: v for k, v in os.environ.items() if k not in WITHOUT}
    cases = [
        (os.environ | {"AWS_ENDPOINT_URL": mute}, "s3://b/a can't be reached: "),
        (
            # Without keys, it is the machine itself that would be asked who it is.
            nobody | {"AWS_METADATA_ENDPOINT": mute},
            "s3://b/a: there are no credentials in the environment; set AWS_ACCESS_KEY_ID and",
        ),
    ]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPENING], env=environment, stdout=subprocess.PIPE, text=True
        )
        for environment, _ in cases
    ]
    for process, (_, message) in zip(started, cases, strict=True):
        said, _ = process.communicate(timeout=30)
        assert said.startswith(message)
        assert said.count("\n") == 1


def test_a_place_is_opened_without_a_look_at_it() -> None:
    assert open_place("s3://b/a/").url == "s3://b/a"
    assert open_place("file:///tmp/a").url == "/tmp/a"
    with pytest.raises(StorageError, match="expected a folder"):
        open_place("http://host/a")
