"""Croissant 1.1 (MLCommons, http://mlcommons.org/croissant/1.1): a dataset described in JSON-LD, out and in. Pure.

Out: what the catalogue tells of a dataset, with a record set where rows have named columns. The bytes are named by
their digest and are not to be had: data is valued here, never handed out. In: name, description, licence, format and
label column of a document become a draft; its bytes are uploaded like any others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.datasets.licences import Licence, canonical_spdx, url_of
from app.datasets.tables import DatasetFormat
from app.errors import FieldError, InvalidInput
from contract.orders.asking import Asking
from contract.rows.files import FileColumn
from contract.rows.formats import INSTALLED

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
# what is read of both is written alike
READ_FROM = ("http://mlcommons.org/croissant/1.0", CONFORMS_TO)
MEDIA_TYPES: dict[DatasetFormat, str] = {
    DatasetFormat.CSV: "text/csv",
    DatasetFormat.TSV: "text/tsv",
    DatasetFormat.PARQUET: "application/x-parquet",
    DatasetFormat.JSONL: "application/jsonlines",
    DatasetFormat.JSON: "application/json",
    DatasetFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    DatasetFormat.TEXT: "text/plain",
    DatasetFormat.ZIP: "application/zip",
    DatasetFormat.NPZ: "application/octet-stream",
    DatasetFormat.AGENT: "application/json",
} | {DatasetFormat(name): reader.media_type for name, reader in INSTALLED.items()}
# which a media type does not tell: arrays, and what is no file
_UNTOLD = (DatasetFormat.NPZ, DatasetFormat.AGENT)
_FORMATS = {media: format_ for format_, media in MEDIA_TYPES.items() if format_ not in _UNTOLD} | {
    "text/tab-separated-values": DatasetFormat.TSV,
    "application/vnd.apache.parquet": DatasetFormat.PARQUET,
    "application/x-ndjson": DatasetFormat.JSONL,
}
_TYPES = {"integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean", "text": "sc:Text"}
_COLUMNAR = (DatasetFormat.CSV, DatasetFormat.TSV, DatasetFormat.PARQUET, DatasetFormat.JSONL)
_LABEL = "cr:Label"
_LANGUAGE = "en"
_CONTEXT: dict[str, Any] = {
    "@language": _LANGUAGE,
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
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
    columns: list[FileColumn]
    target: str | None
    licence: Licence | None
    published_at: datetime | None
    asking: Asking | None = None


@dataclass(frozen=True)
class Read:
    """What was understood of a document that somebody brought."""

    name: str
    description: str
    target: str | None
    format: DatasetFormat | None
    spdx: str | None


def _listed(value: Any) -> list[Any]:
    """JSON-LD writes one value, or a list of them."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _objects(value: Any) -> list[Any]:
    """The objects among one or more values; a reference by name is none."""
    return [each for each in _listed(value) if isinstance(each, Mapping | BaseModel)]


def _said(value: Any) -> Any:
    """A text, also one of several languages: in English, or in the first that there is."""
    if not isinstance(value, Mapping):
        return value
    return value.get(_LANGUAGE, next(iter(value.values()), None))


def _object(value: Any) -> Any:
    return value if isinstance(value, Mapping | BaseModel) else {}


class _CroissantPart(BaseModel):
    """A part of a document, by its JSON-LD names; what is not read here is ignored."""

    model_config = ConfigDict(extra="ignore", validate_by_name=True)


class _Reference(_CroissantPart):
    id: str = Field("content", alias="@id")


class _Extract(_CroissantPart):
    column: Any = None
    json_path: Any = Field(None, alias="jsonPath")

    @property
    def name(self) -> str:
        """The column, or the member of each line that is one."""
        return str(self.column or str(self.json_path or "").removeprefix("$."))


class _Source(_CroissantPart):
    file_object: Annotated[_Reference, BeforeValidator(_object)] = Field(_Reference(), alias="fileObject")
    extract: Annotated[_Extract, BeforeValidator(_object)] = _Extract()


class _CroissantField(_CroissantPart):
    type: Any = Field("cr:Field", alias="@type")
    id: Any = Field(None, alias="@id")
    name: Any = None
    data_type: Any = Field(None, alias="dataType")
    source: Annotated[_Source, BeforeValidator(_object)] = _Source()


class _RecordSet(_CroissantPart):
    type: Any = Field("cr:RecordSet", alias="@type")
    id: Any = Field("rows", alias="@id")
    name: Any = "rows"
    field: Annotated[list[_CroissantField], BeforeValidator(_objects)] = Field(default_factory=list)


class _File(_CroissantPart):
    type: Any = Field("cr:FileObject", alias="@type")
    id: Any = Field("content", alias="@id")
    name: Any = "content"
    description: Any = "Valued in place by jobs, never handed out."
    content_url: Any = Field(None, alias="contentUrl")
    content_size: Any = Field(None, alias="contentSize")
    encoding_format: Any = Field(None, alias="encodingFormat")
    sha256: Any = None


class _Creator(_CroissantPart):
    type: str = Field("sc:Organization", alias="@type")
    name: str = ""


class _Document(_CroissantPart):
    """A document as it is written."""

    context: dict[str, Any] = Field(_CONTEXT, alias="@context")
    type: str = Field("sc:Dataset", alias="@type")
    conforms_to: str = Field(CONFORMS_TO, alias="conformsTo")
    name: str
    description: str
    url: str
    version: str
    creator: _Creator
    distribution: list[_File]
    license: str | None = None
    published: str | None = Field(None, alias="datePublished")
    record_set: list[_RecordSet] | None = Field(None, alias="recordSet")


class _Brought(_CroissantPart):
    """A document that somebody brings: whatever it says, in place of what it should."""

    conforms_to: Annotated[list[Any], BeforeValidator(_listed)] = Field(default_factory=list, alias="conformsTo")
    in_dublin_core: Annotated[list[Any], BeforeValidator(_listed)] = Field(default_factory=list, alias="dct:conformsTo")
    name: Any = None
    description: Any = ""
    distribution: Annotated[list[_File], BeforeValidator(_objects)] = Field(default_factory=list)
    license: Any = None
    record_set: Annotated[list[_RecordSet], BeforeValidator(_objects)] = Field(default_factory=list, alias="recordSet")


def document(described: Described) -> dict[str, Any]:
    """The Croissant document of a dataset."""
    columnar = described.format in _COLUMNAR
    written = _Document(
        name=described.name,
        description=described.description or described.name,
        url=described.url,
        version=f"{described.version}.0.0",
        creator=_Creator(name=described.creator),
        distribution=[
            _File(
                content_url=f"{described.url}#content",
                content_size=f"{described.size_bytes} B",
                encoding_format=MEDIA_TYPES[described.format],
                sha256=described.digest,
            )
        ],
        license=None if described.licence is None else url_of(described.licence.spdx),
        published=None if described.published_at is None else described.published_at.date().isoformat(),
        record_set=[_RecordSet(field=[_field(column, described) for column in described.columns])]
        if columnar
        else None,
    )
    return written.model_dump(by_alias=True, exclude_none=True)


def _field(column: FileColumn, described: Described) -> _CroissantField:
    kinds = [_TYPES[column.type]] + ([_LABEL] if column.name == described.target else [])
    extract = _Extract(column=column.name)
    if described.format is DatasetFormat.JSONL:
        extract = _Extract(json_path=f"$.{column.name}")
    place = f"rows/{column.name}"
    data_type = kinds[0] if len(kinds) == 1 else kinds
    return _CroissantField(id=place, name=place, data_type=data_type, source=_Source(extract=extract))


def read(plain: Mapping[str, Any]) -> Read:
    """What a document tells; raises InvalidInput for one that is no Croissant, or says what is not read here."""
    brought = _Brought.model_validate(plain)
    if not any(each in READ_FROM for each in [*brought.conforms_to, *brought.in_dublin_core]):
        raise _refused("/conformsTo", f"this document does not conform to {CONFORMS_TO}; send Croissant 1.0 or 1.1")
    name, description = _said(brought.name), _said(brought.description)
    if not isinstance(name, str) or not 0 < len(name.strip()) <= 200:
        raise _refused("/name", "a dataset needs a name of at most 200 characters; write it as `name`")
    if not isinstance(description, str) or len(description) > 5000:
        raise _refused("/description", "the description is a text of at most 5000 characters; shorten it")
    files = brought.distribution
    if len(files) > 1:
        raise _refused(
            "/distribution", f"there are {len(files)} files, and a dataset here is one; pack them into a zip"
        )
    media = files[0].encoding_format if files else None
    return Read(name.strip(), description, _label_of(brought), _FORMATS.get(str(media)), _spdx_of(brought.license))


def _label_of(brought: _Brought) -> str | None:
    """The column of the one field whose type is a label."""
    fields = [field for records in brought.record_set for field in records.field]
    labels = [field.source.extract.name for field in fields if _LABEL in _listed(field.data_type)]
    return labels[0] if len(labels) == 1 and labels[0] else None


def _spdx_of(licence: Any) -> str | None:
    """The licence as an SPDX expression, where it is one or the address of one."""
    if not isinstance(licence, str):
        return None
    text = licence.removeprefix("https://spdx.org/licenses/").removesuffix(".html")
    try:
        return canonical_spdx(text)
    except InvalidInput:
        return None


def _refused(pointer: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, errors=[FieldError(pointer, detail)])
