"""Jobs on images of different sizes: the order says to which square they are resized, and workers do the same."""

from typing import Any

from tests.place import Place, finished, order
from tests.worker.jobs.test_jobs_featured import offered, pictures


def test_images_of_different_sizes_are_resized_as_the_order_says(place: Place, hand: Any) -> None:
    read = offered(place, pictures, {"target": "label", "modality": "image"})
    model = {"name": "cnn", "hyper": {"channels": 4, "steps": 5}}
    body = order(read, model=model, fidelity="unlearn", max_retrains=0) | {"metric": "log_loss"}
    refused = place.client("buyer").post("/v1/valuations", json=body)
    assert refused.status_code == 422
    assert "images differ in shape" in refused.json()["detail"]
    assert "give an image_size" in refused.json()["detail"]
    finished(place, hand, body | {"image_size": 16})
    (problem,) = [evaluator.problem for evaluator, _ in hand.runtime.games._games.values()]
    assert problem.feature_shape == (16, 16, 3)
