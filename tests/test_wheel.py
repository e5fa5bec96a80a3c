"""The wheel: one package to import, all data inside, usable beside files of the same names."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of what git knows: building leaves folders behind."""
    source = tmp_path_factory.mktemp("source")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    listing = "\n".join(name for name in files if (ROOT / name).exists())
    with subprocess.Popen(
        ["tar", "-cT", "-"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as packed:
        assert packed.stdin is not None
        packed.stdin.write(listing.encode())
        packed.stdin.close()
        subprocess.run(["tar", "-x"], cwd=source, stdin=packed.stdout, check=True)
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True)
    return next(folder.glob("seelike-*.whl"))


def test_it_installs_one_package_with_all_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"seelike"}
    inside = {name for name in names if name.startswith("seelike/")}
    for root in ("flows", "tasks", "analysis", "storage"):
        expected = {f"seelike/{path.relative_to(ROOT)}" for path in (ROOT / root).rglob("*.py")}
        assert expected <= inside
    assert {"seelike/py.typed", "seelike/storage/reports/templates/report.html"} <= inside
    zoo = {f"seelike/{path.relative_to(ROOT)}" for path in (ROOT / "storage/shipped").rglob("*.*")}
    assert zoo <= inside


def test_it_compares_beside_files_named_as_its_parts(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(installed)
    work = tmp_path / "work"
    work.mkdir()
    for name in ("flows", "tasks", "analysis", "storage"):
        (work / f"{name}.py").write_text("raise RuntimeError('not this one')")
    (work / "study.py").write_text(
        "import seelike\n"
        f"assert seelike.__file__.startswith({str(installed)!r}), seelike.__file__\n"
        "study = {'name': 'mine', 'store': 'store', 'report': 'report', 'batch': 32,\n"
        "         'images': {'source': 'digits', 'count': 64}, 'keep': 'signatures',\n"
        "         'models': [{'name': 'A', 'zoo': 'mixer'}], 'baseline': False}\n"
        "print(float(seelike.compare(study).open()['cka'].max()))\n"
    )
    done = subprocess.run(
        [sys.executable, "study.py"],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-1] == "1.0"
    assert (work / "report" / "index.html").is_file()
