"""The sizes of a decoder, and the names and shapes that follow from them."""

import math

from contract.architectures.decoder import DecoderSizes

# TinyLlama 1.1B
TINY = DecoderSizes(layers=22, width=2048, heads=32, kv_heads=4, inner=5632, tied=0)


def test_a_published_model_has_its_published_number_of_weights() -> None:
    assert sum(math.prod(shape) for _, shape in TINY.shapes(32_000)) == 1_100_048_384


def test_a_tied_decoder_has_no_head_of_its_own() -> None:
    names = [name for name, _ in TINY.shapes(32_000)]
    assert (names[0], names[-1]) == (TINY.kind.embedding, TINY.kind.head)
    tied = DecoderSizes(layers=1, width=64, heads=4, kv_heads=2, inner=96)
    assert tied.kind.head not in dict(tied.shapes(256))


def test_a_token_meets_every_matrix_and_the_head_once() -> None:
    sizes = DecoderSizes(layers=1, width=4, heads=2, kv_heads=2, inner=8)
    assert sizes.multiplications(10) == 4 * 4 * 4 + 3 * 4 * 8 + 10 * 4
