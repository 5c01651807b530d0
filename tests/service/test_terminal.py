"""What comes from files of the user and goes to the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from service import cli
from service.documents import load_device
from service.terminal import show, visible

STEERING = "\x1b\x07\x9b\u202e"
EVIL = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202e Über 机器"


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_byte_order_mark_is_no_part_of_a_profile(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"board.{suffix}"
    content = '{"name": "Über", "kind": "mcu"}' if suffix == "json" else 'name = "Über"\nkind = "mcu"'
    file.write_text(content, "utf-8-sig")
    assert load_device(str(file)).name == "Über"


def test_names_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title=EVIL)
    table.add_row(Text(EVIL, style="bold"))
    for what in (Text(EVIL), Panel(Text(EVIL), title=Text(EVIL)), table, EVIL.replace("[", "")):
        show(what)
        out = capsys.readouterr().out
        assert not set(STEERING) & set(out)
        assert "Über 机器" in out
        assert r"\x1b" in out


def test_complaints_do_not_steer_it_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "board.json"
    file.write_text(json.dumps({"name": "x", "kind": "mcu", EVIL: 1}))
    monkeypatch.setattr("sys.argv", ["bespoke", "design", "--device", str(file)])
    with pytest.raises(SystemExit):
        cli.main()
    err = capsys.readouterr().err
    assert not set(STEERING) & set(err)
    assert "Extra inputs are not permitted" in err


@pytest.mark.parametrize(
    "text", ["Straße 100 %\nnext", "机器 7", "naïve ≤ 5", "\U0001f468\u200d\U0001f469", "soft\u00adhyphen"]
)
def test_plain_text_stays(text: str) -> None:
    assert visible(text) == text


def test_lone_surrogates_are_written_out() -> None:
    assert visible("a\ud800") == r"a\ud800"
