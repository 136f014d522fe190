"""What an agent answers about networks: derivatives of the summed loss, and moments of tangent features."""

from pathlib import Path

import numpy as np
import pytest
import torch

from agent import encoding, sums
from agent.desk import Desk
from agent.errors import AgentError, NotAllowed
from agent.policy import Policy
from agent.state import Folder
from contract.agents import AgentQuestion, AskedColumn, AskedEncoding, unpacked
from contract.metrics import Predicts
from tests.agent_market import table
from worker.engine.learners.mlp import MLP
from worker.engine.unlearning.tangent_features import Tangents

COLUMNS = (
    AskedColumn(name="age", kind="number", center=50.0, spread=10.0),
    AskedColumn(name="ward", kind="text", categories=("w0", "w1")),
)
CLASSES = AskedEncoding(columns=COLUMNS, target="ill", classes=("no", "yes"))
NUMBER = AskedEncoding(columns=COLUMNS, target="stay", scale=(3.0, 2.0))
HYPER = {"hidden": 6, "layers": 2, "double": 1}


def desk(folder: Path, target: str, labels: str = "names") -> Desk:
    (folder / "rows.csv").write_text(table(1))
    allowed = Policy.read({"learners": ["mlp"], "labels": labels})
    opened = Desk.open(folder / "rows.csv", target, allowed, Folder(folder / "state"))
    opened.created("ds_" + "01" * 16)
    opened.registered(opened.registration())
    return opened


def question(of: Desk, encoded: AskedEncoding, sketch: int = 0) -> AgentQuestion:
    said = {
        "dataset": of.state.dataset, "registration": of.state.registration_digest, "commitment": of.state.commitment,
        "rows": of.state.rows, "game": "ab" * 32, "buyer": "acc_1", "purpose": None, "learner": "mlp",
        "asks": "gradients", "encoding": encoded.plain(), "network": {"hidden": 6, "layers": 2, "sketch": sketch},
    }  # fmt: skip
    return AgentQuestion.read(said)


def learner(encoded: AskedEncoding) -> MLP:
    predicts = Predicts.CLASS if encoded.classes else Predicts.NUMBER
    return MLP(HYPER, (encoded.width,), encoded.outputs, predicts)


def loss(encoded: AskedEncoding, model: torch.Tensor, own: Desk) -> float:
    X, y = encoding.encoded(own.table, encoded)
    mlp = learner(encoded)
    outputs = mlp.logits(model.unsqueeze(0), torch.from_numpy(X).double())[0]
    return float(mlp.loss.of_rows(outputs, torch.from_numpy(y)).sum())


@pytest.mark.parametrize("encoded", [CLASSES, NUMBER], ids=["classes", "number"])
def test_gradients_are_the_derivatives_of_the_summed_loss(tmp_path: Path, encoded: AskedEncoding) -> None:
    own, mlp = desk(tmp_path, encoded.target, "names" if encoded.classes else "none"), learner(encoded)
    models = torch.stack([mlp.start(seed) for seed in range(3)])
    asked = question(own, encoded).of("gradients", models.numpy().tobytes(), 3)
    got = unpacked(asked, own.answer(asked, models.numpy().tobytes()), None)["gradients"]
    place = int(np.abs(got[1]).argmax())
    moved = models[1].clone()
    moved[place] += 1e-6
    slope = (loss(encoded, moved, own) - loss(encoded, models[1], own)) / 1e-6
    assert got[1, place] == pytest.approx(slope, rel=1e-4)
    # one model alone has the same bits as in a stack
    content = models[1:2].numpy().tobytes()
    alone = question(own, encoded).of("gradients", content, 1)
    assert (unpacked(alone, own.answer(alone, content), None)["gradients"][0] == got[1]).all()
    # asked over and over, so not kept
    assert own.folder.kept(asked.digest) is None


def test_tangents_are_the_moments_of_the_engines_features(tmp_path: Path) -> None:
    own, mlp = desk(tmp_path, "ill"), learner(CLASSES)
    reference = mlp.start(4)
    content = reference.numpy().tobytes()
    asked = question(own, CLASSES).of("tangents", content, sketch=20)
    got = unpacked(asked, own.answer(asked, content), None)
    X, y = encoding.encoded(own.table, CLASSES)
    phi = Tangents(mlp, reference, 20)(torch.from_numpy(X).double()).numpy()
    assert got["A"] == pytest.approx(phi.T @ phi)
    assert got["b"] == pytest.approx(phi.T @ np.eye(2)[y])
    assert got["squares"][0] == len(y)
    assert own.folder.kept(asked.digest) is not None


def test_more_tangent_features_than_half_the_rows_are_refused(tmp_path: Path) -> None:
    own = desk(tmp_path, "ill")
    content = learner(CLASSES).start(4).numpy().tobytes()
    own.answer(question(own, CLASSES).of("tangents", content, sketch=74), content)
    with pytest.raises(NotAllowed, match="75 tangent features, and 150 rows are fewer than twice as many"):
        own.answer(question(own, CLASSES).of("tangents", content, sketch=75), content)


def test_what_a_network_does_not_need_is_not_answered(tmp_path: Path) -> None:
    own = desk(tmp_path, "ill")
    asked = question(own, CLASSES)
    for asks in ("moments", "objective", "curvature"):
        with pytest.raises(NotAllowed, match="mlp needs gradients and tangents"):
            own.answer(asked.model_copy(update={"asks": asks}), b"")
    X, y = encoding.encoded(own.table, CLASSES)
    with pytest.raises(NotAllowed, match="and the question names none"):
        sums.answered(asked.model_copy(update={"network": None}), X, y, np.zeros((1, 4)))


def test_numbers_with_a_fraction_need_a_policy_that_tells_no_labels(tmp_path: Path) -> None:
    assert desk(tmp_path, "ill").registration().labels == {"no": None, "yes": None}
    with pytest.raises(AgentError, match='labels = "none"'):
        desk(tmp_path, "stay")
    assert desk(tmp_path, "stay", "none").registration().labels == {}
