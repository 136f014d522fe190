"""The programs in cards compute what the learners compute; where there is none, the card says what does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from app.valuations.delivery.usage import cnn, lm, logistic, lora, mlp, rows, usage
from contract.results.delivery import ModelConfig, Preprocessing
from worker.engine.games.problem import LearnerSpec
from worker.engine.learners import make_learner


def config(learner: str, shape: tuple[int, ...], **hyper: float | int | str) -> ModelConfig:
    return ModelConfig(
        learner=learner, hyper=hyper, shape=shape, classes=3, weights="model.safetensors", base="ab" * 32
    )


@pytest.mark.parametrize(
    ("about", "program"),
    [
        (config("logistic", (5,)), logistic.outputs),
        (config("mlp", (5,), hidden=4, layers=2), mlp.outputs),
        (config("mlp", (5,), hidden=4), mlp.outputs),
        (config("cnn", (7, 6), channels=2), cnn.outputs),
        (config("cnn", (8, 5, 3), channels=2), cnn.outputs),
    ],
)
def test_a_program_gives_the_outputs_that_its_learner_gives(about: ModelConfig, program: Any) -> None:
    learner = make_learner(LearnerSpec(about.learner, about.hyper), about.shape, about.classes)
    rng = np.random.default_rng(3)
    X = torch.from_numpy(rng.normal(size=(9, *about.shape)).astype(np.float32))
    model = learner.start(1) + torch.from_numpy(rng.normal(size=learner.layout.width)).to(learner.dtype) * 0.1
    arrays = learner.layout.unpack(model)
    given = {"X": X, "w": {name: torch.from_numpy(array) for name, array in arrays.items()}, "torch": torch}
    exec(program(about), given)  # noqa: S102 - the code under test
    packed = learner.layout.pack(arrays, learner.dtype).unsqueeze(0)
    own = learner.logits(packed, X.to(learner.dtype))[0]
    assert float((given["logits"].double() - own.double()).abs().max()) < 1e-5


def test_columns_of_numbers_texts_and_gaps_become_the_numbers_that_the_market_makes_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.datasets.readers import read_table
    from app.datasets.rows.encoding import encode_unlabelled, fit_encoding

    told = "age,ward,y\n61,a,yes\n34,b,no\n,a,yes\n50,,no\n"
    table = read_table(told.encode(), name="rows")
    encoding = fit_encoding(table, [table, table], "y")
    new = "ward,age\nc,1000\n,\nb,34\n"
    (tmp_path / "rows.csv").write_text(new)
    preprocessing = Preprocessing(encoding=encoding.to_json(), labels=("no", "yes"))
    (tmp_path / "preprocessing.json").write_text(json.dumps(preprocessing.plain()))
    safetensors.numpy.save_file({"w": np.zeros(1)}, tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(rows.read(preprocessing).code, found)  # noqa: S102 - the code under test
    own = encode_unlabelled(read_table(new.encode(), name="new rows"), encoding)
    assert np.abs(found["X"].numpy() - own).max() < 1e-6


def test_models_inside_another_one_say_which_one_and_others_name_the_command() -> None:
    assert "PeftModel" in lm.program(config("lm", (9,)))
    assert "8 / 4" in lora.program(config("lora", (9,), rank=4, alpha=8.0))
    assert "ab" * 32 in lora.program(config("lora", (9,)))
    unknown = usage(config("a_new_one", (9,)), Preprocessing(encoding={}, labels=()))
    assert unknown.startswith("There is no short program for a_new_one yet; `cherish predict`")


@pytest.mark.parametrize("learner", ["ridge", "mlp"])
def test_a_number_is_printed_in_the_unit_of_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], learner: str
) -> None:
    feature = {"name": "age", "kind": "number", "center": 40.0, "spread": 10.0}
    encoding = {"target": "y", "classes": [], "features": [feature], "scale": "standard", "target_scale": [100.0, 20.0]}
    preprocessing = Preprocessing(encoding=encoding, labels=())
    about = ModelConfig(learner=learner, hyper={"layers": 1}, shape=(1,), classes=1, weights="model.safetensors")
    arrays = {"weight": np.array([[0.5]]), "bias": np.array([0.25])}
    if learner == "mlp":
        ones, zero = np.ones((1, 1), np.float32), np.zeros(1, np.float32)
        arrays = {"0.weight": ones, "0.bias": zero, "2.weight": 0.5 * ones, "2.bias": zero + 0.25}
    (tmp_path / "rows.csv").write_text("age\n60\n")
    (tmp_path / "preprocessing.json").write_text(json.dumps(preprocessing.plain()))
    safetensors.numpy.save_file(arrays, tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    program = usage(about, preprocessing).split("```python\n")[1].split("```")[0]
    exec(program, {})  # noqa: S102 - the code under test
    # (60 - 40) / 10 = 2, times 0.5 plus 0.25 is 1.25, and 100 + 20 * 1.25
    assert float(capsys.readouterr().out) == pytest.approx(125.0, abs=1e-5)
