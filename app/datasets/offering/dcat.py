"""DCAT 3 (W3C, https://www.w3.org/TR/vocab-dcat-3/): a listing in JSON-LD, for catalogues of others. Pure.

It tells what the Croissant document tells, without columns: what the dataset is, whose, its licence as an ODRL offer,
and the bytes by size and SHA-256. No distribution has an address to fetch: data is valued here and not handed out.
"""

from typing import Any

from app.datasets.licences import url_of
from app.datasets.offering.croissant import MEDIA_TYPES, Described

_IANA = "https://www.iana.org/assignments/media-types/"
CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def document(described: Described) -> dict[str, Any]:
    """The listing as a dcat:Dataset."""
    distribution = {
        "@type": "dcat:Distribution",
        "dcat:mediaType": {"@id": f"{_IANA}{MEDIA_TYPES[described.format]}"},
        "dcat:byteSize": {"@type": "xsd:nonNegativeInteger", "@value": str(described.size_bytes)},
        "spdx:checksum": {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
            "spdx:checksumValue": {"@type": "xsd:hexBinary", "@value": described.digest},
        },
    }
    record: dict[str, Any] = {
        "@context": CONTEXT,
        "@id": described.url,
        "@type": "dcat:Dataset",
        "dct:title": described.name,
        "dct:description": described.description or described.name,
        "dct:identifier": described.url.rsplit("/", 1)[1],
        "dct:publisher": {"@type": "foaf:Organization", "foaf:name": described.creator},
        "dcat:version": str(described.version),
        "dcat:landingPage": {"@id": described.url},
        "dcat:distribution": [distribution],
    }
    if described.published_at is not None:
        record["dct:issued"] = {"@type": "xsd:dateTime", "@value": described.published_at.isoformat()}
    if described.licence is not None:
        licence = url_of(described.licence.spdx)
        named = {"@id": licence} if licence.startswith("https:") else licence
        distribution["dct:license"] = record["dct:license"] = named
        record["odrl:hasPolicy"] = described.licence.to_odrl(described.url, described.asking)
    return record
