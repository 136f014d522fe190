"""Files that are read together: what is told of whose, and which are left out. No player, no row in the answer."""

from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidData
from app.valuations.orders.job_files import answer
from app.valuations.orders.unfit import DatasetRefused, left_out
from contract.orders.fit import FilesRead, FitQuestion, FitRequest, Offer
from contract.rows.files import InputFile

LIMITS = {"max_rows": 1000, "max_columns": 50, "max_bytes": 10**8}
TEST = b"x,y\n1,a\n2,b\n3,a\n"
ODD = b"x,y\n1,a\n2,b\n<90,a\n"


def asked(folder: Path, *files: bytes, kind: str = "table", test: bytes = TEST, **more: Any) -> dict[str, Any]:
    paths = {}
    for at, content in enumerate((test, *files)):
        (folder / str(at)).write_bytes(content)
        paths[str(at)] = str(folder / str(at))
    inputs = [InputFile(name=f"file {at}", digest=str(at), format="", target="y") for at in range(len(paths))]
    named = {f"{at}": file for at, file in enumerate(inputs[1:])}
    question = FitQuestion(
        kind=kind,
        test=inputs[0],
        files=named,
        members=tuple(Offer(name=key, shown=key, datasets=(key,)) for key in named),
        copies="separate",
        uploaded={},
        limits=LIMITS,
        **more,
    )
    return FitRequest(question=question, name="the files", paths=paths, tokenizer=None).plain()


def test_a_cell_is_told_to_whose_it_is_and_to_nobody_else(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="row 3 `<90`"):
        answer(asked(tmp_path, TEST, ODD, own=True))
    with pytest.raises(DatasetRefused, match="what is in it is its provider's to see") as refused:
        answer(asked(tmp_path, TEST, ODD))
    assert "<90" not in str(refused.value)
    assert refused.value.document.dataset == "1"


def test_files_that_do_not_fit_are_left_out_one_by_one_and_the_last_is_not(tmp_path: Path) -> None:
    read = FilesRead.read(answer(asked(tmp_path, ODD, TEST, ODD, own=True, drop_unfit=True)))
    assert [each.dataset for each in read.unfit] == ["0", "2"]
    assert read.labels == ("a", "b")
    assert left_out(read.unfit[0]).finding.code == "unreadable_for_order"
    with pytest.raises(InvalidData, match="row 3"):
        answer(asked(tmp_path, ODD, ODD, own=True, drop_unfit=True))


def test_what_is_noticed_of_each_file_is_said_of_it(tmp_path: Path) -> None:
    twice = b"x,one,y\n1,5,a\n1,5,a\n2,5,b\n"
    read = FilesRead.read(answer(asked(tmp_path, TEST, twice, own=True)))
    assert [(each.dataset, each.finding.code) for each in read.findings] == [
        ("1", "constant_column"),
        ("1", "duplicate_rows"),
        ("1", "extra_columns"),
    ]


def test_a_test_set_of_one_class_is_refused_as_at_its_upload(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="every row of this test set is 'a'"):
        answer(asked(tmp_path, TEST, TEST, test=b"x,y\n1,a\n2,a\n", own=True))


def test_files_are_read_by_the_encoding_of_the_model_that_an_order_starts_from_or_refused(tmp_path: Path) -> None:
    whole = b"x,u,y\n1,5,a\n2,7,b\n3,6,a\n"
    of_model = FilesRead.read(answer(asked(tmp_path, whole, test=whole, own=True))).encoding
    assert of_model is not None
    other = b"x,u,y\n10,50,a\n20,70,b\n30,60,a\n"
    again = FilesRead.read(answer(asked(tmp_path, other, test=other, own=True, encoding=of_model)))
    assert again.encoding == of_model, "centre, spread and classes are the model's"
    for files, said in (
        (TEST, "the files have no column `u`, which the checkpoint reads"),
        (
            b"x,u,y\n1,p,a\n2,q,b\n3,p,a\n",
            "the column `u` is read as text here, and the checkpoint reads it as number",
        ),
    ):
        with pytest.raises(InvalidData, match=said):
            answer(asked(tmp_path, files, test=files, own=True, encoding=of_model))


def test_documents_are_looked_at_and_not_cut(tmp_path: Path) -> None:
    chats = b"".join(b'{"messages": [{"role": "user", "content": "%s"}]}\n' % said for said in (b"a", b"b", b"a"))
    read = FilesRead.read(answer(asked(tmp_path, chats, kind="corpora", test=b'{"text": "a b"}\n', own=True)))
    assert [(each.dataset, each.finding.code) for each in read.findings] == [
        ("0", "rendered_as_text"),
        ("0", "duplicate_rows"),
    ]
    with pytest.raises(InvalidData, match="no column `text` of texts"):
        answer(asked(tmp_path, TEST, kind="corpora", test=b'{"text": "a b"}\n', own=True))


def test_an_order_goes_on_without_those_whose_numbers_its_test_set_has_texts_for(tmp_path: Path) -> None:
    test = b"x,y\nlow,a\nhigh,b\nlow,a\n"
    numbers = b"x,y\n" + b"".join(b"%d,%s\n" % (at, b"ab"[at % 2 : at % 2 + 1]) for at in range(9))
    with pytest.raises(InvalidData, match=r"file 0: column `x` is one of numbers .*, and 3 of its cells are"):
        answer(asked(tmp_path, test, numbers, test=test, own=True))
    read = FilesRead.read(answer(asked(tmp_path, test, numbers, test=test, own=True, drop_unfit=True)))
    assert [each.dataset for each in read.unfit] == ["1"]
    assert read.shape == (3,)
