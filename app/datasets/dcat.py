"""DCAT 3 (W3C, https://www.w3.org/TR/vocab-dcat-3/): a listing in JSON-LD, for catalogues of others. Pure.

It tells what the Croissant document tells, without columns: what the dataset is, whose, its licence as an ODRL offer,
and the bytes by size and SHA-256. No distribution has an address to fetch: data is valued here and not handed out.
"""

from typing import Any

from app.datasets.croissant import MEDIA_TYPES, Described
from app.datasets.licences import url_of

_IANA = "https://www.iana.org/assignments/media-types/"
CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def document(told: Described) -> dict[str, Any]:
    """The listing as a dcat:Dataset."""
    distribution = {
        "@type": "dcat:Distribution",
        "dcat:mediaType": {"@id": f"{_IANA}{MEDIA_TYPES[told.format]}"},
        "dcat:byteSize": {"@type": "xsd:nonNegativeInteger", "@value": str(told.size_bytes)},
        "spdx:checksum": {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
            "spdx:checksumValue": {"@type": "xsd:hexBinary", "@value": told.digest},
        },
    }
    found: dict[str, Any] = {
        "@context": CONTEXT,
        "@id": told.url,
        "@type": "dcat:Dataset",
        "dct:title": told.name,
        "dct:description": told.description or told.name,
        "dct:identifier": told.url.rsplit("/", 1)[1],
        "dct:publisher": {"@type": "foaf:Organization", "foaf:name": told.creator},
        "dcat:version": str(told.version),
        "dcat:landingPage": {"@id": told.url},
        "dcat:distribution": [distribution],
    }
    if told.published_at is not None:
        found["dct:issued"] = {"@type": "xsd:dateTime", "@value": told.published_at.isoformat()}
    if told.licence is not None:
        licence = url_of(told.licence.spdx)
        named = {"@id": licence} if licence.startswith("https:") else licence
        distribution["dct:license"] = found["dct:license"] = named
        found["odrl:hasPolicy"] = told.licence.to_odrl(told.url)
    return found
