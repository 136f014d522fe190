"""A bill of materials (CycloneDX 1.6, JSON) of what the image installs: names, versions, hashes of every file.

``python tools/bill_of_materials.py > cherish.cdx.json`` (make sbom) reads requirements-image.txt and
requirements-torch.txt, no environment and no network, and the same requirements give the same bytes, so that a
release's can be made again and compared. An image that is built with another torch has another one than it says.
"""

import sys
import uuid
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tools.requirements import Pinned, read_requirements

IMAGE = ("requirements-image.txt", "requirements-torch.txt")
_OURS = uuid.UUID("5f0c6a9e-6a1e-5a55-9d2f-0c8f4b8a7c11")


def component(package: Pinned) -> Component:
    url = PackageURL("pypi", name=package.name, version=package.version)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.hashes]
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        purl=url,
        bom_ref=str(url),
        hashes=hashes,
    )


def bill(packages: list[Pinned], version: str) -> str:
    """The document; its serial number follows from what it lists."""
    serial = uuid.uuid5(_OURS, "\n".join(f"{each.name}=={each.version} {each.hashes}" for each in packages))
    bom = Bom(components=map(component, packages), serial_number=serial)
    cherish = Component(type=ComponentType.APPLICATION, name="cherish", version=version, bom_ref=f"cherish@{version}")
    bom.metadata.component = cherish
    # when it was made is no part of it
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.register_dependency(cherish, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2))


def main() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    version = next(line.split('"')[1] for line in project.splitlines() if line.startswith("version = "))
    packages = [each for name in IMAGE for each in read_requirements(ROOT / name)]
    print(bill(packages, version))  # noqa: T201  the tool's answer


if __name__ == "__main__":
    main()
