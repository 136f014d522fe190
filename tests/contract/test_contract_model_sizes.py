"""Sizes of encoders and backbones, stored as plain JSON and typed again."""

import math
from dataclasses import asdict

from app.checkpoints import vision
from contract.architectures.bert import BertSizes
from contract.architectures.model_folder import read_sizes
from contract.architectures.resnet import ResNetSizes
from contract.architectures.vision_transformer import VitSizes

BERT = BertSizes(layers=2, width=24, heads=2, inner=40, positions=16, types=2, eps=1e-12)


def test_sizes_that_were_stored_are_read_again() -> None:
    for name, kind in (("resnet50", ResNetSizes), ("vit_tiny_patch16_224", VitSizes)):
        family = vision.backbone({"architecture": name}, "it")
        assert all(not isinstance(size, tuple) for size in family.sizes.values()), "plain JSON has lists"
        assert read_sizes(kind, family.sizes) == family.model
    assert read_sizes(BertSizes, asdict(BERT)) == BERT


def test_published_models_have_their_published_numbers_of_weights() -> None:
    counted = {
        name: sum(math.prod(shape) for label, shape in family.shapes.items() if "running" not in label)
        for name in ("resnet18", "resnet50", "vit_small_patch16_224")
        if (family := vision.backbone({"architecture": name}, "it"))
    }
    # of torchvision and timm, less the classifier of 1000 classes
    assert counted["resnet18"] == 11_689_512 - 513_000
    assert counted["resnet50"] == 25_557_032 - 2_049_000
    assert counted["vit_small_patch16_224"] == 22_050_664 - 385_000


def test_the_features_of_a_resnet_are_as_wide_as_its_last_stage() -> None:
    widths = [vision.backbone({"architecture": name}, "it").width for name in ("resnet18", "resnet50")]
    assert widths == [512, 2048]
