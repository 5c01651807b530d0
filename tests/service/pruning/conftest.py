"""What tests of `bespoke prune` share: the command, a model of a user, and pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from networks.adoption.module_source import adopt_module
from networks.export.onnx_model import export_onnx
from networks.export.renamed import renamed
from service import cli
from tests.networks.adoption.user_modules import Plain, trained

Type = Callable[..., tuple[int, str, str]]
SHAPE = (3, 8, 8)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Run `bespoke prune ARGUMENTS`: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["bespoke", "prune", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's file, with names of its own."""
    path = tmp_path_factory.mktemp("user") / "model.onnx"
    exported = export_onnx(adopt_module(trained(Plain()), SHAPE).network)
    renamed(exported, input_name="picture", output_name="scores").save(path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures as the model reads them, with labels."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("pictures") / "pictures.npz"
    np.savez(path, images=random.normal(size=(24, *SHAPE)).astype(np.float32), labels=random.integers(0, 5, 24))
    return path
