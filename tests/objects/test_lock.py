"""A lock in a bucket: one holder at a time, a killed one replaced, a living one never."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from seelike.storage.errors import StorageError
from seelike.storage.places.bucket import Bucket
from seelike.storage.store import make_store

# Long enough for a holder to be seen alive, short enough to wait for.
STALE = 1.2

COUNTING = """
import sys
from seelike.storage.store import open_store

store = open_store(sys.argv[1])
print("ready", flush=True)
for _ in range(4):
    with store.lock("counter"):
        found = int(store.place.read("count") or b"0")
        store.place.write("count", str(found + 1).encode())
"""

HOLDING = """
import sys
from seelike.storage.places.bucket import Bucket
from seelike.storage.errors import StorageError

try:
    with Bucket(sys.argv[1]).lock("held", stale=float(sys.argv[2])):
        print("holding", flush=True)
        sys.stdin.readline()
except StorageError as error:
    print(error)
"""


def lock(bucket: Any, *, wait: float = -1) -> AbstractContextManager[None]:
    return Bucket(bucket.url).lock("held", wait=wait, stale=STALE)


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()
        try:
            yield started
        finally:
            started.kill()


def test_two_processes_take_turns(bucket: Any) -> None:
    place = make_store(bucket.url).place
    with process(COUNTING, bucket.url) as one, process(COUNTING, bucket.url) as two:
        assert (one.wait(60), two.wait(60)) == (0, 0)
    assert place.read("count") == b"8"
    assert bucket.objects("locks/") == {}


def test_who_waits_for_no_longer_says_so(bucket: Any) -> None:
    with lock(bucket):
        with (
            pytest.raises(
                StorageError, match=f"held in {bucket.url} is being written by another run; wait"
            ),
            lock(bucket, wait=0),
        ):
            raise AssertionError("two holders")
        # For as long as it lives, its lock is its own.
        said = "is being written by another run"
        with pytest.raises(StorageError, match=said), lock(bucket, wait=3 * STALE):
            raise AssertionError("two holders")
    with lock(bucket, wait=0):
        assert list(bucket.objects("locks/")) == ["held.lock"]


def test_the_lock_of_a_killed_process_is_taken_over(bucket: Any) -> None:
    with process(HOLDING, bucket.url, 60) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert list(bucket.objects("locks/")) == ["held.lock"]
    with pytest.raises(StorageError, match="is being written"), lock(bucket, wait=0):
        raise AssertionError("nobody has seen that it is dead")
    with lock(bucket):
        pass
    assert bucket.objects("locks/") == {}


def test_a_holder_that_slept_is_told_that_it_was_replaced(bucket: Any) -> None:
    with process(HOLDING, bucket.url, STALE) as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        with lock(bucket):
            os.kill(holder.pid, signal.SIGCONT)
            said, _ = holder.communicate("\n", timeout=60)
            # What is given back is one's own lock alone.
            assert list(bucket.objects("locks/")) == ["held.lock"]
    assert f"held in {bucket.url} was taken over by another run" in said
    assert bucket.objects("locks/") == {}


def test_a_lock_whose_answer_was_lost_is_held(server: Any, bucket: Any) -> None:
    server.faults += ["lost"]
    with lock(bucket, wait=0):
        assert list(bucket.objects("locks/")) == ["held.lock"]
        server.faults += ["lost"]
    assert bucket.objects("locks/") == {}
