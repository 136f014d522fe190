"""Trees of a table's columns as they are (``categories``), beside a column for each value and a mark for each gap.

``python -m benchmarks.native_trees`` prints the table of docs/benchmarks-trees.md. Adult's rows go through the
service's own reading and encoding, so its `?` are missing cells, and a part of all cells is emptied on top. Each seed
draws other rows; both ways are trained on the same and asked of the same 4,000 others.
"""

import argparse
import csv
import io
import time

import numpy as np
import torch

from app.datasets.readers import read_table
from app.datasets.rows.encoding import EncodedRows, encode, fit_encoding
from app.datasets.rows.features import Encoding
from benchmarks.markets import _file
from contract.metrics import metric_of
from worker.engine.learners.boosted_trees import BoostedTrees

TARGET, TEST_ROWS, CATEGORIES = "income-per-year", 4000, 8


def rows(count: int, empty: float, seed: int) -> tuple[Encoding, EncodedRows, EncodedRows]:
    """The encoding of a seed's rows, those to train on and those that are asked."""
    rng = np.random.default_rng(seed)
    with _file("adult.csv").open(newline="") as file:
        header, *cells = csv.reader(file)
    chosen = [cells[at] for at in rng.permutation(len(cells))[: count + TEST_ROWS]]
    own = header.index(TARGET)
    for line in chosen:
        line[:] = ["" if at != own and rng.random() < empty else cell for at, cell in enumerate(line)]
    tables = []
    for part, name in ((chosen[:count], "the rows"), (chosen[count:], "the test set")):
        text = io.StringIO()
        csv.writer(text).writerows([header, *part])
        tables.append(read_table(text.getvalue().encode(), "csv", name=name))
    encoding = fit_encoding(tables[1], [tables[0]], TARGET)
    return encoding, encode(tables[0], encoding), encode(tables[1], encoding)


def scored(encoding: Encoding, train: EncodedRows, test: EncodedRows, categories: int) -> tuple[float, float]:
    """AUC on the test rows, and processor seconds of the training."""
    learner = BoostedTrees({"categories": categories}, encoding.shape, 2, columns=encoding.blocks)
    X, y = torch.from_numpy(train.X), torch.from_numpy(train.y)
    begun = time.process_time()
    model = learner._trained(X, y)
    spent = time.process_time() - begun
    outputs = learner.logits(model.unsqueeze(0), torch.from_numpy(test.X))[0].numpy().astype(np.float32)
    return metric_of("roc_auc").worth(outputs, test.y, None), spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    asked = parser.parse_args()
    scored(*rows(100, 0.0, 0), CATEGORIES)  # imports take their time once
    print("| rows | cells emptied | AUC, a column a value | AUC, native | native less columns | time, of columns |")
    print("|---|---|---|---|---|---|")
    for count in (100, 400, 1600, 8000):
        for empty in (0.0, 0.2):
            pairs = []
            for seed in range(asked.seeds):
                own = rows(count, empty, seed)
                pairs.append([*scored(*own, 0), *scored(*own, CATEGORIES)])
            auc, spent, native, native_spent = np.array(pairs).T
            gained = native - auc
            print(
                f"| {count:,} | {100 * empty:.0f} % | {auc.mean():.4f} | {native.mean():.4f} | {gained.mean():+.4f} ± "
                f"{gained.std(ddof=1) / np.sqrt(len(gained)):.4f} | {native_spent.sum() / spent.sum():.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
