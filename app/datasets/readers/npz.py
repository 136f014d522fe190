"""NPZ: arrays ``X`` [n, ...] and ``y`` [n] (with optional ``columns`` [d] of names), or one 1-D array per column.

Every member's header is read before its data: an object array (a pickle) is refused by its dtype, and an array whose
shape does not fit its size in the archive, or which is too large, is never expanded. ``allow_pickle`` is always False.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from app.datasets.readers.limits import Limits
from app.datasets.readers.sources import BAD_ARCHIVE
from app.errors import InvalidData

_MAX_HEADER = 10_000
# the eleven high bits that halves of characters share (U+D800 to U+DFFF)
_SURROGATES = 0xD800 >> 11
_ALLOWED_KINDS = "biufUSMm"


# what an archive with a matrix calls it, the labels, and the names of its columns
_X, _Y, _COLUMNS = "X", "y", "columns"


@dataclass(frozen=True)
class _Member:
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Matrix:
    """The members of an archive with a matrix [n, ...], labels [n] and, of two dimensions, names of columns [d]."""

    X: _Member
    y: _Member
    columns: _Member | None


def read(source: Path | bytes, limits: Limits, name: str) -> pa.Table:
    """The table of an NPZ archive; raises InvalidData."""
    with _opened(source, limits, name) as (members, arrays):
        if (matrix := _matrix(members, limits, name)) is not None:
            return _from_matrix(matrix, arrays, name)
        return _from_columns(members, arrays, limits, name)


def wide_matrix(source: Path | bytes, limits: Limits, name: str) -> tuple[list[str], int] | None:
    """The columns' names and the bytes of X where X is 2-D, and may be read some columns at a time; else None."""
    with _opened(source, limits, name) as (members, arrays):
        matrix = _matrix(members, limits, name)
        if matrix is None or len(matrix.X.shape) > 2:
            return None
        rows, width = matrix.X.shape
        return [*_column_names(matrix, arrays, name), _Y], rows * width * matrix.X.dtype.itemsize


def read_some(source: Path | bytes, limits: Limits, name: str, groups: list[list[str]]) -> Iterator[pa.Table]:
    """The columns of a 2-D X and y group by group: the matrix is held once, each group is copied out of it."""
    with _opened(source, limits, name) as (members, arrays):
        wanted = _matrix(members, limits, name)
        if wanted is None:
            raise AssertionError(f"{name} was opened as a matrix and has none")
        names = [*_column_names(wanted, arrays, name), _Y]
        width = wanted.X.shape[1]
        where = {column: index for index, column in enumerate(names)}
        matrix, labels = arrays[_X], arrays[_Y]
        for group in groups:
            columns = [labels if where[c] == width else np.ascontiguousarray(matrix[:, where[c]]) for c in group]
            arrays_of_group = [_arrow(column, c, name) for column, c in zip(columns, group, strict=True)]
            yield pa.Table.from_arrays(arrays_of_group, names=group)


@contextmanager
def _opened(source: Path | bytes, limits: Limits, name: str) -> Iterator[tuple[list[_Member], Any]]:
    origin = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with zipfile.ZipFile(origin) as archive:
            members = _members(archive, limits, name)
        if isinstance(origin, io.BytesIO):
            origin.seek(0)
        with np.load(origin, allow_pickle=False) as arrays:
            yield members, arrays
    except BAD_ARCHIVE as error:
        raise InvalidData(
            f"{name}: this is not a whole NPZ archive ({error}); write it with numpy.savez_compressed and send it whole"
        ) from None


def _members(archive: zipfile.ZipFile, limits: Limits, name: str) -> list[_Member]:
    infos = archive.infolist()
    if not infos:
        raise InvalidData(f"{name}: the archive holds no array; save X and y into it")
    limits.check_members(len(infos), name)
    limits.check_columns(len(infos), name)
    limits.check_bytes(sum(info.file_size for info in infos), name)
    members = [_member(archive, info, name) for info in infos]
    # what numpy will allocate is the header's shape times its type, whatever the archive says
    limits.check_bytes(sum(int(np.prod(m.shape, dtype=object)) * m.dtype.itemsize for m in members), name)
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            raise InvalidData(f"{name}: array `{member.name}` is there twice; names must be unique")
        seen.add(member.name)
    return members


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> _Member:
    if not info.filename.endswith(".npy"):
        raise InvalidData(f"{name}: `{info.filename}` is not an array; an NPZ archive holds .npy files only, remove it")
    label = info.filename.removesuffix(".npy")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file, max_header_size=_MAX_HEADER)
        header = file.tell()
    if dtype.hasobject:
        raise InvalidData(
            f"{name}: array `{label}` holds pickled Python objects, which are never loaded; "
            "save it as numbers or as text (dtype U)"
        )
    if dtype.kind not in _ALLOWED_KINDS:
        raise InvalidData(
            f"{name}: array `{label}` is of type {dtype}; only bool, integers, floats and text are read, and times"
        )
    promised = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if promised != info.file_size - header:
        raise InvalidData(
            f"{name}: array `{label}` says it has shape {shape} ({promised} bytes), "
            f"but the archive holds {info.file_size - header} bytes of it; write the file again"
        )
    return _Member(label, tuple(shape), dtype)


def _matrix(members: list[_Member], limits: Limits, name: str) -> _Matrix | None:
    """The members of an archive with a matrix, checked against each other; None where there is none."""
    named = {member.name: member for member in members}
    X, y = named.get(_X), named.get(_Y)
    if X is None:
        return None
    if extra := sorted(set(named) - {_X, _Y, _COLUMNS}):
        raise InvalidData(
            f"{name}: beside X and y the array `{extra[0]}` is not known; remove it, or save one 1-D array per column"
        )
    if y is None:
        raise InvalidData(f"{name}: X is there but y is not; save the labels as y, one per row of X")
    if len(X.shape) < 2 or 0 in X.shape[1:]:
        raise InvalidData(
            f"{name}: X has shape {X.shape}; it must be [rows, features], or [rows, height, width(, channels)]"
        )
    if y.shape != X.shape[:1]:
        raise InvalidData(
            f"{name}: y has shape {y.shape}, but X has {X.shape[0]} rows; y must be 1-D with one label per row"
        )
    limits.check_rows(X.shape[0], name)
    if len(X.shape) == 2:
        limits.check_columns(X.shape[1], name)
    return _Matrix(X, y, named.get(_COLUMNS))


def _from_matrix(matrix: _Matrix, arrays: Any, name: str) -> pa.Table:
    if len(matrix.X.shape) > 2:
        return _from_images(matrix, arrays, name)
    names = _column_names(matrix, arrays, name)
    values = arrays[_X]
    columns = [_arrow(np.ascontiguousarray(values[:, at]), names[at], name) for at in range(len(names))]
    return pa.Table.from_arrays([*columns, _arrow(arrays[_Y], _Y, name)], names=[*names, _Y])


def _from_images(matrix: _Matrix, arrays: Any, name: str) -> pa.Table:
    X = matrix.X
    if len(X.shape) > 4 or X.dtype.kind == "U" or matrix.columns is not None:
        raise InvalidData(
            f"{name}: X has shape {X.shape} and type {X.dtype}; "
            "images are numbers [rows, height, width(, channels)] without `columns`"
        )
    images = np.ascontiguousarray(arrays[_X], dtype=np.float32)
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(images)
    return pa.Table.from_arrays([tensor, _arrow(arrays[_Y], _Y, name)], names=[_X, _Y])


def _column_names(matrix: _Matrix, arrays: Any, name: str) -> list[str]:
    width, columns = matrix.X.shape[1], matrix.columns
    if columns is None:
        return [f"x{at}" for at in range(width)]
    if columns.dtype.kind != "U" or columns.shape != (width,):
        raise InvalidData(f"{name}: `columns` is {columns.dtype} of shape {columns.shape}; it must be {width} texts")
    return [str(column) for column in arrays[_COLUMNS]]


def _from_columns(members: list[_Member], arrays: Any, limits: Limits, name: str) -> pa.Table:
    rows = members[0].shape[0] if members[0].shape else 0
    for member in members:
        if len(member.shape) != 1:
            raise InvalidData(
                f"{name}: array `{member.name}` has shape {member.shape}; "
                "save X [rows, features] and y, or one 1-D array per column"
            )
        if member.shape[0] != rows:
            raise InvalidData(
                f"{name}: array `{member.name}` has {member.shape[0]} values and `{members[0].name}` has {rows}; "
                "all columns need the same number of rows"
            )
    limits.check_rows(rows, name)
    columns = [_arrow(arrays[m.name], m.name, name) for m in members]
    return pa.Table.from_arrays(columns, names=[m.name for m in members])


def _arrow(array: np.ndarray[Any, Any], label: str, name: str) -> pa.Array:
    """A 1-D array of any byte order as an Arrow array; bytes are UTF-8 text. Raises InvalidData for what is no text."""
    array = array.astype(array.dtype.newbyteorder("="))
    match array.dtype.kind:
        case "f" if array.dtype.itemsize > 8:
            array = array.astype(np.float64)
        case "S":
            return _texts(array, label, name)
        case "U":
            signs = np.ascontiguousarray(array).view(np.uint32)
            if ((signs > 0x10FFFF) | (signs >> 11 == _SURROGATES)).any():
                raise _no_text(label, name)
        case "M" | "m" if np.datetime_data(array.dtype)[0] not in ("D", "s", "ms", "us", "ns"):
            # years, months, weeks, hours and minutes are whole seconds
            array = array.astype(f"{array.dtype.kind}8[s]")
        case "m" if np.datetime_data(array.dtype)[0] == "D":
            array = array.astype("m8[s]")
    return pa.array(array)


def _texts(array: np.ndarray[Any, Any], label: str, name: str) -> pa.Array:
    try:
        return pa.array((value.decode() for value in array.tolist()), pa.string())
    except UnicodeError:
        raise _no_text(label, name) from None


def _no_text(label: str, name: str) -> InvalidData:
    return InvalidData(f"{name}: array `{label}` holds a text that is no Unicode; save it as dtype U")
