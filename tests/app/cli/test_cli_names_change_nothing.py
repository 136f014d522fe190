"""What is called what, and what comes first, changes no number: classes, columns, rows and providers are renamed and
put in another order, and every value is the same to the last digit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.cli.valuing.local import evaluator_of
from app.cli.valuing.request import ValueRequest
from contract.orders.spec import ValuationSpec
from contract.results.result import ValuationResult
from worker.engine.valuation import value

MODELS = ("logistic", "mlp:hidden=6,steps=8", "mlp:hidden=6,steps=6,batch=8")
COLUMNS, CLASSES, PROVIDERS = ("age", "income", "city", "score"), ("low", "mid", "top"), ("ann", "bob", "cid")
CITIES = ("Oslo", "Moss", "Voss")


@dataclass(frozen=True)
class Names:
    """What everything is called, and the order in which columns, rows and providers come."""

    columns: tuple[str, ...] = COLUMNS
    classes: tuple[str, ...] = CLASSES
    providers: tuple[str, ...] = PROVIDERS
    column_order: tuple[int, ...] = (0, 1, 2, 3)
    provider_order: tuple[int, ...] = (0, 1, 2)
    row_seed: int | None = None

    def write(self, path: Path, rows: list[list[str]], labels: list[int]) -> str:
        lines = [
            ",".join([*(row[at] for at in self.column_order), self.classes[label]])
            for row, label in zip(rows, labels, strict=True)
        ]
        if self.row_seed is not None:
            np.random.default_rng(self.row_seed).shuffle(lines)
        head = ",".join([*(self.columns[at] for at in self.column_order), "label"])
        path.write_text("\n".join([head, *lines]) + "\n")
        return str(path)


def market(seed: int = 0) -> tuple[dict[str, tuple[list[list[str]], list[int]]], tuple[list[list[str]], list[int]]]:
    """Three providers and a test set of four columns and three classes, of which two are alike in number."""
    rng = np.random.default_rng(seed)

    def rows(count: int, noise: float) -> tuple[list[list[str]], list[int]]:
        labels = rng.permutation(np.arange(count) % 3)
        X = rng.normal(size=(count, 3)) + np.eye(3)[labels] * 1.5
        labels = np.where(rng.random(count) < noise, rng.integers(0, 3, count), labels)
        cities = rng.choice(CITIES, count)
        return [[f"{a:.3f}", f"{b:.3f}", city, f"{c:.3f}"] for (a, b, c), city in zip(X, cities, strict=True)], [
            int(label) for label in labels
        ]

    return {"ann": rows(14, 0.1), "bob": rows(21, 0.5), "cid": rows(11, 0.2)}, rows(31, 0.1)


def valued(folder: Path, names: Names, model: str, metric: str, max_retrains: int | None) -> ValuationResult:
    """The market as files with these names, valued as ``cherish value`` does."""
    parts, test = market()
    files = [
        (names.providers[at], names.write(folder / f"{at}.csv", *parts[PROVIDERS[at]])) for at in names.provider_order
    ]
    request = ValueRequest(
        providers=tuple(files),
        test=names.write(folder / "test.csv", *test),
        target="label",
        model=model,
        metric=metric,
        mode="full",
        seed=3,
    )
    evaluator, _ = evaluator_of(request, threads=1)
    return value(evaluator, ValuationSpec(metric=metric, seed=3, max_retrains=max_retrains))


def numbers(result: ValuationResult, providers: tuple[str, ...]) -> dict[str, tuple[object, ...]]:
    """Everything that is said of a provider but its name, by the name it had before."""
    before = dict(zip(providers, PROVIDERS, strict=True))
    return {
        before[p.provider]: (p.rows, p.value, p.stderr, p.value_ci, p.share, p.share_ci, p.value_band, p.share_band)
        for p in result.players
    } | {"ends": (result.empty_worth, result.full_worth, result.gain)}


renamed = st.builds(
    Names,
    columns=st.permutations(["zeta", "alpha", "Mu", "x9"]).map(tuple),
    classes=st.permutations(["normal", "alarm", "7"]).map(tuple),
    providers=st.permutations(["zoe", "Al", "bo"]).map(tuple),
    column_order=st.permutations(range(4)).map(tuple),
    provider_order=st.permutations(range(3)).map(tuple),
    row_seed=st.integers(0, 99),
)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=renamed,
    metric=st.sampled_from(["accuracy", "clipped_log_loss", "roc_auc"]),
    max_retrains=st.sampled_from([None, 6]),
)
def test_names_and_orders_change_no_digit(
    tmp_path_factory: pytest.TempPathFactory, model: str, names: Names, metric: str, max_retrains: int | None
) -> None:
    """Every learner of tables, every kind of metric, and both routes: all retrained, or unlearned and corrected."""
    before = valued(tmp_path_factory.mktemp("before"), Names(), model, metric, max_retrains)
    after = valued(tmp_path_factory.mktemp("after"), names, model, metric, max_retrains)
    assert numbers(after, names.providers) == numbers(before, PROVIDERS)


@pytest.mark.parametrize("alarm", ["alarm", "z_alarm"])
def test_noise_gains_nothing_whatever_the_frequent_class_is_called(tmp_path: Path, alarm: str) -> None:
    """Nine rows in ten are of one class, and nothing tells which: the model of both providers is no better than the
    answer that every buyer has, the frequent class for every row."""
    rng = np.random.default_rng(1)
    normal = "zzz_normal" if alarm == "alarm" else "a_normal"
    files = {}
    for name, count in (("ann", 150), ("bob", 150), ("test", 200)):
        X, rare = rng.normal(size=(count, 4)), rng.random(count) < 0.1
        files[name] = str(tmp_path / f"{name}.csv")
        lines = [
            ",".join([*(f"{v:.3f}" for v in row), alarm if odd else normal]) for row, odd in zip(X, rare, strict=True)
        ]
        Path(files[name]).write_text("\n".join(["a,b,c,d,label", *lines]) + "\n")
    providers = (("ann", files["ann"]), ("bob", files["bob"]))
    request = ValueRequest(
        providers=providers,
        test=files["test"],
        target="label",
        model="logistic",
        metric="accuracy",
        mode="full",
        seed=0,
    )
    result = value(evaluator_of(request, threads=1)[0], ValuationSpec(metric="accuracy"))
    frequent = float(np.mean([line.endswith(normal) for line in Path(files["test"]).read_text().split()[1:]]))
    assert result.empty_worth == pytest.approx(frequent)
    assert result.gain is not None
    assert not result.gain.gained
    assert "against the baseline, the most frequent class (chosen by the same rows)" in result.gain.basis
