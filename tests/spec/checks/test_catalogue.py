"""Requests that the service would refuse, found before a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.wrong_specs import HEAD, diagnostics_of


def test_files_that_a_spec_names_must_be_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    for name in ("outside.png", "specs/inside.png"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    named = "inside.png, ../outside.png, missing.png, 'https://example.com/a.png'"
    step = f"  b:\n    uses: generate\n    with: {{model: nano-banana-2, prompt: x, references: [{named}]}}\n"
    outside, missing = diagnostics_of(f"{HEAD}steps:\n{step}", tmp_path / "specs")
    assert "'../outside.png' is outside the folder" in outside.message
    assert "there is no file 'missing.png'" in missing.message


@pytest.mark.parametrize(
    "wanted", ["web_search: '${{ inputs.search }}'", "attachments: ['${{ inputs.photo or none }}']"]
)
def test_what_a_chat_model_cannot_do_is_allowed_where_it_may_not_be_asked_for(wanted: str) -> None:
    inputs = "inputs:\n  search: {type: boolean, default: false}\n  photo: {type: file, kind: image, required: false}\n"
    chat = f"  s: {{uses: chat, with: {{model: claude-sonnet-4-6-chat, message: Hi, {wanted}}}}}\n"
    assert diagnostics_of(HEAD + inputs + "steps:\n" + chat) == ()


@pytest.mark.parametrize(
    ("dialogue", "message"),
    [
        ("['${{ inputs.words }}']", "dialogue[0] must be a map, but this is a list"),
        ("'${{ inputs.words }}'", "'dialogue' takes a list of maps, but this is a list of text"),
        ("['${{ item }}', {txet: b}]", "dialogue[1] has no 'text'"),
        ("[{text: '${{ inputs.words[0] }}'}, '${{ item }}']", ""),
    ],
)
def test_computed_members_of_a_list_of_maps_must_be_maps(dialogue: str, message: str) -> None:
    inputs = "inputs: {words: {type: list, of: string}, lines: {type: list}}\nsteps:\n"
    voice = f"{{model: elevenlabs-dialogue-v3, params: {{dialogue: {dialogue}}}}}"
    step = f"  p: {{uses: generate, foreach: '${{{{ inputs.lines }}}}', with: {voice}}}\n"
    found = diagnostics_of(HEAD + inputs + step)
    assert [message in one.message for one in found] == ([True] if message else [])
