"""Media of one's own in free steps: beside the spec, on the web, or at the service already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, studio_at

HEAD = "version: 1\nname: own-media\n"
OWN = HEAD + "inputs: {photo: {type: file, kind: image}}\n"
STILL = f"""{HEAD}steps:
  still: {{uses: generate, with: {{model: z-image, prompt: a lamp}}}}
  sent: {{uses: upload, with: {{file: "${{{{ steps.still.asset }}}}"}}}}
outputs: {{url: "${{{{ steps.still.asset.url }}}}", id: "${{{{ steps.sent.id }}}}"}}
"""


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


@pytest.fixture
def photo(studio: Studio) -> dict[str, Any]:
    """The address and the id of a photo that the service has."""
    studio.run(STILL, "run-before")
    outputs: dict[str, Any] = studio.receipt("run-before")["outputs"]
    return outputs


@pytest.mark.parametrize("named", ["url", "id"])
@pytest.mark.parametrize(
    "step",
    [
        'film: {uses: compose, with: {images: ["${{ inputs.photo }}"]}}',
        'film: {uses: upload, with: {file: "${{ inputs.photo }}"}}',
        'sent: {uses: upload, with: {file: "${{ inputs.photo }}"}}\n'
        '  film: {uses: compose, with: {images: "${{ steps.sent.asset }}"}}',
    ],
    ids=["compose", "upload", "compose of an upload"],
)
def test_file_input_of_a_free_step_may_name_an_address_or_an_upload(
    named: str, step: str, studio: Studio, photo: dict[str, Any]
) -> None:
    state = studio.run(f"{OWN}steps:\n  {step}\n", inputs={"photo": photo[named]})
    assert state.ended == "completed", [item.reason for _, item in state.each()]


def test_composition_takes_files_beside_the_spec_and_on_the_web(
    studio: Studio, photo: dict[str, Any], tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), (200, 30, 0)).save(tmp_path / "card.png")
    images = f'[card.png, "{photo["url"]}"]'
    text = f"{HEAD}steps:\n  film: {{uses: compose, with: {{images: {images}}}}}\n"
    state = studio.run(text, folder=tmp_path)
    assert state.ended == "completed", [item.reason for _, item in state.each()]


def test_nothing_in_a_list_of_media_is_left_out(studio: Studio, photo: dict[str, Any]) -> None:
    images = '["${{ inputs.photo }}", "${{ steps.still.asset if inputs.photo is none else none }}"]'
    state = studio.run(
        f"""{OWN}steps:
  still: {{uses: generate, with: {{model: z-image, prompt: a lamp}}}}
  again: {{uses: generate, with: {{model: nano-banana-2, prompt: again, references: {images}}}}}
  film: {{uses: compose, with: {{images: {images}}}}}
""",
        inputs={"photo": photo["url"]},
    )
    assert state.ended == "completed", [item.reason for _, item in state.each()]
