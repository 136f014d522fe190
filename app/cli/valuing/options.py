"""What ``cherish value`` can be told, as one object: the valuation and the request that follow from it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.cli.valuing.request import (
    ValueRequest,
    engine_errors,
    parse_model,
    parse_pairs,
    parse_providers,
    parse_readings,
)
from app.errors import InvalidInput
from contract.learning.learners import LEARNERS, LOGISTIC, RIDGE
from contract.learning.methods import default_method
from contract.metrics import METRICS, Predicts, metric_of
from contract.metrics.accuracy import Accuracy
from contract.metrics.r2 import R2
from contract.orders.estimators import ESTIMATORS, RULES
from contract.orders.spec import FIDELITIES, ValuationSpec
from contract.rows.features import FeatureChoice, Fills
from contract.rows.reading import MISSING_LABELS, READ_AS

THREADS = max(1, os.cpu_count() or 1)


def _choice(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"


_Providers = Annotated[list[str], typer.Option("--provider", help="NAME=FILE; a name given twice has several files.")]
_Test = Annotated[
    str, typer.Option(help="The test set: a table (docs/datasets.md); for lm a text, or a folder of them.")
]
_Target = Annotated[str, typer.Option(help="The column to predict (an NPZ's labels are `y`); lm has none.")]
_Model = Annotated[
    str | None,
    typer.Option(
        help=f"{_choice(LEARNERS)}; with hyper-parameters as mlp:hidden=64,steps=150 (default: logistic, of a number "
        "ridge)."
    ),
]
_TargetIs = Annotated[
    str | None, typer.Option(help="number or classes: what the target is predicted as (default: as the metric says).")
]
_Base = Annotated[str | None, typer.Option(help="For lm: the base model, a folder in the Hugging Face layout.")]
_Encoder = Annotated[
    str | None, typer.Option(help="A frozen encoder of texts: a model folder; --model is its head, or lora.")
]
_Backbone = Annotated[str | None, typer.Option(help="A frozen backbone of images, likewise; --model is its head.")]
_ImageSize = Annotated[int | None, typer.Option(min=8, help="For cnn: images of a zip are resized to this square.")]
_Metric = Annotated[
    str | None,
    typer.Option(
        help=f"{_choice(METRICS)} (default: accuracy, of a number r2); options follow a colon: f1:of_class=yes."
    ),
]
_Mode = Annotated[str, typer.Option(help="full: all providers' rows train; partial: only weights and their rows.")]
_Checkpoint = Annotated[str | None, typer.Option(help="Weights of the full model: safetensors; for lm a PEFT folder.")]
_Rest = Annotated[str | None, typer.Option(help="Rows that belong to no player.")]
_Fidelity = Annotated[str, typer.Option(help=f"{_choice(FIDELITIES)}.")]
_Unlearning = Annotated[
    str | None,
    typer.Option(help="The unlearning method (default: what measured best for the model); auto: all compete."),
]
_Estimator = Annotated[str, typer.Option(help=f"{_choice(ESTIMATORS)}.")]
_ShareCi = Annotated[float, typer.Option(help="Stop when every share's interval is narrower than this, in points.")]
_RuledBy = Annotated[str, typer.Option(help=f"What ends it: {', '.join(RULES)}.")]
_MaxEvaluations = Annotated[int | None, typer.Option(help="The most worths to compute, of all kinds.")]
_MaxRetrains = Annotated[int | None, typer.Option(help="The most models to train anew; 0 switches the audit off.")]
_MaxSeconds = Annotated[float | None, typer.Option(help="Stop after so many seconds of computing.")]
_Seed = Annotated[int, typer.Option(help="Seeds training and sampling.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Where to write the whole result; - is standard output.")]
_Rows = Annotated[
    Path | None,
    typer.Option("--rows", help="Where to write a value for every row: a file that ends in .parquet or .csv."),
]
_Plot = Annotated[Path | None, typer.Option(help="Where to draw it (PNG).")]
_Shards = Annotated[
    int | None, typer.Option(min=2, help="Value about so many equal shards and sum them: splitting then gains nothing.")
]
_ClassWeights = Annotated[
    str, typer.Option(help="How classes of the test set count: uniform (as they come), balanced, or pooled.")
]
_Columns = Annotated[
    list[str] | None, typer.Option(help="[FILE=]NAME,NAME,...: columns of a table without a header line.")
]
_Delimiter = Annotated[list[str] | None, typer.Option(help="[FILE=]SIGN: what separates fields; else sniffed.")]
_TextEncoding = Annotated[list[str] | None, typer.Option(help="[FILE=]NAME: of a text that is not UTF-8: koi8-r.")]
_Sheet = Annotated[list[str] | None, typer.Option(help="[FILE=]NAME: of a workbook; else its first sheet.")]
_Read = Annotated[
    list[str] | None, typer.Option(help=f"[FILE=]COLUMN={_choice(READ_AS)}: where a column's cells do not say it.")
]
_MissingLabels = Annotated[
    str, typer.Option(help=f"Rows without a label: {_choice(MISSING_LABELS)} (left out, they are counted).")
]
_DropUnfit = Annotated[
    bool, typer.Option("--drop-unfit", help="Go on without files that do not fit the others; they are named.")
]
_LabelMap = Annotated[list[str] | None, typer.Option(help="OLD=NEW: a label that is another by another spelling.")]
_TestGroup = Annotated[
    str, typer.Option(help="The test set's column of rows that were drawn together: intervals go by groups then.")
]
_Segments = Annotated[
    str,
    typer.Option(help="Value the parts of each provider's rows by this column of its files: wards, months, sources."),
]
_TestLot = Annotated[
    float | None,
    typer.Option(
        help="Measure on rows that nobody picked, too: this part of each provider's, by lot, which are not trained on."
    ),
]
_LotAlone = Annotated[bool, typer.Option("--lot-alone", help="With --test-lot: these alone measure.")]
_Use = Annotated[list[str] | None, typer.Option("--use", help="Only this column of the test set; may be repeated.")]
_LeaveOut = Annotated[list[str] | None, typer.Option("--leave-out", help="Not this column of the test set.")]
_Rename = Annotated[list[str] | None, typer.Option("--rename", help="OLD=NEW: a provider's column, the test set's.")]
_Fills = Annotated[
    Fills,
    typer.Option("--fills", help="players, test: whose usual value a missing cell becomes."),
]
_Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")]
_Threads = Annotated[int, typer.Option(min=1, help="Coalitions computed at a time; changes no number.")]


@dataclass(frozen=True)
class ValueOptions:
    """One call's options, as typed."""

    provider: _Providers
    test: _Test
    target: _Target = ""
    model: _Model = None
    metric: _Metric = None
    target_is: _TargetIs = None
    mode: _Mode = "full"
    checkpoint: _Checkpoint = None
    base: _Base = None
    encoder: _Encoder = None
    backbone: _Backbone = None
    image_size: _ImageSize = None
    rest: _Rest = None
    fidelity: _Fidelity = "auto"
    unlearning: _Unlearning = None
    estimator: _Estimator = "auto"
    share_ci: _ShareCi = 2.0
    ruled_by: _RuledBy = "budget"
    max_evaluations: _MaxEvaluations = None
    max_retrains: _MaxRetrains = None
    max_seconds: _MaxSeconds = None
    seed: _Seed = 0
    json_path: _Json = None
    rows: _Rows = None
    plot: _Plot = None
    shards: _Shards = None
    class_weights: _ClassWeights = "uniform"
    read: _Read = None
    missing_labels: _MissingLabels = "leave_out"
    drop_unfit: _DropUnfit = False
    label_map: _LabelMap = None
    test_group: _TestGroup = ""
    segments: _Segments = ""
    test_lot: _TestLot = None
    lot_alone: _LotAlone = False
    use: _Use = None
    leave_out: _LeaveOut = None
    rename: _Rename = None
    fills: _Fills = "players"
    device: _Device = "cpu"
    threads: _Threads = THREADS
    columns: _Columns = None
    delimiter: _Delimiter = None
    encoding: _TextEncoding = None
    sheet: _Sheet = None

    def spec(self) -> ValuationSpec:
        """How the game is valued; raises InvalidInput."""
        model, metric = defaults(self.model, self.metric, self.target_is)
        try:
            return ValuationSpec(
                mode=self.mode,
                metric=metric,
                fidelity=self.fidelity,
                unlearning=self.unlearning or default_method(parse_model(model)[0], self.mode),
                estimator=self.estimator,
                share_ci=self.share_ci,
                max_evaluations=self.max_evaluations,
                max_retrains=self.max_retrains,
                max_seconds=self.max_seconds,
                seed=self.seed,
                ruled_by=self.ruled_by,
            )
        except ValueError as refused:
            raise InvalidInput(str(refused)) from refused

    def request(self) -> ValueRequest:
        """The files and the game that is made of them; raises InvalidInput."""
        model, metric = defaults(self.model, self.metric, self.target_is)
        providers, rest = parse_providers(self.provider), [self.rest] if self.rest else []
        files = [*dict.fromkeys([*(file for _, file in providers), self.test, *rest])]
        declared = {
            "columns": self.columns,
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "sheet": self.sheet,
            "kinds": self.read,
        }
        if self.missing_labels not in MISSING_LABELS:
            raise InvalidInput(f"--missing-labels {self.missing_labels!r}: say {_choice(MISSING_LABELS)}")
        return ValueRequest(
            providers=providers,
            test=self.test,
            target=self.target,
            model=model,
            metric=metric,
            mode=self.mode,
            seed=self.seed,
            rest=self.rest,
            checkpoint=self.checkpoint,
            device=self.device,
            base=self.base,
            class_weights=self.class_weights,
            shards=self.shards,
            target_is=self.target_is,
            encoder=self.encoder,
            backbone=self.backbone,
            image_size=self.image_size,
            readings=parse_readings(files, declared),
            missing_labels=self.missing_labels,
            drop_unfit=self.drop_unfit,
            test_group=self.test_group,
            segments=self.segments,
            test_lot=self.test_lot,
            lot_alone=self.lot_alone,
            label_map=parse_pairs("--label-map", self.label_map),
            features=self._features(),
        )

    def _features(self) -> dict[str, object]:
        chosen = FeatureChoice(
            use=tuple(self.use or ()) or None,
            leave_out=tuple(self.leave_out or ()),
            rename=parse_pairs("--rename", self.rename),
            fills=self.fills,
        )
        return chosen.model_dump(mode="json", exclude_defaults=True)


def defaults(model: str | None, metric: str | None, target_is: str | None) -> tuple[str, str]:
    """The model and the metric of a command that names neither, or one of the two."""
    of_number = target_is == "number" or (model or "").partition(":")[0] == RIDGE.name
    metric = metric or (R2.name if of_number else Accuracy.name)
    with engine_errors():
        measured = metric_of(metric)
    number, metric = Predicts.NUMBER in measured.predicts, measured.text
    return model or (RIDGE.name.value if number else LOGISTIC.name.value), metric
