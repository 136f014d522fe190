"""Gradient attribution of a small language model by dattri's and kronfluence's own code.

``language.py GAME.npz OUT.npz`` reads the base, adapters and blocks that ``benchmarks.paper.attributed`` wrote, and
writes for each method scores [rows, test blocks]: what a training block does for the likelihood of a test block. Runs
in the peers' environment of language models and imports nothing of ours: the model is the same decoder, written anew as
a module, and refused unless it gives the outputs that the game brought.
"""

import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from dattri.algorithm.tracin import TracInAttributor
from dattri.algorithm.trak import TRAKAttributor
from dattri.task import AttributionTask
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from kronfluence.utils.dataset import DataLoaderKwargs
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

Arrays = Mapping[str, np.ndarray]
Methods = dict[str, Callable[[], Tensor]]
BATCH = 32
PROJECTED = 256  # dimensions of TRAK's projection


class Adapted(nn.Module):
    """A frozen matrix with an adapter beside it: W x + s B A x."""

    def __init__(self, frozen: Tensor, rank: int, scale: float) -> None:
        super().__init__()
        self.register_buffer("frozen", frozen)
        self.lora_A = nn.Linear(frozen.shape[1], rank, bias=False)
        self.lora_B = nn.Linear(rank, frozen.shape[0], bias=False)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.frozen) + self.scale * self.lora_B(self.lora_A(x))


class Decoder(nn.Module):
    """Llama's decoder of a few layers: rotary positions, gated MLP, norms by root mean square, tied outputs."""

    def __init__(self, game: Arrays) -> None:
        super().__init__()
        self.layers, self.heads = int(game["layers"]), int(game["heads"])
        self.eps, rank, scale = float(game["eps"]), int(game["rank"]), float(game["scale"])
        self.table: Tensor
        self.register_buffer("table", torch.from_numpy(game["base.model.embed_tokens.weight"]))
        norms = [name for name in game if name.startswith("base.") and "norm" in name]
        self.norms = {name[5:-7]: torch.from_numpy(game[name]) for name in norms}
        self.projections = nn.ModuleDict()
        for name in game:
            if name.startswith("base.") and "_proj" in name:
                frozen = torch.from_numpy(game[name])
                self.projections[name[5:-7].replace(".", "_")] = Adapted(frozen, rank, scale)
        size = self.table.shape[1] // self.heads
        angles = torch.arange(game["train"].shape[1] - 1)[:, None] / float(game["rope_base"]) ** (
            torch.arange(0, size, 2).double() / size
        )
        angles = torch.cat([angles, angles], dim=1)
        self.cosine, self.sine = angles.cos().float(), angles.sin().float()

    def forward(self, tokens: Tensor) -> Tensor:
        """Outputs [m, L, V] after tokens int64[m, L]."""
        x = self.table[tokens]
        for layer in range(self.layers):
            at = f"model.layers.{layer}"
            x = x + self._attention(at, self._normed(x, f"{at}.input_layernorm"))
            y = self._normed(x, f"{at}.post_attention_layernorm")
            gate, up = self._project(y, f"{at}.mlp.gate_proj"), self._project(y, f"{at}.mlp.up_proj")
            x = x + self._project(functional.silu(gate) * up, f"{at}.mlp.down_proj")
        return functional.linear(self._normed(x, "model.norm"), self.table)

    def _project(self, x: Tensor, name: str) -> Tensor:
        projected: Tensor = self.projections[name.replace(".", "_")](x)
        return projected

    def _normed(self, x: Tensor, name: str) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps) * self.norms[name]

    def _attention(self, at: str, x: Tensor) -> Tensor:
        rows, length, width = x.shape
        q, k, v = (
            self._project(x, f"{at}.self_attn.{part}_proj").view(rows, length, self.heads, -1).transpose(1, 2)
            for part in "qkv"
        )
        q, k = self._turned(q), self._turned(k)
        later = torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1)
        scores = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).masked_fill(later, -torch.inf)
        mixed = (torch.softmax(scores, dim=3) @ v).transpose(1, 2).reshape(rows, length, width)
        return self._project(mixed, f"{at}.self_attn.o_proj")

    def _turned(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=-1)
        return x * self.cosine + torch.cat([-second, first], dim=-1) * self.sine


def state(game: Arrays, adapters: np.ndarray, model: Decoder) -> dict[str, Tensor]:
    """The module's state with these adapters [P]: ``slots`` says where each matrix lies in them."""
    found = dict(model.state_dict())
    for name, start, rows, columns in zip(
        game["slot_names"], game["slot_starts"], game["slot_rows"], game["slot_columns"], strict=True
    ):
        owner, which = str(name).removesuffix(".weight").rsplit(".", 1)
        matrix = adapters[start : start + rows * columns].reshape(rows, columns)
        found[f"projections.{owner.replace('.', '_')}.{which}.weight"] = torch.from_numpy(matrix.copy())
    return found


def loss_of(model: Decoder, params: Mapping[str, Tensor], blocks: Tensor) -> Tensor:
    """Mean negative log-likelihood a token of blocks [m, L + 1]."""
    outputs = torch.func.functional_call(model, dict(params), (blocks[:, :-1],))
    return functional.cross_entropy(outputs.flatten(0, 1), blocks[:, 1:].flatten())


class Text(Task):
    """kronfluence's description of the same."""

    def compute_train_loss(self, batch: tuple[Tensor], model: nn.Module, sample: bool = False) -> Tensor:
        (blocks,) = batch
        outputs = model(blocks[:, :-1]).flatten(0, 1)
        targets = blocks[:, 1:].flatten()
        if sample:
            with torch.no_grad():
                targets = torch.multinomial(torch.softmax(outputs, dim=1), 1).flatten()
        return functional.cross_entropy(outputs, targets, reduction="sum")

    def compute_measurement(self, batch: tuple[Tensor], model: nn.Module) -> Tensor:
        return self.compute_train_loss(batch, model)


def by_kronfluence(game: Arrays, model: Decoder, train: TensorDataset, test: TensorDataset, strategy: str) -> Tensor:
    """Scores [rows, test blocks] of one strategy, the damping the library's own choice."""
    model.load_state_dict(state(game, game["full"], model))
    task = Text()
    wrapped = prepare_model(model, task)
    with tempfile.TemporaryDirectory() as place:
        analyzer = Analyzer("it", wrapped, task, cpu=True, output_dir=place, disable_tqdm=True, disable_model_save=True)
        analyzer.set_dataloader_kwargs(DataLoaderKwargs(num_workers=0))
        analyzer.fit_all_factors("it", train, per_device_batch_size=BATCH, factor_args=FactorArguments(strategy))
        analyzer.compute_pairwise_scores(
            "it",
            "it",
            query_dataset=test,
            train_dataset=train,
            per_device_query_batch_size=BATCH,
            per_device_train_batch_size=BATCH,
            score_args=ScoreArguments(),
        )
        found = analyzer.load_pairwise_scores("it")["all_modules"]
    return found.T.double()


def by_dattri(
    game: Arrays, model: Decoder, train: TensorDataset, test: TensorDataset
) -> dict[str, Callable[[], Tensor]]:
    """dattri's methods, each a function that gives scores [rows, test blocks]."""
    rows = DataLoader(train, batch_size=BATCH)
    asked = DataLoader(test, batch_size=BATCH)

    def loss(params: Mapping[str, Tensor], batch: tuple[Tensor]) -> Tensor:
        blocks = batch[0]
        return loss_of(model, params, blocks if blocks.dim() == 2 else blocks[None])

    def task(adapters: np.ndarray, **changed: object) -> AttributionTask:
        states = [state(game, each, model) for each in adapters]
        return AttributionTask(loss_func=loss, model=model, checkpoints=states, **changed)

    def tracin() -> Tensor:
        ones = torch.ones(len(game["on_the_way"]))
        return TracInAttributor(task(game["on_the_way"]), weight_list=ones, normalized_grad=False).attribute(
            rows, asked
        )

    def margin(params: Mapping[str, Tensor], batch: tuple[Tensor]) -> Tensor:
        log_p = -loss(params, batch)
        return log_p - torch.log1p(-torch.exp(log_p))

    def probability(params: Mapping[str, Tensor], batch: tuple[Tensor]) -> Tensor:
        return torch.exp(-loss(params, batch))

    def trak(adapters: np.ndarray) -> Tensor:
        made = AttributionTask(
            loss_func=margin, model=model, checkpoints=[state(game, each, model) for each in adapters]
        )
        attributor = TRAKAttributor(
            made, correct_probability_func=probability, projector_kwargs={"proj_dim": PROJECTED}, regularization=1e-6
        )
        attributor.cache(rows)
        return attributor.attribute(asked)

    methods: Methods = {"dattri TracIn": tracin}
    methods["dattri TRAK, 1 model"] = partial(trak, game["full"][None])
    methods[f"dattri TRAK, {len(game['halves'])} models"] = partial(trak, game["halves"])
    return methods


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with np.load(sys.argv[1], allow_pickle=False) as found:
        game = {name: found[name] for name in found.files}
    train, test = (torch.from_numpy(game[name].astype(np.int64)) for name in ("train", "test"))
    model = Decoder(game)
    model.load_state_dict(state(game, game["full"], model))
    with torch.no_grad():
        if not torch.allclose(model(test[:4, :-1]), torch.from_numpy(game["outputs"]), atol=1e-3):
            raise SystemExit("the module does not give the game's outputs")
    sets = TensorDataset(train), TensorDataset(test)
    methods = by_dattri(game, model, *sets)
    for strategy in ("identity", "diagonal", "kfac", "ekfac"):
        methods[f"kronfluence {strategy}"] = partial(by_kronfluence, game, Decoder(game), *sets, strategy)
    scores: dict[str, np.ndarray] = {}
    for name, method in methods.items():
        begun = time.perf_counter()
        try:
            scores[name] = method().detach().double().numpy()
        except Exception as error:  # a peer that fails is a line less of the table
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            continue
        scores[f"seconds {name}"] = np.array(time.perf_counter() - begun)
        print(f"{name}: {scores[f'seconds {name}']:.1f} s", flush=True)
    np.savez(sys.argv[2], **scores)


if __name__ == "__main__":
    main()
