"""Encoders of texts by their folders: BERT's kin, their names, where positions begin, how states are pooled."""

from typing import Any

import pytest
import torch

from app.checkpoints import text_encoders
from app.checkpoints.families import Family
from app.errors import InvalidData
from contract.architectures.bert import FIRST, LARGEST, MEAN, POSITIONS, RELATIVE, TYPES
from tests.frozen_models import BERT, drawn
from tests.outside_packages import outside_package
from worker.engine.learners.backbones import encoders

_LIKE = {name: value for name, value in BERT.items() if name not in ("architectures", "model_type")}
_ROBERTA = _LIKE | {"pad_token_id": 1, "max_position_embeddings": 42, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
CONFIGS: dict[str, dict[str, Any]] = {
    "Bert": BERT,
    "Roberta": _ROBERTA | {"architectures": ["RobertaModel"], "model_type": "roberta"},
    "XLMRoberta": _ROBERTA | {"architectures": ["XLMRobertaModel"], "model_type": "xlm-roberta"},
    "MPNet": _ROBERTA | {"architectures": ["MPNetModel"], "model_type": "mpnet"},
    "DistilBert": {
        "architectures": ["DistilBertModel"],
        "model_type": "distilbert",
        "dim": BERT["hidden_size"],
        "n_heads": BERT["num_attention_heads"],
        "n_layers": BERT["num_hidden_layers"],
        "hidden_dim": BERT["intermediate_size"],
        "max_position_embeddings": 40,
        "vocab_size": BERT["vocab_size"],
    },
}


def features(family: Family, weights: dict[str, torch.Tensor], tokens: Any, there: Any) -> torch.Tensor:
    return encoders.bert(family.model, weights, tokens, there)  # type: ignore[arg-type]  # an encoder of texts


@pytest.mark.filterwarnings("ignore")  # theirs, not ours
@pytest.mark.parametrize("kind", CONFIGS)
def test_transformers_computes_the_same_states(kind: str) -> None:
    transformers = outside_package("transformers", reason="transformers is not installed: nothing to compare with")
    torch.manual_seed(0)
    config = CONFIGS[kind]
    theirs = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**config)).eval()
    family = text_encoders.encoder(config, "it")
    weights = {
        family.plain_name(name): array for name, array in theirs.state_dict().items() if not family.is_spare(name)
    }
    assert {name: tuple(array.shape) for name, array in weights.items()} == dict(family.shapes)
    tokens, there = torch.randint(4, 38, (3, 36)), torch.ones(3, 36, dtype=torch.bool)
    tokens[1, 8:], there[1, 8:] = 1, False
    with torch.no_grad():
        states = theirs(input_ids=tokens, attention_mask=there.long()).last_hidden_state
        wanted = (states * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        assert torch.allclose(features(family, weights, tokens, there), wanted, atol=1e-5)
        first = text_encoders.pooled(family, {"pooling_mode_cls_token": True}, "it")
        assert torch.allclose(features(first, weights, tokens, there), states[:, 0], atol=1e-5)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_model_saved_with_a_head_is_the_one_below_it(kind: str) -> None:
    config = CONFIGS[kind]
    plain = text_encoders.encoder(config, "it")
    headed = text_encoders.encoder(config | {"architectures": [f"{kind}ForSequenceClassification"]}, "it")
    assert headed.shapes == plain.shapes
    assert headed.prefix == f"{config['model_type'].replace('xlm-roberta', 'roberta')}."
    assert headed.is_spare("classifier.dense.weight")
    assert headed.plain_name(f"{headed.prefix}embeddings.word_embeddings.weight") == "embeddings.word_embeddings.weight"


def test_what_kin_differ_in_is_in_their_shapes_and_sizes() -> None:
    found = {kind: text_encoders.encoder(config, "it") for kind, config in CONFIGS.items()}
    assert {kind for kind, family in found.items() if TYPES in family.shapes} == {"Bert", "Roberta", "XLMRoberta"}
    assert [kind for kind, family in found.items() if RELATIVE in family.shapes] == ["MPNet"]
    assert found["Roberta"].sizes["offset"] == 2
    assert found["Roberta"].shapes[POSITIONS][0] == 42
    assert found["Roberta"].sizes["positions"] == 40, "of a text's tokens"
    assert not {"offset", "buckets", "pooling"} & set(found["Bert"].sizes), "stored as before there was kin"


@pytest.mark.parametrize("kind", ["Roberta", "MPNet"])
def test_a_padded_text_has_the_features_of_the_text_alone(kind: str) -> None:
    family = text_encoders.encoder(CONFIGS[kind], "it")
    weights = {name: torch.from_numpy(array) for name, array in drawn(dict(family.shapes), 0).items()}
    tokens, there = torch.tensor([[2, 5, 6, 3, 0, 0], [2, 5, 6, 3, 9, 9]]), torch.ones(2, 6, dtype=torch.bool)
    there[:, 4:] = False
    for pooling in ("cls", "mean", "max"):
        own = text_encoders.pooled(family, {"pooling_mode": pooling}, "it")
        padded = features(own, weights, tokens, there)
        alone = features(own, weights, tokens[:1, :4], there[:1, :4])
        assert torch.allclose(padded, alone.expand(2, -1), atol=1e-5)


def test_pooling_is_as_sentence_transformers_says_or_refused() -> None:
    family = text_encoders.encoder(BERT, "it")
    off = {"word_embedding_dimension": 16, "include_prompt": True, "pooling_mode_weightedmean_tokens": False}

    def said(**more: bool) -> int:
        return int(text_encoders.pooled(family, off | more, "p").sizes.get("pooling", 0))

    assert said(pooling_mode_mean_tokens=True, pooling_mode_cls_token=False) == MEAN
    assert said(pooling_mode_mean_tokens=False, pooling_mode_cls_token=True) == FIRST
    assert said(pooling_mode_max_tokens=True) == LARGEST
    with pytest.raises(InvalidData, match="p: it pools by pooling_mode_lasttoken"):
        said(pooling_mode_lasttoken=True)
    with pytest.raises(InvalidData, match="pools by pooling_mode_cls_token, pooling_mode_mean_tokens"):
        said(pooling_mode_mean_tokens=True, pooling_mode_cls_token=True)
    own = [{"type": f"sentence_transformers.models.{kind}"} for kind in ("Transformer", "Normalize")]
    text_encoders.check_modules(own, "m", pools=False)
    with pytest.raises(InvalidData, match="m: Dense comes after the encoder"):
        text_encoders.check_modules([{"type": "sentence_transformers.models.Dense"}], "m", pools=True)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"architectures": ["DebertaModel"], "model_type": "deberta"},
            "'deberta'; only BertModel, RobertaMod",
        ),
        ({"architectures": ["BertModel"], "model_type": "roberta"}, "architectures is"),
        ({"auto_map": {"AutoModel": "x.y"}}, "code of its own"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is not the plain RoBERTa's"),
        ({"hidden_act": "relu"}, "hidden_act is not the plain RoBERTa's"),
        ({"pad_token_id": 41}, "leave none for a text"),
        ({"pad_token_id": -1}, "pad_token_id must be a whole number"),
    ],
)
def test_what_is_not_computed_exactly_is_refused_by_name(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidData) as refused:
        text_encoders.encoder(CONFIGS["Roberta"] | changes, "config.json")
    assert why in str(refused.value)
