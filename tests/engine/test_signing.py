"""Signing composed media, and reading back who signed what."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import pytest

pytest.importorskip("c2pa", reason="needs the extra c2pa")

from rivya_cut.metadata import lost_metadata
from rivya_flows.assets import Asset
from rivya_flows.engine.signing import Signing, signer_of, title_of, verify
from rivya_flows.errors import MediaError, UsageError
from rivya_flows.media.decoding import probe
from rivya_flows.settings import Settings
from support.certificates import ORGANIZATION, SIGNER, write_chain
from support.composed_media import film, still


def settings(certificate: Path | None, key: Path | None) -> Settings:
    return Settings(rivya_flows_c2pa_certificate=certificate, rivya_flows_c2pa_key=key)


@pytest.fixture
def signing(tmp_path: Path) -> Signing:
    signer = signer_of(settings(*write_chain(tmp_path)))
    assert signer is not None
    return Signing(signer, "run_0123")


def made(folder: Path, name: str) -> Path:
    path = folder / name
    return film(path, sound=0.1) if name.endswith("mp4") else still(path, (64, 64))


@pytest.mark.parametrize("name", ["9x16.mp4", "1x1.png", "poster.jpg", "loop.gif"])
def test_a_signed_medium_says_who_made_it_of_what(
    name: str, signing: Signing, tmp_path: Path
) -> None:
    path, hero = made(tmp_path, name), still(tmp_path / "hero.png", (8, 8))
    before = probe(path)
    digest = hashlib.sha256(hero.read_bytes()).hexdigest()
    source = Asset(kind="image", path=hero, sha256=digest)
    found = signing.sign(path, before, {"reframe": "pad"}, [source, source])
    assert found == probe(path)
    assert (found.width, found.duration_seconds) == (before.width, before.duration_seconds)
    read = verify(path)
    assert read is not None
    assert read.valid
    assert (read.signer, read.issuer, read.generator) == (SIGNER, ORGANIZATION, "rivya-flows")
    assert read.source_types == ("trainedAlgorithmicMedia",)
    assert read.run == "run_0123"
    assert read.created_at is not None
    assert read.signed_at is None
    assert [(one.title, one.sha256) for one in read.ingredients] == [("hero.png", digest)]
    assert lost_metadata([path]) == (f"C2PA manifest of {name}",) * (name != "loop.gif")


@pytest.mark.parametrize("name", ["9x16.mp4", "1x1.png"])
def test_a_changed_byte_is_found(name: str, signing: Signing, tmp_path: Path) -> None:
    path = made(tmp_path, name)
    signing.sign(path, probe(path), {}, [])
    data = bytearray(path.read_bytes())
    data[data.index(b"mdat" if name.endswith("mp4") else b"IDAT") + 20] ^= 1
    path.write_bytes(data)
    read = verify(path)
    assert read is not None
    assert not read.valid
    assert any("mismatch" in problem for problem in read.problems)


def test_an_unsigned_medium_has_no_credentials(tmp_path: Path) -> None:
    assert verify(still(tmp_path / "a.png", (8, 8))) is None


def test_broken_credentials_are_not_valid(signing: Signing, tmp_path: Path) -> None:
    path = made(tmp_path, "1x1.png")
    signing.sign(path, probe(path), {}, [])
    whole, chance = path.read_bytes(), random.Random(4)
    begin = whole.index(b"caBX")
    for _ in range(12):
        data = bytearray(whole)
        for _ in range(3):
            data[chance.randrange(begin + 4, begin + 3_000)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        read = verify(path)
        assert read is None or not read.valid


def test_what_is_no_medium_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(MediaError, match="of a known kind"):
        verify(tmp_path / "a.txt")


def test_a_medium_without_a_file_name_is_called_by_its_kind_and_hash() -> None:
    digest = "ab" * 32
    asset = Asset(kind="audio", mime_type="audio/mpeg", path=Path(digest), sha256=digest)
    assert title_of(asset) == "audio-abababababab.mp3"


def test_what_cannot_sign_is_refused_without_showing_the_key(tmp_path: Path) -> None:
    assert signer_of(settings(None, None)) is None
    chain, key = write_chain(tmp_path)

    def refusal() -> UsageError:
        with pytest.raises(UsageError) as raised:
            signer_of(settings(chain, key))
        return raised.value

    with pytest.raises(UsageError, match="needs both"):
        signer_of(settings(chain, None))
    key.chmod(0o644)
    assert "others can read" in str(refusal())
    assert refusal().hint == f"chmod 600 {key}"
    key.chmod(0o600)
    key.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    assert "cannot be used" in str(refusal())
    assert "c2VjcmV0" not in str(refusal())
    chain.write_text("words")
    assert re.search(r"RIVYA_FLOWS_C2PA_CERTIFICATE: .* is not a PEM file", str(refusal()))


def test_the_key_is_not_in_the_words_for_a_signer(signing: Signing) -> None:
    assert "PRIVATE" not in repr(signing)
