from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from predictors import fit_predictors as module
from predictors.fit_predictors import FITTERS, fit_predictors
from predictors.storage import WEIGHTS


def test_every_fitter_is_run_into_the_folder_with_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[tuple[str, Path, Path]] = []
    told: list[str] = []

    def fitter(name: str) -> Callable[[Path, Path, module.Say], None]:
        def fit(data: Path, out: Path, say: module.Say) -> None:
            ran.append((name, data, out))
            say(f"{name} halfway")

        return fit

    monkeypatch.setattr(module, "FITTERS", {name: fitter(name) for name in FITTERS})
    out = tmp_path / "weights"
    fit_predictors(tmp_path, out, told.append)
    assert [name for name, *_ in ran] == list(FITTERS)
    assert all(data == tmp_path and to == out for _, data, to in ran)
    assert out.is_dir()
    assert sum("halfway" in text for text in told) == len(FITTERS)
    assert told[-1].startswith(f"[{len(FITTERS)}/{len(FITTERS)}]")


def test_every_shipped_file_has_a_fitter() -> None:
    """Names of weight files by the fitter that writes them."""
    written = {
        "universal-latency": {"universal-latency"},
        "cpu-latency": {"learned-latency"},
        "known-spaces": {"known_nb201", "known_fbnet", "known_ofa"},
        "energy": {"energy"},
        "ncnn-networks": {"ncnn_networks"},
        "accuracy": {"accuracy_table", "accuracy_prior"},
    }
    assert written.keys() == FITTERS.keys()
    assert set().union(*written.values()) == {file.stem for file in WEIGHTS.glob("*.safetensors")}
