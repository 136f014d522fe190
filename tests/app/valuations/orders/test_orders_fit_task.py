"""What a job's files come to, without a database: one encoding, players in order, parts, and no row in the answer."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.datasets.rows.corpora import pack
from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.features import Encoding
from app.errors import InvalidData
from app.valuations.orders.fit_task import answer, fit
from app.valuations.players.files import in_groups
from contract.orders.fit import FitAnswer, FitQuestion, FitReply, FitRequest, Offer
from contract.rows.files import InputFile
from contract.rows.token_blocks import fingerprints, tokens_of
from tests.frozen_models import pictures, sentences

LIMITS = {"max_rows": 1000, "max_columns": 50, "max_bytes": 10**8}


class Files:
    """Files in a folder, and the question about them."""

    def __init__(self, folder: Path, kind: str, form: str, target: str) -> None:
        self.folder, self.kind, self.form, self.target = folder, kind, form, target
        self.paths: dict[str, str] = {}

    def file(self, content: bytes, target: str | None = None) -> InputFile:
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / digest
        path.write_bytes(content)
        self.paths[digest] = str(path)
        name = f"file {digest[:4]}"
        return InputFile(name=name, digest=digest, format=self.form, target=self.target if target is None else target)

    def request(self, test: InputFile, files: list[InputFile], copies: str = "separate", **more: Any) -> FitRequest:
        named = {f"{at:032x}": file for at, file in enumerate(files)}
        question = FitQuestion(
            kind=self.kind,
            test=test,
            files=named,
            members=tuple(
                Offer(name=f"p{at}", shown=f"provider {at}", datasets=(key,)) for at, key in enumerate(named)
            ),
            copies=copies,
            uploaded={key: f"2026-01-0{at + 1}T00:00:00+00:00" for at, key in enumerate(named)},
            limits=LIMITS,
            **more,
        )
        return FitRequest(question=question, name="the job's files", paths=self.paths, tokenizer=None)


@pytest.fixture
def tables(tmp_path: Path) -> Files:
    return Files(tmp_path, "table", "csv", "label")


def rows(seed: int, count: int) -> bytes:
    rng = np.random.default_rng(seed)
    lines = [f"{rng.normal():.6f},{rng.normal():.6f},{'xy'[i % 2]}" for i in range(count)]
    return "\n".join(["u,v,label", *lines]).encode()


def test_tables_get_one_encoding_and_players_in_the_order_of_their_digests(tables: Files) -> None:
    request = tables.request(tables.file(rows(9, 20)), [tables.file(rows(seed, 10 + seed)) for seed in range(3)])
    fitted = fit(request)
    assert fitted.labels == ("x", "y")
    assert fitted.shape == (2,)
    assert fitted.encoding is not None
    assert Encoding.from_json(fitted.encoding).classes == fitted.labels
    assert [each.digest for each in fitted.seats] == sorted(each.digest for each in fitted.members)
    assert [fitted.members[at].seat for at in fitted.order] == [0, 1, 2]
    assert [each.rows for each in fitted.members] == [10, 11, 12]
    assert {each.part for each in fitted.members} == {(1, 1)}
    assert fitted.mix.rows == fitted.test.rows == 20
    assert fitted.mix.pooled is not None


def test_the_answer_holds_no_row(tables: Files) -> None:
    content = b"u,v,label\n12345.5,1,x\n2,77777.25,y\n"
    test = b"u,v,label\n1,2,x\n3,4,y\n"
    plain = answer(tables.request(tables.file(test), [tables.file(content), tables.file(rows(1, 9))]).plain())
    said = FitReply.read(plain).answer
    assert said is not None
    assert said.labels == ("x", "y")
    for secret in ("12345.5", "77777.25"):
        assert secret not in json.dumps(plain)


def test_a_rule_for_copies_decides_whose_rows_are_whose(tables: Files) -> None:
    same = tables.file(rows(1, 30))
    files = [same, same, tables.file(rows(2, 30))]
    test = tables.file(rows(9, 20))
    first, grouped = (fit(tables.request(test, files, copies)) for copies in ("first", "group"))
    assert [each.seat is None for each in first.members] == [False, True, False]
    assert len(first.seats) == len(grouped.seats) == 2
    assert [each.part for each in grouped.members] == [(1, 2), (1, 2), (1, 1)]


def test_whoever_has_no_player_comes_last(tables: Files) -> None:
    same = tables.file(rows(1, 30))
    others = [tables.file(rows(seed, 30)) for seed in (2, 3, 4, 5)]
    first = fit(tables.request(tables.file(rows(9, 20)), [same, same, *others], "first"))
    assert [first.members[at].seat for at in first.order] == [0, 1, 2, 3, 4, None]


def test_files_that_do_not_fit_together_are_refused_by_name(tables: Files) -> None:
    other = tables.file(b"u,w,label\n1,2,x\n3,4,y\n")
    with pytest.raises(InvalidData, match=f"{other.name} lacks `v`"):
        fit(tables.request(tables.file(rows(9, 20)), [other, tables.file(rows(1, 9))]))


def test_corpora_are_told_apart_by_fingerprints_and_labelled_by_domain(tmp_path: Path) -> None:
    corpora = Files(tmp_path, "blocks", "jsonl", "")
    test = corpora.file(
        b'{"text": "the tide", "topic": "sea"}\n{"text": "two and two", "topic": "arithmetic"}\n', "topic"
    )
    texts = ["a text about the sea", "another text about sums"]
    files = [corpora.file(json.dumps({"text": text}).encode()) for text in texts]
    fitted = fit(corpora.request(test, files, context=8))
    assert fitted.labels == ("arithmetic", "sea")
    assert (fitted.encoding, fitted.shape) == (None, None)
    assert fitted.mix.labels == {}, "domains are no classes, so no mix of labels is told"
    blocks = [fingerprints(pack([tokens_of(text)], 8)) for text in texts]
    assert [each.rows for each in fitted.members] == [len(each) for each in blocks]


def grouped(fitted: FitAnswer) -> list[int]:
    """The group of each test row, as whoever computes reads it."""
    assert fitted.test.groups is not None
    rows = EncodedRows(np.zeros((fitted.test.rows, 1), dtype=np.float32), np.zeros(fitted.test.rows, dtype=np.int64))
    groups = in_groups(rows, fitted.test.groups.packed).groups
    assert groups is not None
    return [int(each) for each in groups]


def test_blocks_are_grouped_by_runs_of_a_document_or_by_a_column_beside_it(tmp_path: Path) -> None:
    corpora = Files(tmp_path, "blocks", "jsonl", "")
    # 481 bytes are 60 blocks of 8, so 40 runs of 3 of the two documents
    lines = [{"text": letter * 481, "author": author} for letter, author in (("a", "x"), ("b", "y"), ("c", "x"))]
    test = corpora.file("\n".join(json.dumps(line) for line in lines).encode())
    files = [corpora.file(json.dumps({"text": text}).encode()) for text in ("one text of the sea", "another of sums")]
    by_runs = fit(corpora.request(test, files, context=8))
    assert by_runs.test.groups is not None
    assert by_runs.test.groups.count == 30
    assert grouped(by_runs) == [block // 6 for block in range(180)]
    named = fit(corpora.request(test.model_copy(update={"group": "author"}), files, context=8))
    assert grouped(named) == [0] * 60 + [1] * 60 + [0] * 60
    assert named.test.digest == by_runs.test.digest
    assert named.test.groups is not None
    assert named.test.groups.digest != by_runs.test.groups.digest


def test_a_table_s_column_of_groups_is_no_feature_and_packs_the_file_s_order(tables: Files) -> None:
    content = b"patient,u,v,label\np,1,2,x\nq,3,4,y\np,5,6,y\n"
    test = tables.file(content).model_copy(update={"group": "patient"})
    fitted = fit(tables.request(test, [tables.file(rows(1, 9)), tables.file(rows(2, 9))]))
    assert fitted.encoding is not None
    assert {each["name"] for each in fitted.encoding["features"]} == {"u", "v"}
    assert grouped(fitted) == [0, 1, 0]
    with pytest.raises(InvalidData, match="has 2 rows, and groups or segments for 3"):
        in_groups(EncodedRows(np.zeros((2, 1), np.float32), np.zeros(2, np.int64)), fitted.test.groups.packed)


@pytest.mark.parametrize(("kind", "form", "make"), [("text", "jsonl", sentences), ("image", "zip", pictures)])
def test_items_for_a_frozen_model_are_counted_labelled_and_named(
    tmp_path: Path, kind: str, form: str, make: Any
) -> None:
    items = Files(tmp_path, kind, form, "label")
    fitted = fit(items.request(items.file(make(9, 20)), [items.file(make(1, 14)), items.file(make(2, 14))]))
    assert len(fitted.labels) == 2
    assert [each.rows for each in fitted.members] == [14, 14]
    assert fitted.members[0].digest != fitted.members[1].digest
    assert fitted.test.rows == 20


def test_a_test_label_that_nobody_offers_is_refused(tmp_path: Path) -> None:
    items = Files(tmp_path, "text", "jsonl", "label")
    test = items.file(b'{"text": "a", "label": "x"}\n{"text": "b", "label": "z"}\n')
    offered = items.file(b'{"text": "c", "label": "x"}\n{"text": "d", "label": "y"}\n')
    with pytest.raises(InvalidData, match="has `z`, which no provider's dataset has"):
        fit(items.request(test, [offered]))


def test_unlabelled_images_of_an_archive_are_left_out_wherever_its_rows_are_read(tmp_path: Path) -> None:
    images = Files(tmp_path, "table", "zip", "kind")

    def archive(seed: int, labels: list[str]) -> bytes:
        rng = np.random.default_rng(seed)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            packed.writestr("manifest.csv", "\n".join(["file,kind", *(f"{i}.png,{k}" for i, k in enumerate(labels))]))
            for number in range(len(labels)):
                shown = io.BytesIO()
                Image.fromarray(rng.integers(0, 255, (9, 9), dtype=np.uint8)).save(shown, "PNG")
                packed.writestr(f"{number}.png", shown.getvalue())
        return buffer.getvalue()

    files = [images.file(archive(1, ["a", "?", "b", "a"])), images.file(archive(2, ["a", "b"]))]
    fitted = fit(images.request(images.file(archive(3, ["b", "a", "", "b"])), files, image_size=8))
    assert fitted.test.rows == 3
    assert sorted(member.rows for member in fitted.members) == [2, 3]
    said = [(each.dataset, each.finding.code, each.finding.rows) for each in fitted.findings]
    assert [each for each in said if each[1] == "missing_labels"] == [
        (None, "missing_labels", 1),
        (f"{0:032x}", "missing_labels", 1),
    ]


def test_datasets_that_do_not_fit_are_left_out_where_the_order_says_so_and_refused_otherwise(tables: Files) -> None:
    test = tables.file(rows(9, 20))
    files = [tables.file(rows(1, 10)), tables.file(b"w,label\n1,x\n2,y\n"), tables.file(rows(2, 10))]
    with pytest.raises(InvalidData, match="lacks `u`, `v`"):
        fit(tables.request(test, files))
    fitted = fit(tables.request(test, files, drop_unfit=True))
    assert [each.dataset for each in fitted.unfit] == [f"{1:032x}"]
    assert len(fitted.members) == len(fitted.seats) == 2
    whole = fit(tables.request(test, [files[0], files[2]]))
    assert [seat.digest for seat in fitted.seats] == [seat.digest for seat in whole.seats]
