"""Croissant 1.0 (MLCommons, http://mlcommons.org/croissant/1.0): a dataset described in JSON-LD, out and in. Pure.

Out: what the catalogue tells of a dataset, with a record set where rows have named columns. The bytes are named by
their digest and are not to be had: data is valued here, never handed out. In: name, description, licence, format and
label column of a document become a draft; its bytes are uploaded like any others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.datasets.licences import Licence, canonical_spdx, url_of
from app.datasets.tables import DatasetFormat
from app.errors import FieldError, InvalidInput

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
MEDIA_TYPES: dict[DatasetFormat, str] = {
    DatasetFormat.CSV: "text/csv",
    DatasetFormat.TSV: "text/tsv",
    DatasetFormat.PARQUET: "application/x-parquet",
    DatasetFormat.JSONL: "application/jsonlines",
    DatasetFormat.TEXT: "text/plain",
    DatasetFormat.ZIP: "application/zip",
    DatasetFormat.NPZ: "application/octet-stream",
}
_FORMATS = {media: format_ for format_, media in MEDIA_TYPES.items() if format_ is not DatasetFormat.NPZ} | {
    "text/tab-separated-values": DatasetFormat.TSV,
    "application/vnd.apache.parquet": DatasetFormat.PARQUET,
    "application/x-ndjson": DatasetFormat.JSONL,
}
_TYPES = {"integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean", "text": "sc:Text"}
_COLUMNAR = (DatasetFormat.CSV, DatasetFormat.TSV, DatasetFormat.PARQUET, DatasetFormat.JSONL)
_LABEL = "cr:Label"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


@dataclass(frozen=True)
class Described:
    """What a Croissant document tells of a dataset."""

    name: str
    description: str
    url: str
    creator: str
    version: int
    digest: str
    size_bytes: int
    format: DatasetFormat
    columns: list[dict[str, str]]
    target: str | None
    licence: Licence | None
    published_at: datetime | None


@dataclass(frozen=True)
class Read:
    """What was understood of a document that somebody brought."""

    name: str
    description: str
    target: str | None
    format: DatasetFormat | None
    spdx: str | None


def document(told: Described) -> dict[str, Any]:
    """The Croissant document of a dataset."""
    found: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": told.name,
        "description": told.description or told.name,
        "url": told.url,
        "version": f"{told.version}.0.0",
        "creator": {"@type": "sc:Organization", "name": told.creator},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "content",
                "name": "content",
                "description": "Valued in place by jobs, never handed out.",
                "contentUrl": f"{told.url}#content",
                "contentSize": f"{told.size_bytes} B",
                "encodingFormat": MEDIA_TYPES[told.format],
                "sha256": told.digest,
            }
        ],
    }
    if told.licence is not None:
        found["license"] = url_of(told.licence.spdx)
    if told.published_at is not None:
        found["datePublished"] = told.published_at.date().isoformat()
    if told.format in _COLUMNAR:
        fields = [_field(column, told) for column in told.columns]
        found["recordSet"] = [{"@type": "cr:RecordSet", "@id": "rows", "name": "rows", "field": fields}]
    return found


def _field(column: Mapping[str, str], told: Described) -> dict[str, Any]:
    name = column["name"]
    kinds = [_TYPES[column["type"]]] + ([_LABEL] if name == told.target else [])
    extract = {"jsonPath": f"$.{name}"} if told.format is DatasetFormat.JSONL else {"column": name}
    return {
        "@type": "cr:Field",
        "@id": f"rows/{name}",
        "name": f"rows/{name}",
        "dataType": kinds[0] if len(kinds) == 1 else kinds,
        "source": {"fileObject": {"@id": "content"}, "extract": extract},
    }


def read(found: Mapping[str, Any]) -> Read:
    """What a document tells; raises InvalidInput for one that is no Croissant 1.0, or says what is not read here."""
    if CONFORMS_TO not in _listed(found.get("conformsTo")) and CONFORMS_TO not in _listed(found.get("dct:conformsTo")):
        raise _refused("/conformsTo", f"this document does not conform to {CONFORMS_TO}; send Croissant 1.0")
    name, description = found.get("name"), found.get("description", "")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= 200:
        raise _refused("/name", "a dataset needs a name of at most 200 characters; write it as `name`")
    if not isinstance(description, str) or len(description) > 5000:
        raise _refused("/description", "the description is a text of at most 5000 characters; shorten it")
    files = [each for each in _listed(found.get("distribution")) if isinstance(each, Mapping)]
    if len(files) > 1:
        raise _refused(
            "/distribution", f"there are {len(files)} files, and a dataset here is one; pack them into a zip"
        )
    media = files[0].get("encodingFormat") if files else None
    return Read(name.strip(), description, _label_of(found), _FORMATS.get(str(media)), _spdx_of(found))


def _label_of(found: Mapping[str, Any]) -> str | None:
    """The column of the one field whose type is a label."""
    labels = [
        str(extract.get("column") or str(extract.get("jsonPath", "")).removeprefix("$."))
        for records in _listed(found.get("recordSet"))
        if isinstance(records, Mapping)
        for field in _listed(records.get("field"))
        if isinstance(field, Mapping) and _LABEL in _listed(field.get("dataType"))
        if isinstance(source := field.get("source"), Mapping) and isinstance(extract := source.get("extract"), Mapping)
    ]
    return labels[0] if len(labels) == 1 and labels[0] else None


def _spdx_of(found: Mapping[str, Any]) -> str | None:
    """The licence as an SPDX expression, where it is one or the address of one."""
    given = found.get("license")
    if not isinstance(given, str):
        return None
    text = given.removeprefix("https://spdx.org/licenses/").removesuffix(".html")
    try:
        return canonical_spdx(text)
    except InvalidInput:
        return None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _refused(pointer: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, errors=[FieldError(pointer, detail)])
