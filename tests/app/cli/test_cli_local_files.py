"""Files on this machine in the sandbox: which are used, and under which names they are spoken of."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.cli.valuing.local_files import LocalFile, provider_files, read_together, the_test_set
from app.cli.valuing.request import ValueRequest
from app.errors import InvalidInput
from contract.rows.findings import Finding


def request(test: Path, *providers: tuple[str, Path], drop_unfit: bool = False) -> ValueRequest:
    named = tuple((name, str(path)) for name, path in providers)
    return ValueRequest(named, str(test), "y", "logistic", "accuracy", "full", 0, drop_unfit=drop_unfit)


def test_files_are_named_as_people_gave_them_and_the_rest_is_nobody_s(tmp_path: Path) -> None:
    good, odd = tmp_path / "good.csv", tmp_path / "odd.csv"
    good.write_text("x,y\n1,a\n2,b\n?,a\n")
    odd.write_text("z,y\n1,a\n")
    asked = request(good, ("ann", good), ("bob", odd), ("ann", odd), drop_unfit=True)
    said: list[tuple[str, str]] = []

    def notice(name: str, findings: Sequence[Finding]) -> None:
        said.extend((name, finding.code) for finding in findings)

    rest = LocalFile("the rest", good, None, str(good))
    answer, used = read_together(asked, "table", the_test_set(asked), [*provider_files(asked), rest], notice)
    assert [(file.player, file.path) for file in used] == [("ann", good), (None, good)]
    assert set(answer.labels) == {"a", "b"}
    assert said[:2] == [(f"bob ({odd})", "unreadable_for_order"), (f"ann ({odd})", "unreadable_for_order")]
    assert ("the test set", "missing_values") in said
    with pytest.raises(InvalidInput, match="the rest: there is no file"):
        read_together(asked, "table", the_test_set(asked), [LocalFile("the rest", tmp_path / "no", None, "no")])
