"""One model fails: the others are compared, and what is missing is told everywhere."""

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from prefect.client.orchestration import get_client

import seelike.tasks.recording.record
import seelike.tasks.runtime.retries
from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.recording import recording
from seelike.flows.cli.main import main
from seelike.flows.compare import compare, redraw
from seelike.flows.errors import Incomplete
from seelike.flows.study.study import Study
from seelike.storage.arrays.recordings import Recording
from seelike.storage.errors import StorageError, Unreachable
from seelike.tasks.runtime.retries import may_pass

pytestmark = pytest.mark.usefixtures("server")


def study(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "failing",
        "store": str(tmp_path / "store"),
        "images": {"source": "sample", "count": 32},
        "models": [{"name": "ResNet", "zoo": "resnet"}, {"name": "Mixer", "zoo": "mixer"}],
        "batch": 16,
        "baseline": False,
        "report": str(tmp_path / "report"),
    } | changes


LOST = {"name": "lost", "timm": "resnet18", "checkpoint": "absent.safetensors"}


def test_a_model_that_cannot_be_loaded_is_missing_and_the_others_are_compared(
    tmp_path: Path,
) -> None:
    asked = study(tmp_path, baseline=True)
    asked["models"].append(LOST)
    with pytest.raises(Incomplete, match=r"1 model is missing from .*: 'lost': .*'absent") as said:
        compare(asked)
    assert said.value.mistakes
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Model &#39;lost&#39; of the study is missing here, it failed: " in page
    # The untrained twin of what is missing is left out as well.
    assert "lost untrained" not in page
    # The same as the study of the others alone: nothing is computed for it again.
    whole = compare(study(tmp_path, baseline=True))
    assert whole.recorded == 0
    assert dict.fromkeys(whole.open()["model_a"].values.tolist()) == dict.fromkeys(
        ["ResNet", "Mixer", "ResNet untrained", "Mixer untrained"]
    )
    assert "missing here" not in (tmp_path / "report" / "index.html").read_text()
    with pytest.raises(Incomplete, match="'lost'"):
        redraw(Study.model_validate(asked))
    assert "missing here" in (tmp_path / "report" / "index.html").read_text()


def test_the_run_ends_as_failed_and_its_message_says_which_and_why(tmp_path: Path) -> None:
    asked = study(tmp_path)
    asked["models"].append(LOST)
    state = compare(asked, return_state=True)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
    assert run.state.is_failed()
    assert "'lost'" in run.state.message and "absent.safetensors" in run.state.message


def test_the_command_line_tells_it_and_ends_with_a_status_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    asked = study(tmp_path)
    asked["models"].append(LOST)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(asked))
    assert main(["compare", str(tmp_path / "study.yaml")]) == 2
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith("seelike: 1 model is missing from ")
    assert "Traceback" not in said.err

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a fault, not a mistake")

    del asked["models"][-1]
    asked["store"] = str(tmp_path / "other")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(asked))
    network_of = seelike.tasks.recording.record.network_of
    monkeypatch.setattr(
        seelike.tasks.recording.record,
        "network_of",
        lambda s: broken() if s.name == "Mixer" else network_of(s),
    )
    assert main(["compare", str(tmp_path / "study.yaml")]) == 1
    assert "'Mixer': ZeroDivisionError: a fault" in capsys.readouterr().err


def test_a_fault_while_recording_leaves_the_other_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Recording.write_tap

    def full(self: Recording, batch: int, tap: str, values: Any) -> int:
        if batch and self.group.attrs["model"] == "ResNet":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, batch, tap, values)

    monkeypatch.setattr(Recording, "write_tap", full)
    with pytest.raises(Incomplete, match=r"'ResNet': OSError: .*No space left") as said:
        compare(study(tmp_path))
    assert not said.value.mistakes
    monkeypatch.undo()
    # Its first batch stayed.
    assert compare(study(tmp_path)).recorded == 1


def test_where_all_fail_the_first_failure_is_raised_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    with pytest.raises(AnalysisError, match=r"absent\.safetensors"):
        compare(study(tmp_path, models=[LOST]))
    assert not (tmp_path / "store").exists()


def memory_for(images: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let torch's allocator refuse passes over more ``images``; the sizes that were tried."""
    tried = []
    checked = recording.checked

    def limited(batch: torch.Tensor, network: Any) -> torch.Tensor:
        tried.append(len(batch))
        if len(batch) > images:
            # What torch itself says where it can't: 2**62 bytes are nowhere.
            torch.empty(2**62, dtype=torch.int8)
        return checked(batch, network)

    monkeypatch.setattr(recording, "checked", limited)
    return tried


@pytest.mark.parametrize("keep", ["activations", "signatures"])
def test_out_of_memory_halves_the_forward_batch_and_changes_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str
) -> None:
    models = [{"name": "ResNet", "zoo": "resnet"}]
    whole = compare(study(tmp_path, keep=keep, models=models, store=str(tmp_path / "other")))
    tried = memory_for(5, monkeypatch)
    halved = compare(study(tmp_path, keep=keep, models=models))
    assert tried[:3] == [16, 8, 4] and set(tried[3:]) == {4}
    np.testing.assert_allclose(halved.open()["cka"], whole.open()["cka"], atol=1e-6)


def test_one_image_too_much_fails_the_branch_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_for(0, monkeypatch)
    with pytest.raises(AnalysisError, match="ResNet runs out of memory with one image per forward"):
        compare(study(tmp_path, models=[{"name": "ResNet", "zoo": "resnet"}]))


def test_what_may_pass_is_tried_again_and_mistakes_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = seelike.tasks.recording.record.record_missing
    tries: list[str] = []

    def shaky(shard: Any, *arguments: Any, **named: Any) -> int:
        tries.append(shard.plan.name)
        if len(tries) < 3:
            raise Unreachable("the store does not answer")
        return record(shard, *arguments, **named)

    monkeypatch.setattr(seelike.tasks.recording.record, "record_missing", shaky)
    # Prefect's own waiting, without the seconds.
    monkeypatch.setattr(
        seelike.tasks.recording.record.record_shard, "retry_delay_seconds", [0, 0, 0]
    )
    compare(study(tmp_path, models=[{"name": "ResNet", "zoo": "resnet"}]))
    assert tries == ["ResNet"] * 3

    def mistaken(*_: Any, **__: Any) -> int:
        tries.append("mistake")
        raise StorageError("a person has to mend this")

    monkeypatch.setattr(seelike.tasks.recording.record, "record_missing", mistaken)
    with pytest.raises(StorageError, match="a person"):
        compare(study(tmp_path, store=str(tmp_path / "b"), models=[{"name": "ViT", "zoo": "vit"}]))
    assert tries.count("mistake") == 1


def test_may_pass_knows_hanging_disks_from_full_ones() -> None:
    assert may_pass(OSError(errno.ESTALE, "stale file handle"))
    assert may_pass(ConnectionResetError(errno.ECONNRESET, "reset"))
    assert not may_pass(OSError(errno.ENOSPC, "full"))
    assert not may_pass(PermissionError(errno.EACCES, "denied"))
    wrapped = AnalysisError("explained")
    wrapped.__cause__ = Unreachable("gone")
    assert may_pass(wrapped)
