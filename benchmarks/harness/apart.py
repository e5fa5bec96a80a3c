"""Run one function in a process of its own, to measure its peak memory alone."""

import importlib
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARK = "result: "


def apart(function: Callable[..., Any], **arguments: Any) -> Any:
    """Run ``function(**arguments)`` in a new Python process.

    Args:
        function: A function at the top of its module; arguments and answer go through JSON.
        arguments: Its arguments.

    Raises:
        RuntimeError: With the end of the process's output, where it fails.
    """
    name = f"{function.__module__}:{function.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.harness.apart", name],
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not answers:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise RuntimeError(f"{name} ended with {done.returncode}:\n{output}")
    return json.loads(answers[-1].removeprefix(MARK))


def peak_bytes() -> int:
    """The largest resident memory this process has had.

    From /proc where there is one: ``getrusage`` counts what the parent had before the exec.
    """
    return _memory("VmHWM")


def resident_bytes() -> int:
    """The resident memory this process has now (its peak where there is no /proc)."""
    return _memory("VmRSS")


def _memory(field: str) -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    lines = (line.split() for line in status.read_text().splitlines())
    return next(1024 * int(parts[1]) for parts in lines if parts[0] == f"{field}:")


if __name__ == "__main__":
    module, _, called = sys.argv[1].partition(":")
    answer = getattr(importlib.import_module(module), called)(**json.load(sys.stdin))
    print(MARK + json.dumps(answer))
