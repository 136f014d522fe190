"""What either side refuses of a model trained beside documents: questions that are too large, answers that are none."""

from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from contract.agent_adapters import AdapterQuestion, decoder_of, packed_adapter, passes, unpacked_adapter
from contract.agent_texts import RegisteredBase, RegisteredTexts
from contract.agents import AnswerHead, AnswerRefused, NoiseTerms, registration_of
from contract.document import canonical_json
from contract.openings import read_question
from worker.engine.learners.causal_lm import LanguageModel

HEX = "ab" * 32
HYPER: dict[str, float | int | str] = {"layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "rank": 2, "steps": 6}


def question(**changes: Any) -> AdapterQuestion:
    said = {
        "dataset": "01" * 16, "registration": HEX, "commitment": HEX, "rows": 40, "game": HEX, "buyer": "acc_1",
        "purpose": None, "base": HEX, "vocabulary": 256, "context": 32, "blocks": 90, "hyper": HYPER, "seed": 3,
    }  # fmt: skip
    return AdapterQuestion(**{**said, **changes})


def adapter(asked: AdapterQuestion) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in asked.shapes.items()}


def head(asked: AdapterQuestion, **changes: Any) -> AnswerHead:
    return AnswerHead(**{"question": asked.digest, "commitment": HEX, "rows": 40, **changes})


def test_an_adapter_comes_back_bit_for_bit_and_is_a_safetensors_file() -> None:
    asked = question()
    sent = adapter(asked)
    content = packed_adapter(head(asked), sent, asked)
    assert len(content) <= asked.answer_bytes
    for got in (unpacked_adapter(asked, content), safetensors.numpy.load(content.partition(b"\n")[2])):
        assert got.keys() == sent.keys()
        assert all((got[name] == sent[name]).all() for name in sent)
    assert read_question(asked.plain()) == asked


@pytest.mark.parametrize(
    "changes", [{}, {"qkv_bias": 1, "tied": 0}, {"head": 32, "heads": 2}, {"rank@q_proj": 4, "rank@0.up_proj": 0}]
)
def test_sizes_and_shapes_are_the_learners(changes: dict[str, int]) -> None:
    hyper = HYPER | changes
    sizes = decoder_of(hyper)
    rng = np.random.default_rng(2)
    base = {name: rng.normal(size=shape).astype(np.float32) for name, shape in sizes.shapes(256)}
    learner = LanguageModel(hyper, (33,), 256, base)
    assert learner.sizes == sizes
    assert {slot.name: tuple(slot.shape) for slot in learner.layout.slots} == question(hyper=hyper).shapes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question": "00" * 32}, "another question"),
        ({"commitment": "00" * 32}, "another commitment"),
        ({"rows": 41}, "another number of documents"),
        ({"protocol": 2}, "another protocol"),
        ({"noise": NoiseTerms(epsilon=1.0, delta=1e-6, clip=1.0)}, "another noise"),
    ],
)
def test_an_answer_of_something_else_is_refused(changes: dict[str, Any], said: str) -> None:
    asked = question()
    with pytest.raises(AnswerRefused, match=said):
        unpacked_adapter(asked, packed_adapter(head(asked, **changes), adapter(asked), asked))


def test_what_is_no_adapter_of_the_question_is_refused() -> None:
    asked, other = question(), question(hyper=HYPER | {"rank": 4})
    content = packed_adapter(head(asked), adapter(asked), asked)
    wider = packed_adapter(head(asked), adapter(other), other)
    bad = adapter(asked)
    next(iter(bad.values()))[0, 0] = np.nan
    for wrong, said in (
        (content[:-4], "bytes of numbers"),
        (content + b"\0", "bytes of numbers"),
        (wider, "no safetensors file of the arrays"),
        (content.replace(b'"F32"', b'"F16"'), "no safetensors file of the arrays"),
        (b"[[[[", "does not begin"),
        (packed_adapter(head(asked), bad, asked), "NaN or infinity"),
    ):
        with pytest.raises(AnswerRefused, match=said):
            unpacked_adapter(asked, wrong)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hyper": HYPER | {"width": 4096, "heads": 32, "kv_heads": 32, "layers": 32, "rank": 64}}, "lower its rank"),
        ({"hyper": HYPER | {"rank": 0}}, "leave one an adapter"),
        ({"hyper": HYPER | {"depth": 3}}, "no hyper-parameter"),
        ({"base": "model"}, "match"),
    ],
)
def test_a_question_that_nobody_can_answer_is_none(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        question(**changes)


def test_passes_count_how_often_a_training_reads_a_block() -> None:
    assert passes(HYPER | {"steps": 10, "batch": 8}, 40) == 2.0


def test_documents_are_registered_with_bases_and_nothing_else() -> None:
    texts = RegisteredTexts(bases=(RegisteredBase(digest=HEX, blocks={32: 7, 64: 4}),))
    assert (texts.blocks(HEX, 32), texts.blocks(HEX, 128), texts.blocks("00" * 32, 32)) == (7, None, None)
    whole = {
        "rows": 12, "columns": [{"name": "text", "kind": "text"}], "commitment": HEX, "learners": ["lm"],
        "texts": texts.plain(),
    }  # fmt: skip
    registered = registration_of(canonical_json(whole))
    assert registered.texts == texts
    assert registration_of(canonical_json(registered.plain())) == registered
    for changes, said in (
        ({"texts": None}, "for lm alone"),
        ({"learners": ["lm", "ridge"]}, "for lm alone"),
        ({"columns": [{"name": "page", "kind": "text"}]}, "the column text"),
        ({"target": "text"}, "no target"),
        ({"open_rows": 3}, "leave both out"),
        ({"texts": {"bases": [{"digest": HEX, "blocks": {"33": 7}}]}}, "counted by"),
    ):
        with pytest.raises(AnswerRefused, match=said):
            registration_of(canonical_json(whole | changes))
