"""Decoders and encoders by transformers' own modelling code, with stacked adapters in place of its linear layers.

transformers builds the model of a ``config.json`` offline; no code of a folder is run, no name is looked up elsewhere.
Its linear layers are put aside for products that the caller computes, K models at once, and its SiLU and GELU for
those of ``elementwise``; embeddings, norms, rotations and attention are its own. So the rows of all coalitions go
through one pass, and a model's bits do not depend on how many others are computed beside it. The weights are views of
the caller's. Nothing here trains or reads files.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from contract.architectures.published import CONFIG_ARRAY, EXTRA, PUBLISHED, encoder_of, in_layer
from contract.errors import InvalidProblem
from worker.engine.learners.outside.torchvision_import import make_torchvision_importable
from worker.engine.tensors.elementwise import gelu, gelu_tanh, silu

Project = Callable[[Tensor, str], Tensor]
_ELEMENTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "SiLU": silu,
    "SiLUActivation": silu,
    "GELUActivation": gelu,
    "NewGELUActivation": gelu_tanh,
    "GELUTanh": gelu_tanh,
    "FastGELUActivation": gelu_tanh,
}
# what a configuration may ask of transformers besides sizes: other kernels, other code, other numbers, other answers
_NO_SIZES = (
    *("attn_implementation", "experts_implementation", "dtype", "torch_dtype", "auto_map", "use_kernels"),
    *("output_attentions", "output_hidden_states", "return_dict", "torchscript", "gradient_checkpointing"),
)
_REFUSALS = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError, ZeroDivisionError)


class _Run(NamedTuple):
    """One pass: of how many models, who computes its products, and whether layers are computed again backwards."""

    models: int
    project: Project
    recompute: bool


class _Here(threading.local):
    """The pass of this thread: several go through one model at a time."""

    run: _Run | None = None


@contextmanager
def _passing(here: _Here, run: _Run) -> Iterator[None]:
    before, here.run = here.run, run
    try:
        yield
    finally:
        here.run = before


class _Projected(nn.Module):
    """A linear layer's place: K models' products by the caller, and the layer's bias."""

    def __init__(self, name: str, layer: nn.Linear, here: _Here) -> None:
        super().__init__()
        self.name, self.bias, self._here = name, layer.bias, here
        self.in_features, self.out_features = layer.in_features, layer.out_features

    def forward(self, x: Tensor) -> Tensor:
        run = self._here.run
        if run is None:
            raise AssertionError(f"{self.name}: no pass is under way")
        out = run.project(x.reshape(run.models, -1, x.shape[-1]), self.name)
        if self.bias is not None:
            out = out + self.bias
        return out.reshape(*x.shape[:-1], out.shape[-1])


class _Elementwise(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: Tensor) -> Tensor:
        return self._function(x)


class PublishedModel:
    """The model of a ``config.json`` (its bytes) with weights [1, ...] by name, on their device. Raises InvalidProblem
    where transformers is not installed or does not compute such a model, and where a weight is missing, foreign or of
    another shape."""

    def __init__(self, config: bytes, weights: Mapping[str, Tensor]) -> None:
        self._here = _Here()
        self._model = _built(json.loads(config))
        self._weight_of: dict[str, str] = {}
        for names in _groups(self._model):
            held = next((name for name in names if name in weights), names[0])
            self._weight_of |= dict.fromkeys(names, held)
        self._take(weights)
        self._put_aside()
        self._model.to(next(iter(weights.values())).device)

    def weight_of(self, linear: str) -> str:
        """The name of the weight that a linear layer multiplies with: its own, or the one that it shares."""
        return self._weight_of[f"{linear}.weight"]

    def _take(self, weights: Mapping[str, Tensor]) -> None:
        """Put views of the weights in the model's places."""
        own = {name: tuple(tensor.shape) for name, tensor in self._model.state_dict(keep_vars=True).items()}
        for name in sorted(own.keys() | weights.keys()):
            held, shape = self._weight_of.get(name, name), own.get(name)
            if held not in weights and name not in self._weight_of:
                continue  # a mask or a constant that transformers makes
            if held not in weights or shape != tuple(weights[held].shape[1:]):
                fault = f"has shape {list(weights[held].shape[1:])}" if held in weights else "is missing"
                rule = f"it is {list(shape)}" if shape is not None else "there is no such weight"
                raise InvalidProblem(f"array {name!r} {fault}; in a model of this configuration {rule}")
            where, _, leaf = name.rpartition(".")
            module = self._model.get_submodule(where)
            if name in self._weight_of:
                setattr(module, leaf, nn.Parameter(weights[held][0], requires_grad=False))
            else:
                setattr(module, leaf, weights[held][0])

    def _put_aside(self) -> None:
        """Give linear layers, elementwise functions and layers' inputs over to this code."""
        for name, module in list(self._model.named_modules()):
            function = _ELEMENTWISE.get(type(module).__name__)
            if isinstance(module, nn.Linear):
                self._model.set_submodule(name, _Projected(name, module, self._here))
            elif function is not None:
                self._model.set_submodule(name, _Elementwise(function))
            elif name.rpartition(".")[2].isdigit() and in_layer(name) is None:
                module.forward = partial(self._through, module.forward)

    def _through(self, layer: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A layer's pass; what a backward pass computes again is of the same run, in whichever thread it is."""
        run = self._here.run
        if run is None or not (run.recompute and torch.is_grad_enabled()):
            return layer(*args, **kwargs)

        def again(*args: Any) -> Any:
            with _passing(self._here, run):
                return layer(*args, **kwargs)

        return checkpoint(again, *args, use_reentrant=False, preserve_rng_state=False)


class PublishedDecoder(PublishedModel):
    """A causal decoder."""

    def outputs(self, tokens: Tensor, project: Project, *, recompute: bool) -> Tensor:
        """Outputs float32[K, m, L, vocabulary] after each token of ``tokens`` int64[K, m, L];
        ``project(x [K, t, in], name)`` answers W x [K, t, out]. With ``recompute`` a backward pass keeps each layer's
        input alone and computes the layer again."""
        K, m, L = tokens.shape
        with _passing(self._here, _Run(K, project, recompute)):
            outputs: Tensor = self._model(input_ids=tokens.reshape(K * m, L), use_cache=False).logits
        return outputs.view(K, m, L, -1).float()


class PublishedEncoder(PublishedModel):
    """An encoder of texts."""

    def states(self, tokens: Tensor, present: Tensor, project: Project, *, recompute: bool) -> Tensor:
        """The last layer's states float32[n, L, width] of ``tokens`` int64[n, L]; ``present`` bool[n, L] says where a
        text has any. ``project(x [n, L, in], name)`` answers W x [n, L, out]."""
        with _passing(self._here, _Run(len(tokens), project, recompute)):
            states: Tensor = self._model(input_ids=tokens, attention_mask=present.long()).last_hidden_state
        return states.float()


def _built(config: dict[str, Any]) -> nn.Module:
    """transformers' model of a configuration, its weights not yet there."""
    architectures, model_type = config.get("architectures"), config.get("model_type")
    architecture = architectures[0] if isinstance(architectures, list) and architectures else ""
    encoder = encoder_of(config)
    if encoder is None and PUBLISHED.get(architecture) != model_type:
        raise InvalidProblem(f"architectures is {architectures} of model_type {model_type!r}; it is not computed here")
    transformers, initialization = _transformers(architecture)
    settings = {key: value for key, value in config.items() if not key.startswith("_") and key not in _NO_SIZES}
    settings.pop("model_type")
    try:
        own = transformers.AutoConfig.for_model(model_type, **settings)
        with initialization.no_init_weights():
            kind = transformers.AutoModelForCausalLM if encoder is None else transformers.AutoModel
            model = kind.from_config(own, dtype=torch.float32)
            model.tie_weights()
    except _REFUSALS as error:
        raise InvalidProblem(f"config.json: transformers cannot build this {architecture}: {error}") from None
    built: nn.Module = model.eval().requires_grad_(requires_grad=False)
    return built


def _transformers(architecture: str) -> tuple[Any, Any]:
    """The package, and its module of first weights."""
    # nothing is downloaded: neither files nor kernels
    os.environ |= {"HF_HUB_OFFLINE": "1", "USE_HUB_KERNELS": "0"}
    make_torchvision_importable()
    try:
        import transformers
        from transformers import initialization
    except ImportError:
        raise InvalidProblem(
            f"{architecture} is computed by the package transformers, which is not installed here; "
            f"pip install -c constraints.txt '{EXTRA}'"
        ) from None
    transformers.logging.set_verbosity_error()
    return transformers, initialization


def _groups(model: nn.Module) -> list[list[str]]:
    """The names of each parameter: several where it is shared."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return list(names.values())


def taken_config(arrays: dict[str, Any]) -> bytes | None:
    """The configuration among a frozen model's arrays, taken out of them: that of one which transformers computes."""
    config = arrays.pop(CONFIG_ARRAY, None)
    if isinstance(config, Tensor):
        config = config.cpu().numpy()
    return None if config is None else np.asarray(config, dtype=np.uint8).tobytes()


def config_array(config: bytes) -> Tensor:
    """A configuration as it travels among the arrays, uint8[n]."""
    return torch.frombuffer(bytearray(config), dtype=torch.uint8)
