"""`verify`: what it says about a file, and its exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.cli_calls import Terminal
from support.composed_media import still
from support.signed_media import signed_card


def test_a_signed_file_is_shown_with_its_signer(call: Terminal, tmp_path: Path) -> None:
    card = signed_card(tmp_path)
    said = call("verify", card)
    assert said.code == 0
    assert "card.png: signed, unchanged" in said.out
    for words in ("Aurora signer, Aurora Studio", "run_0123", "trainedAlgorithmic", "hero.png"):
        assert words in said.out
    document = call("verify", card, "--json").document
    assert (document["signed"], document["valid"]) == (True, True)
    assert document["signer"] == "Aurora signer"
    assert document["ingredients"][0]["title"] == "hero.png"


def test_a_changed_file_ends_with_1(call: Terminal, tmp_path: Path) -> None:
    path = signed_card(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 10] ^= 1
    path.write_bytes(data)
    said = call("verify", path)
    assert said.code == 1
    assert "NOT VALID" in said.out
    assert "mismatch" in said.out


def test_an_unsigned_file_ends_with_1(call: Terminal, tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="needs the extra c2pa")
    path = still(tmp_path / "a.png", (8, 8))
    said = call("verify", path)
    assert said.code == 1
    assert "a.png: not signed" in said.out
    assert call("verify", path, "--json").document == {"signed": False}


def test_a_pipe_is_not_waited_for(call: Terminal, tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="needs the extra c2pa")
    os.mkfifo(tmp_path / "a.png")
    said = call("verify", tmp_path / "a.png")
    assert said.code != 0
    assert "a.png: not a file" in said.err
