"""Progress bars on the terminal: those of all steps that run at once, one below the other."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from distributed import get_worker
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_lock = threading.Lock()
_bars = 0
_display: Progress | None = None


class TerminalBar:
    """The bar of one step; without a display it does nothing."""

    def __init__(self, display: Progress | None, step: str, *, total: int, unit: str, done: int):
        self._display, self._step, self._total, self._unit = display, step, total, unit
        self._done, self._start = done, time.monotonic()
        self._task = TaskID(0)
        if display is not None:
            self._task = display.add_task(step, total=total, completed=done, unit=unit, note="")

    def advance(self, count: int, *, note: str | None = None) -> None:
        """Count ``count`` more as done; ``note`` is shown behind the bar."""
        self._done += count
        if self._display is not None:
            self._display.advance(self._task, count)
            if note is not None:
                self._display.update(self._task, note=note)

    def close(self) -> None:
        """Replace the bar by a line above those of other steps."""
        if self._display is not None:
            seconds = time.monotonic() - self._start
            self._display.remove_task(self._task)
            self._display.console.print(
                f"{self._step}: {self._done} of {self._total} {self._unit}, {seconds:.0f} s",
                markup=False,
                highlight=False,
            )


@contextmanager
def terminal_bar(step: str, *, total: int, unit: str, done: int = 0) -> Iterator[TerminalBar]:
    """Show a bar on stderr for as long as the context lasts.

    Nothing is shown where stderr is no terminal, nor by a Dask worker, whose terminal, if any,
    belongs to others.
    """
    bar = TerminalBar(_begin(), step, total=total, unit=unit, done=done)
    try:
        yield bar
    finally:
        bar.close()
        _end()


def _begin() -> Progress | None:
    """Return the display that all bars share, started with the first of them."""
    global _bars, _display
    with _lock:
        if _bars == 0 and not _on_dask_worker():
            console = Console(stderr=True)
            if console.is_terminal:
                # Only stderr goes through the display: stdout may be a file.
                _display = Progress(
                    TextColumn("{task.description}", markup=False),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TextColumn("{task.fields[unit]}", markup=False),
                    TimeElapsedColumn(),
                    TimeRemainingColumn(),
                    TextColumn("{task.fields[note]}", markup=False),
                    console=console,
                    redirect_stdout=False,
                )
                _display.start()
        _bars += 1
        return _display


def _end() -> None:
    """Stop the display with its last bar."""
    global _bars, _display
    with _lock:
        _bars -= 1
        if _bars == 0 and _display is not None:
            _display.stop()
            _display = None


def _on_dask_worker() -> bool:
    try:
        get_worker()
    except ValueError:
        return False
    return True
