"""Signs media with content credentials (C2PA), and reads those of a file.

Nothing is fetched: no manifest, no certificate status, no time stamp. A signature says who signed
and that the content is unchanged; whether to trust the signer is up to the reader, since no list of
trusted certificates is consulted.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rivya_client.mime_types import HEAD_BYTES, mime_type_of_head
from rivya_cut.metadata import TRAINED
from rivya_flows.errors import MediaError, UsageError
from rivya_flows.version import __version__

SIGNED_TYPES = {"video/mp4", "image/png", "image/jpeg", "image/gif"}
_SOURCE_TYPE = f"http://cv.iptc.org/newscodes/digitalsourcetype/{TRAINED}"
_RUN = "org.rivya-flows.run"
_MAX_TEXT, _MAX_LISTED = 200, 100
_SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": False},
    "builder": {"thumbnail": {"enabled": False}},
}


@dataclass(frozen=True)
class Signer:
    """A certificate chain and its key, as PEM; the key is never shown."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Ingredient:
    """A medium that went into another: the name of its file, and the SHA-256 of its content."""

    title: str
    sha256: str


@dataclass(frozen=True)
class Credentials:
    """The content credentials of a file.

    Attributes:
        signed_at: By a time stamp authority; None without one.
        run: Id of the run that made it; None if another program did.
    """

    valid: bool
    signer: str | None = None
    issuer: str | None = None
    signed_at: str | None = None
    created_at: str | None = None
    generator: str | None = None
    source_types: tuple[str, ...] = ()
    ingredients: tuple[Ingredient, ...] = ()
    run: str | None = None
    problems: tuple[str, ...] = ()


def sign(
    path: Path,
    mime_type: str,
    signer: Signer,
    *,
    title: str,
    run: Mapping[str, str],
    created_at: str,
    ingredients: Sequence[Ingredient],
) -> None:
    """Add signed content credentials to a file, atomically; `created_at` is ISO 8601."""
    import c2pa

    agent = {"name": "rivya-flows", "version": __version__}
    created = {
        "action": "c2pa.created",
        "when": created_at,
        "digitalSourceType": _SOURCE_TYPE,
        "softwareAgent": agent,
    }
    manifest = {
        "claim_generator_info": [agent],
        "title": title,
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": _RUN, "data": dict(run)},
        ],
        "ingredients": [
            {
                "title": one.title,
                "instance_id": f"sha256:{one.sha256}",
                "relationship": "componentOf",
            }
            for one in ingredients
        ],
    }
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            open_signer(signer) as native,
            c2pa.Builder(json.dumps(manifest), context) as builder,
            path.open("rb") as source,
            part.open("w+b") as target,
        ):
            builder.sign(native, mime_type, source, target)
        part.replace(path)
    except (c2pa.C2paError, OSError) as error:
        raise MediaError(f"{path.name}: cannot be signed: {_short(error)}") from error
    finally:
        part.unlink(missing_ok=True)


def read_credentials(path: Path) -> Credentials | None:
    """The content credentials of an untrusted file; None if it has none."""
    import c2pa

    try:
        with path.open("rb") as file:
            mime_type = mime_type_of_head(file.read(HEAD_BYTES))
            if mime_type is None:
                raise MediaError(f"{path}: no image, film or sound of a known kind")
            file.seek(0)
            with (
                c2pa.Context.from_dict(_SETTINGS) as context,
                c2pa.Reader(mime_type, file, None, context) as reader,
            ):
                return _credentials(json.loads(reader.json()))
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError as error:
        return Credentials(False, problems=(_short(error),))


def _credentials(document: Mapping[str, Any]) -> Credentials:
    manifest = document["manifests"][document["active_manifest"]]
    data = {one.get("label", ""): one.get("data") or {} for one in manifest.get("assertions", [])}
    actions = [
        action
        for label, content in data.items()
        if label.startswith("c2pa.actions")
        for action in content.get("actions", [])
    ]
    signature = manifest.get("signature_info") or {}
    generators = manifest.get("claim_generator_info") or [{}]
    failures = document.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    types = [_short(one["digitalSourceType"]) for one in actions if one.get("digitalSourceType")]
    dates = [one["when"] for one in actions if one.get("when")]
    return Credentials(
        valid=document.get("validation_state") in ("Valid", "Trusted"),
        signer=_text(signature.get("common_name")),
        issuer=_text(signature.get("issuer")),
        signed_at=_text(signature.get("time")),
        created_at=_text(dates[0]) if dates else None,
        generator=_text(generators[0].get("name")),
        source_types=tuple(dict.fromkeys(one.rpartition("/")[2] for one in types))[:_MAX_LISTED],
        ingredients=tuple(
            Ingredient(
                _short(one.get("title", "")),
                _short(one.get("instance_id", "")).removeprefix("sha256:"),
            )
            for one in manifest.get("ingredients", [])[:_MAX_LISTED]
        ),
        run=_text((data.get(_RUN) or {}).get("id")),
        problems=tuple(
            _short(f"{one.get('code')}: {one.get('explanation')}") for one in failures[:_MAX_LISTED]
        ),
    )


def _text(value: object) -> str | None:
    return None if value is None else _short(value)


def _short(value: object) -> str:
    return "".join(one if one.isprintable() else " " for one in str(value)[:_MAX_TEXT])


def open_signer(signer: Signer) -> Any:
    """The signer of the C2PA library, to be closed; UsageError if it cannot be used."""
    import c2pa

    try:
        algorithm = getattr(c2pa.C2paSigningAlg, _algorithm(signer.key))
        info = c2pa.C2paSignerInfo(algorithm, signer.certificate, signer.key, None)
        return c2pa.Signer.from_info(info)
    except (c2pa.C2paError, ValueError, TypeError) as error:
        raise UsageError(
            f"the signing certificate or its key cannot be used: {_short(error)}",
            "RIVYA_FLOWS_C2PA_CERTIFICATE: the chain as PEM, the signer first;"
            " RIVYA_FLOWS_C2PA_KEY: its key as PKCS#8 PEM without a password",
        ) from error


def _algorithm(key: bytes) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    loaded = load_pem_private_key(key, None)
    if isinstance(loaded, ec.EllipticCurvePrivateKey):
        return {256: "ES256", 384: "ES384", 521: "ES512"}.get(loaded.curve.key_size, "")
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        return "ED25519"
    if isinstance(loaded, rsa.RSAPrivateKey):
        return "PS256"
    raise ValueError("of an algorithm that C2PA does not allow")
