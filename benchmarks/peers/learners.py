"""The engine's learners as scikit-learn style estimators, for libraries that want ``fit`` and ``score``.

The definitions are the engine's: the same objective (bias penalised too) and, for the network, the same start,
optimiser and number of steps. Made as fast as numpy and scikit-learn allow, so that nobody can say the peers were
slowed down: logistic regression stops at scikit-learn's default tolerance, looser than the engine's. Runs in the
peers' environment.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression


def parse(text: str) -> tuple[str, dict[str, float]]:
    """``NAME:key=value,...``."""
    name, _, rest = text.partition(":")
    return name, {k: float(v) for k, _, v in (item.partition("=") for item in rest.split(",") if item)}


class Learner:
    """``fit(X, y)`` trains anew, ``predict(X)`` answers classes; each training adds one byte to the file ``tally``."""

    def __init__(self, spec: str = "", classes: int = 2, start: Any = None, tally: str = "") -> None:
        self.spec, self.classes, self.start, self.tally = spec, classes, start, tally

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        return {"spec": self.spec, "classes": self.classes, "start": self.start, "tally": self.tally}

    def set_params(self, **params: Any) -> "Learner":
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> "Learner":
        if self.tally:
            file = os.open(self.tally, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, b".")
            os.close(file)
        name, hyper = parse(self.spec)
        if name == "logistic":
            self._fit_logistic(np.asarray(X), np.asarray(y), hyper)
        else:
            self._fit_mlp(np.asarray(X, dtype=np.float32), np.asarray(y), hyper)
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[np.int64]:
        if self._constant is not None:
            return np.full(len(X), self._constant)
        if self._logistic is not None:
            return np.asarray(self._logistic.predict(_with_one(X)))
        _, out = self._forward(np.asarray(X, dtype=np.float32), self._weights)
        return np.asarray(out.argmax(axis=1))

    def score(self, X: NDArray[Any], y: NDArray[Any]) -> float:
        return float((self.predict(X) == y).mean())

    def _fit_logistic(self, X: NDArray[Any], y: NDArray[Any], hyper: dict[str, float]) -> None:
        self._constant = int(y[0]) if len(np.unique(y)) == 1 else None
        self._logistic = None
        if self._constant is None:
            self._logistic = LogisticRegression(C=1.0 / (hyper["l2"] * len(y)), fit_intercept=False, max_iter=5000)
            self._logistic.fit(_with_one(X), y)

    def _fit_mlp(self, X: NDArray[np.float32], y: NDArray[Any], hyper: dict[str, float]) -> None:
        """Adam on full batches from the common start, as the engine's one-hidden-layer network."""
        self._constant = self._logistic = None
        weights = [np.array(w, dtype=np.float32) for w in self.start]
        first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
        target = np.zeros((len(y), self.classes), dtype=np.float32)
        target[np.arange(len(y)), y] = 1.0
        for step in range(1, int(hyper["steps"]) + 1):
            hidden, out = self._forward(X, weights)
            out -= out.max(axis=1, keepdims=True)
            np.exp(out, out=out)
            out /= out.sum(axis=1, keepdims=True)
            delta = (out - target) / np.float32(len(y))
            back = (delta @ weights[2]) * (hidden > 0)
            gradients = [back.T @ X, back.sum(axis=0), delta.T @ hidden, delta.sum(axis=0)]
            for w, g, a, b in zip(weights, gradients, first, second, strict=True):
                a += np.float32(0.1) * (g - a)
                b += np.float32(0.001) * (g * g - b)
                scale = np.sqrt(b / np.float32(1 - 0.999**step)) + np.float32(1e-8)
                w -= np.float32(hyper["lr"] / (1 - 0.9**step)) * a / scale
        self._weights = weights

    @staticmethod
    def _forward(X: NDArray[np.float32], weights: list[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        hidden = np.maximum(X @ weights[0].T + weights[1], 0)
        return hidden, hidden @ weights[2].T + weights[3]


def _with_one(X: NDArray[Any]) -> NDArray[np.float64]:
    flat = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
