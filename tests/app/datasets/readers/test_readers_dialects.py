"""Delimited text as people have it: delimiters, quotes, decimal signs, encodings, files without a header line."""

from typing import Any

import pytest

from app.datasets.readers import read_table
from app.datasets.readers.findings import findings_of
from app.errors import InvalidData
from contract.rows.files import AS_IT_IS, Reading

ROWS = [{"x": 0.346, "z": 77, "city": "Köln", "y": 1}, {"x": -1.303, "z": 59, "city": "Łódź", "y": 0}]


def told(table: Any) -> dict[str, str]:
    return {finding.code: finding.detail for finding in findings_of(table)}


def refusal(content: bytes, reading: Reading = AS_IT_IS) -> str:
    with pytest.raises(InvalidData) as caught:
        read_table(content, name="dataset ds_1", reading=reading)
    return caught.value.detail


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x;z;city;y\n0,346;77;Köln;1\n-1,303;59;Łódź;0\n", "separated by semicolons; numbers have a decimal comma"),
        ("x;z;city;y\n0.346;77;Köln;1\n-1.303;59;Łódź;0\n", "separated by semicolons"),
        ("x\tz\tcity\ty\n0.346\t77\tKöln\t1\n-1.303\t59\tŁódź\t0\n", "separated by tabs"),
        ("x|z|city|y\r\n0.346|77|Köln|1\r\n-1.303|59|Łódź|0\r\n", "separated by vertical bars"),
        ("sep=;\r\nx;z;city;y\r\n0,346;77;Köln;1\r\n-1,303;59;Łódź;0\r\n", "a first line `sep=` names the delimiter"),
        ("x;z;city;y\r0.346;77;Köln;1\r-1.303;59;Łódź;0\r", "separated by semicolons"),
        ('"x";"z";"city";"y"\n"0,346";"77";"Köln";"1"\n"-1,303";"59";"Łódź";"0"\n', "a decimal comma"),
        (
            "# of 2026\n# by us, all; of it\nx,z,city,y\n0.346,77,Köln,1\n-1.303,59,Łódź,0\n",
            "2 lines that begin with `#`",
        ),
        ("# once\nx;z;city;y\n0,346;77;Köln;1\n-1,303;59;Łódź;0\n", "1 line that begins with `#` above"),
        ("x z city y\n0.346 77 Köln 1\n-1.303 59 Łódź 0\n", "separated by spaces"),
        ("'x','z','city','y'\n0.346,77,'Köln',1\n-1.303,59,'Łódź',0\n", "text is in single quotes"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_dialect_is_read_and_told(text: str, says: str, encoding: str) -> None:
    table = read_table(text.encode(encoding))
    assert table.to_pylist() == ROWS
    assert says in told(table)["dialect"]
    assert ("encoding" in told(table)) == (encoding == "utf-16")


def test_a_header_may_begin_with_a_number_sign() -> None:
    table = read_table(b"#x,y\n1,2\n3,4\n")
    assert table.to_pydict() == {"#x": [1, 3], "y": [2, 4]}
    assert findings_of(table) == ()


def test_plain_csv_has_nothing_to_tell() -> None:
    assert told(read_table("x,z,city,y\n0.346,77,Köln,1\n-1.303,59,Łódź,0\n".encode())) == {}


def test_quotes_escaped_with_a_backslash_are_read_and_a_path_that_ends_with_one_too() -> None:
    table = read_table(b'a,b\n"he said \\"no, no\\"",1\n"plain",2\n')
    assert table["a"].to_pylist() == ['he said "no, no"', "plain"]
    assert "backslash" in told(table)["dialect"]
    table = read_table(b'a,b\n"C:\\dir\\",1\n"C:\\e",2\n')
    assert table["a"].to_pylist() == ["C:\\dir\\", "C:\\e"]


def test_two_delimiters_that_fit_are_named_and_one_can_be_declared() -> None:
    content = b"a;b,c;d\n1;2,3;4\n"
    assert "the comma and the semicolon each separate every line" in refusal(content)
    table = read_table(content, reading=Reading(delimiter=","))
    assert table.column_names == ["a;b", "c;d"]


def test_a_delimiter_within_quotes_separates_nothing() -> None:
    table = read_table(b'a,b\n"x;y",1\n"z;w",2\n')
    assert table.column_names == ["a", "b"]


def test_commas_that_may_part_thousands_are_no_decimal_commas() -> None:
    content = b"a;b\n1,234;x\n2,345;y\n"
    assert "column `a`: a comma may part thousands or be a decimal mark (row 1 `1,234`, row 2 `2,345`)" in refusal(
        content
    )
    for kind, values in (("number", [1234, 2345]), ("decimal_comma", [1.234, 2.345]), ("category", ["1,234", "2,345"])):
        table = read_table(content, reading=Reading(kinds={"a": kind}))
        assert "decimal comma" not in told(table)["dialect"]
        assert table["a"].to_pylist() == values


@pytest.mark.parametrize(
    "content",
    [
        b"5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n5.0,3.3,Iris-virginica\n",
        b"1,0,3\n2,1,1\n3,0,2\n",
        b"39, State-gov, 77516, <=50K\n50, State-gov, 83311, <=50K\n38, Private, 215646, <=50K\n",
        b"63.0;1.0;?;0\n67.0;1.0;4.0;1\n67.0;0.0;?;2\n",
    ],
)
def test_a_file_without_a_header_line_asks_for_columns_and_is_read_with_them(content: bytes) -> None:
    says = refusal(content)
    assert "the header seems missing" in says
    assert "give `columns`" in says
    width = len(content.split(b"\n")[0].replace(b";", b",").split(b","))
    names = tuple("abcd"[:width])
    table = read_table(content, reading=Reading(columns=names))
    assert (table.num_rows, tuple(table.column_names)) == (3, names)
    assert "columns_declared" in told(table)


@pytest.mark.parametrize(
    "content",
    [
        b"country,2019,2020,2021\nfr,1,2,3\nde,2,2,3\n",
        b"0,1,2,3\n5.5,1,2,9\n2.5,2,2,3\n",
        b"age,label\n61,yes\n34,no\n",
        b"city,label\nOslo,yes\nBergen,no\n",
    ],
)
def test_a_header_is_none_of_the_rows(content: bytes) -> None:
    assert read_table(content).num_rows == 2


def test_declared_columns_must_fit_the_file() -> None:
    content = b"5.1,3.5,a\n4.9,3.0,b\n"
    assert "declares 2 names and the first line has 3 fields" in refusal(content, Reading(columns=("p", "q")))
    assert "seems to have a header of its own" in refusal(b"a,b\n1,2\n", Reading(columns=("p", "q")))
    assert read_table(b"a,b\n1,2\n", reading=Reading(columns=("a", "b"))).num_rows == 1
    assert "row 2 has 4 fields" in refusal(b"1,2,3\n1,2,3,4\n", Reading(columns=("p", "q", "r")))
    assert "`sheet` is declared" in refusal(content, Reading(sheet="one"))


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        ("a,b\ncafé,1\nKöln,2\n", "windows-1252", "Windows-1252"),
        ("a,b\nпривет мир,1\nкошка,2\n", "windows-1251", "windows-1251"),
        ("a,b\n你好世界,1\n中国人民,2\n", "gb18030", "gb18030"),
        ("a,b\nこんにちは,1\nせかい,2\n", "shift_jis", "shift_jis"),
        ("a,b\n안녕하세요,1\n세계,2\n", "euc-kr", "euc-kr"),
        ("a,b\nplain,1\nwords,2\n", "utf-16-le", "utf-16-le"),
    ],
)
def test_another_encoding_is_named_and_can_be_declared(text: str, encoding: str, guess: str) -> None:
    content = text.encode(encoding)
    says = refusal(content)
    assert guess in says
    assert "declare" in says
    table = read_table(content, reading=Reading(encoding=encoding))
    assert table["a"].to_pylist() == [line.split(",")[0] for line in text.splitlines()[1:]]
    assert encoding in told(table)["encoding"]


def test_a_wrong_declaration_of_the_encoding_is_refused() -> None:
    assert "is not read" in refusal(b"a,b\n1,2\n", Reading(encoding="ebcdic"))
    assert "its byte order mark says utf-16" in refusal("a,b\n1,2\n".encode("utf-16"), Reading(encoding="koi8-r"))
    assert "it is not UTF-16-LE text" in refusal(b"a,b\n1,2\n3", Reading(encoding="utf-16-le"))


def test_whole_numbers_that_are_names_stay_texts() -> None:
    table = read_table(b"zip,long,huge,n\n01234,9007199254740993,99999999999999999999,1\n98765,1,2,1e20\n")
    assert table["zip"].to_pylist() == ["01234", "98765"]
    assert table["long"].to_pylist() == ["9007199254740993", "1"]
    assert table["huge"].to_pylist() == ["99999999999999999999", "2"]
    assert table["n"].to_pylist() == [1.0, 1e20]
    assert set(told(table)) == {"codes_kept_as_text"}


def test_a_record_may_be_longer_than_what_is_parsed_at_a_time() -> None:
    long = "a line\n" * 700_000
    table = read_table(f'text,y\n"{long}",1\nshort,2\n"{long}",3\n'.encode())
    assert table["text"].to_pylist() == [long, "short", long]
    header = ",".join(f"a_gene_with_quite_a_long_name_and_number_{at}" for at in range(25_000))
    wide = read_table((header + "\n" + ",".join(["0.25"] * 25_000) + "\n").encode())
    assert (wide.num_columns, wide.num_rows) == (25_000, 1)


def test_a_header_that_looks_like_data_can_be_declared_by_its_own_names() -> None:
    content = b"country,2000,2005,2010\nfr,1,2,3\nde,2,2,3\n"
    assert "the line's own where it is the header after all" in refusal(content)
    table = read_table(content, reading=Reading(columns=("country", "2000", "2005", "2010")))
    assert (table.num_rows, table.column_names[1]) == (2, "2000")


def test_a_delimiter_at_the_end_of_each_line_makes_no_column() -> None:
    table = read_table(b"a,b,\n1,x,\n2,y,\n")
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    assert list(told(table)) == ["empty_column"]
    assert "a column has no name" in refusal(b"a,b,\n1,x,5\n2,y,5\n")
    assert "a column has no name" in refusal(b"a,,b\n1,,x\n2,,y\n")


def test_east_asian_encodings_are_named_and_western_ones_not_taken_for_them() -> None:
    for encoding, text in (("shift_jis", "x,都市\n1,東京の空\n2,大阪\n"), ("big5", "x,城市\n1,臺北市\n2,高雄\n")):
        assert f"it may be {encoding}" in refusal(text.encode(encoding))
    for text in ("x,ort\n1,Köln\n2,Ålesund\n", "x,mot\n1,élégant\n2,éléphant\n"):
        assert "Latin-1 or Windows-1252" in refusal(text.encode("latin-1"))
