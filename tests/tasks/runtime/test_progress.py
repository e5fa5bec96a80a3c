"""Progress on the terminal: bars of steps that run at once share one display, or none is drawn."""

import io
import re
import sys
import threading

import pytest

from seelike.tasks.runtime.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def steps_at_once() -> None:
    both = threading.Barrier(2)

    def step(name: str) -> None:
        with progress(f"record {name}", total=8, unit="images", done=2) as shown:
            for _ in range(3):
                both.wait(30)
                shown.advance(2, note="half")

    threads = [threading.Thread(target=step, args=(name,)) for name in ("ViT[0]", "ResNet")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_each_step_leaves_one_line_with_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    steps_at_once()
    for name in ("ViT[0]", "ResNet"):
        lines = re.findall(re.escape(f"record {name}: 8 of 8 images"), terminal.getvalue())
        assert len(lines) == 1, name


def test_nothing_is_drawn_where_stderr_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    steps_at_once()
    assert file.getvalue() == ""
