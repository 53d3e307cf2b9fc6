"""Lists what a distribution needs: its software bill of materials (SBOM), in CycloneDX.

Which package needs which is in their metadata, versions and hashes are in locks/, and licences come from
scripts/licences.py. Markers of extras are evaluated for the platform that builds: what an extra needs on
another one only is missing. Two builds of a commit on a platform have the same SBOM.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from licences import LOCKS, licence
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_LOCKED = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+).*(?P<hashes>(?:\n    --hash=.+)+)", re.MULTILINE
)


Parts = dict[str, dict[str, Component]]
"""By name and version of a package: there are two where the newest does not run on an old Python."""


def write(out: Path, epoch: int) -> None:
    """Writes NAME-VERSION.cdx.json for each wheel of a folder.

    Args:
        out: It has a wheel and a source distribution of each distribution of this repository.
        epoch: The time of the SBOMs, in seconds since 1970.
    """
    wheels = [str(wheel) for wheel in out.glob("*.whl")]
    own: dict[str, Distribution] = {
        canonicalize_name(one.name): one for one in distributions(path=wheels)
    }
    parts = _read_locks(["base", *_extras(own["rivya-flows"])])
    parts |= {name: {one.version: _own(one, out)} for name, one in own.items()}
    for name, one in own.items():
        always = needs(name, (), own, parts)
        whole = needs(name, _extras(one), own, parts)
        root = parts[name][one.version]
        when = datetime.fromtimestamp(epoch, UTC)
        bom = Bom(
            metadata=BomMetaData(component=root, timestamp=when),
            serial_number=uuid5(NAMESPACE_URL, " ".join(one.content for one in root.hashes)),
        )
        for needing, needed in whole.items():
            for part in parts[needing].values():
                part.scope = None if needing in always else ComponentScope.OPTIONAL
                if part is not root:
                    bom.components.add(part)
                required = [to for other in needed for to in parts[other].values()]
                bom.register_dependency(part, required)
        text = JsonV1Dot6(bom).output_as_string(indent=2)
        (out / f"{_release(one)}.cdx.json").write_text(f"{text}\n", "utf-8")


def _read_locks(names: Iterable[str]) -> Parts:
    """The packages of some locks."""
    found: Parts = {}
    for lock in names:
        for pin in _LOCKED.finditer((LOCKS / f"{lock}.txt").read_text("utf-8")):
            purl = PackageURL("pypi", name=pin["name"], version=pin["version"])
            hashes = re.findall(r"sha256:([0-9a-f]{64})", pin["hashes"])
            part = _component(purl, licence(pin["name"])[0], hashes)
            found.setdefault(pin["name"], {})[pin["version"]] = part
    return found


def needs(
    name: str, extras: Iterable[str], own: Mapping[str, Distribution], parts: Parts
) -> Mapping[str, set[str]]:
    """What a package, and each package that it needs, needs: by name, on all platforms; for an extra, on this one.

    Args:
        name: Of the package.
        extras: Those that count.
        own: The distributions of this repository.
        parts: All packages; others are for a Python that is too old.
    """
    found: dict[str, set[str]] = {}
    waiting, seen = [(name, extra) for extra in ("", *extras)], set[tuple[str, str]]()
    while waiting:
        needing, extra = one = waiting.pop()
        needed = found.setdefault(needing, set())
        if one in seen:
            continue
        seen.add(one)
        for requirement in _requirements(needing, extra, own):
            if (to := canonicalize_name(requirement.name)) in parts:
                needed.add(to)
                waiting += [(to, more) for more in ("", *requirement.extras)]
    return found


def _requirements(name: str, extra: str, own: Mapping[str, Distribution]) -> Iterator[Requirement]:
    """What a package needs for an extra, and without one."""
    try:
        described = own.get(name) or distribution(name)
    except PackageNotFoundError:  # it is not for this platform
        return
    for requirement in map(Requirement, described.requires or ()):
        marker = requirement.marker
        if marker is None or "extra" not in str(marker) or marker.evaluate({"extra": extra}):
            yield requirement


def _extras(described: Distribution) -> list[str]:
    """The extras for users."""
    return [one for one in described.metadata.get_all("Provides-Extra", []) if one != "dev"]


def _own(described: Distribution, out: Path) -> Component:
    """A distribution of this repository: its archives, under no name of a registry, where it may be another's."""
    release = _release(described)
    archives = [*out.glob(f"{release}-*.whl"), out / f"{release}.tar.gz"]
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in archives]
    purl = PackageURL("generic", name=described.name, version=described.version)
    return _component(purl, described.metadata["License-Expression"], hashes)


def _release(described: Distribution) -> str:
    return f"{described.name.replace('-', '_')}-{described.version}"


def _component(purl: PackageURL, expression: str, sha256: Iterable[str]) -> Component:
    return Component(
        name=purl.name,
        version=purl.version,
        purl=purl,
        bom_ref=str(purl),
        licenses=[LicenseExpression(expression)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in sha256],
    )
