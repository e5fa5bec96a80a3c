"""Child processes that end with their context, and with them all processes they started."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds until a run of the worker, or a process of ours, is killed after it was asked to end.
RUN_SECONDS, END_SECONDS = 15, 40


@contextmanager
def until_interrupted() -> Iterator[None]:
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
    """Run a process in a session of its own, so that we pass Ctrl-C on, in the right order."""
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
    """End the children of a process after the block, each with its process group."""
    try:
        yield
    finally:
        # The children of a process that ended by itself are unknown; its successor needs signals.
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
    """Ask a process and all that it started to end; kill them after ``END_SECONDS``."""
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
    """Ignore signals from here on: a second Ctrl-C would leave processes behind."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
