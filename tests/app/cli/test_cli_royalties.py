"""``cherish royalties``: answers in a provider's words lean on it, and what it cannot read is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.cli.royalties import answer_of, read_answers
from app.errors import CherishError, InvalidInput
from tests.app.cli.test_cli_text import arguments, place, run  # noqa: F401 - a fixture

ANSWERS = [
    {"prompt": "tell me: ", "answer": "the sea rose and fell. the sea rose"},
    {"answer": "two and two are four; two and two are four;"},
]


def test_each_answer_is_shared_out_and_sums_to_its_gain(place: Path) -> None:  # noqa: F811
    run(arguments(place))
    (place / "answers.jsonl").write_text("\n".join(json.dumps(each) for each in ANSWERS) + "\n\n")
    out = place / "royalties.json"
    output = run(["royalties", str(place / "out.json"), str(place / "answers.jsonl"), f"--json={out}"])
    assert "2 answers of" in output
    found = json.loads(out.read_text())
    for each, asked in zip(found["answers"], ANSWERS, strict=True):
        assert sum(each["values"].values()) == pytest.approx(each["gain"], abs=1e-9)
        # bytes; the first of a text without a prompt has nothing before it
        assert each["tokens"] == len(asked["answer"]) - (0 if "prompt" in asked else 1)
    assert found["together"]["tokens"] == sum(each["tokens"] for each in found["answers"])


def test_an_answer_s_tokens_are_told_from_its_prompt_s_in_every_block() -> None:
    for prompt, said in (("a" * 40, "b" * 30), ("", "b" * 70), ("a" * 32, "b")):
        answer = answer_of(prompt, said, 32, None)
        assert (answer.X[:, 1:][answer.said] == ord("b")).all()
        assert int(answer.said.sum()) == len(said) - (not prompt)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "has no answers"),
        ('{"prompt": "x"}', "line 1"),
        ('{"answer": ""}', "is no text, or empty"),
        ("no", "line 1"),
    ],
)
def test_lines_that_are_no_answers_are_refused(tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "a.jsonl").write_text(lines)
    with pytest.raises(InvalidInput, match=said):
        read_answers(tmp_path / "a.jsonl")


def test_a_result_of_another_model_is_refused(place: Path, tmp_path: Path) -> None:  # noqa: F811
    rng = np.random.default_rng(0)
    for name in ("a", "b", "test"):
        lines = ["x,y", *(f"{x:.3f},{'in' if x > 0 else 'out'}" for x in rng.normal(size=20))]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    offers = [f"--provider={name}={tmp_path / name}.csv" for name in "ab"]
    run(["value", *offers, f"--test={tmp_path / 'test.csv'}", "--target=y", f"--json={tmp_path / 'r.json'}"])
    (tmp_path / "a.jsonl").write_text('{"answer": "x"}')
    with pytest.raises(CherishError, match="answers are of lm"):
        run(["royalties", str(tmp_path / "r.json"), str(tmp_path / "a.jsonl")])
