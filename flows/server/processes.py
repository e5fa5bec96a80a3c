"""Processes that end with the block that started them, and take theirs with them."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long a worker's run, and a process of ours, may take to end when asked; then it is killed.
RUN_SECONDS, END_SECONDS = 15, 40


@contextmanager
def until_told_to_end() -> Iterator[None]:
    """End the block on Ctrl-C, on SIGTERM, and when the terminal is closed."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def running(
    command: list[str], environment: dict[str, str], *, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own: Ctrl-C reaches it through us, in the right order."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


@contextmanager
def ending_children(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """After the block end what ``process`` started, each child with its process group."""
    try:
        yield
    finally:
        # Of one that ended by itself the children are no longer known; its successor needs signals.
        if process.poll() is None:
            _ignore_signals()
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children()
            for number, seconds in ((signal.SIGTERM, RUN_SECONDS), (signal.SIGKILL, 5)):
                for child in children:
                    with suppress(ProcessLookupError):
                        os.killpg(child.pid, number)
                _, children = psutil.wait_procs(children, timeout=seconds)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End ``process`` and all that it started: asked first, killed after ``END_SECONDS``."""
    if process.poll() is not None:
        return
    _ignore_signals()
    started: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    for left in started:
        with suppress(psutil.NoSuchProcess):
            for one in (*left.children(recursive=True), left):
                one.kill()
    process.kill()
    process.wait()


def _ignore_signals() -> None:
    """From here on: a second Ctrl-C would leave half of it behind."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
