"""Folders of images' backbones that timm computes, as the service knows them: by config.json and the arrays' shapes."""

from typing import Any

import pytest

from app.checkpoints.families import check_side_and_context
from app.checkpoints.vision import backbone
from app.errors import InvalidData
from contract.architectures.model_folder import Shapes
from contract.architectures.timm_backbone import TimmSizes
from contract.architectures.timm_names import CLASSIFIERS, NO_FEATURES, VERSION, WIDER
from tests.outside_packages import outside_package

CONFIG: dict[str, Any] = {
    "architecture": "convnext_tiny",
    "num_features": 16,
    "model_args": {"depths": [1, 1, 1, 1], "dims": [8, 8, 16, 16]},
    "pretrained_cfg": {"input_size": [3, 64, 64]},
}
ARRAYS: Shapes = {"stem.0.weight": (8, 3, 4, 4), "stem.0.bias": (8,), "head.norm.weight": (16,), "x.weight": (16, 8)}


def test_sizes_follow_from_the_folder_and_a_classifier_is_left_out() -> None:
    family = backbone(CONFIG, "it", ARRAYS)
    assert isinstance(family.model, TimmSizes)
    assert (family.name, family.width, family.model.size) == ("timm", 16, 64)
    assert family.multiplications == (8 * 3 * 16 + 16 * 8) * 4**2
    assert family.shapes == ARRAYS
    head: Shapes = {"head.fc.weight": (5, 12), "head.fc.bias": (5,)}
    with_head = backbone(CONFIG | {"num_features": None}, "it", ARRAYS | head)
    assert (with_head.shapes, with_head.width) == (ARRAYS, 12), "what the classifier takes is a row's length"
    assert backbone(CONFIG, "it", ARRAYS | head).width == 16, "unless the folder says it"
    named = CONFIG | {"architecture": "mobilenetv3_small_100", "pretrained_cfg": {"classifier": "x"}}
    assert backbone(named, "it", ARRAYS).width == 8, "where timm writes another number than comes out"
    sized = CONFIG | {"model_args": {"img_size": [48, 48], "num_classes": 7, "in_chans": 3}}
    assert backbone(sized, "it", ARRAYS).model.size == 48


def test_images_are_as_large_as_the_folder_says() -> None:
    check_side_and_context(backbone(CONFIG, "it", ARRAYS), 0, 64, "it")
    with pytest.raises(InvalidData, match="size is 96; this model's is 64"):
        check_side_and_context(backbone(CONFIG, "it", ARRAYS), 0, 96, "it")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architecture": "convnext_tiny.fb_in22k"}, f"which timm {VERSION} does not have; .* without a tag"),
        ({"architecture": "hf-hub:timm/convnext_tiny"}, "does not have"),
        ({"architecture": ["convnext_tiny"]}, "does not have"),
        ({"architecture": "gemma4_vit_167m_enc"}, "makes no single row of features of an image; take another"),
        ({"auto_map": {"AutoModel": "x.Y"}}, "never run"),
        ({"num_features": None}, "num_features must be a whole number above 0"),
        ({"model_args": {"checkpoint_path": "x.pt"}}, "model_args: checkpoint_path is no size of the model"),
        ({"model_args": {"pretrained": True}}, "model_args: pretrained is no size of the model"),
        ({"model_args": {"features_only": True}}, "model_args: features_only is no size of the model"),
        ({"model_args": {"in_chans": 1}}, "model_args: in_chans is no size of the model"),
        ({"model_args": {"dims": [8, 1 << 20]}}, r"model_args: dims is \[8, 1048576\]; an argument is"),
        ({"model_args": {"depths": [3, 9]}}, r"model_args: depths is .* a number of at most 4"),
        ({"model_args": {"act_layer": {"a": 1}}}, "model_args: act_layer is"),
        ({"model_args": {"img_size": [32, 64]}}, "images are squares"),
        ({"pretrained_cfg": {"input_size": [1, 64, 64]}}, "images are squares of three channels"),
        ({"pretrained_cfg": {"classifier": 3}}, "it is the name of the last layer"),
    ],
)
def test_what_is_no_backbone_is_refused_by_its_setting(config: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        backbone(CONFIG | config, "it", ARRAYS)


def test_the_names_are_those_of_the_timm_that_is_pinned() -> None:
    timm = outside_package("timm", "timm is not installed: nothing to compare with")
    assert timm.__version__ == VERSION
    assert CLASSIFIERS.keys() | NO_FEATURES.keys() == set(timm.list_models())
    assert not CLASSIFIERS.keys() & NO_FEATURES.keys()
    assert CLASSIFIERS.keys() > WIDER
