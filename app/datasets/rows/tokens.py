"""Tokenizers: ``tokenizer.json`` of the package ``tokenizers``, read offline. No torch here, and nothing is downloaded.

A service reads strangers' tokenizers in the sandbox only; a worker does so once the sandbox has.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import InvalidData
from contract.rows.token_blocks import Encode as Encode

Locate = Callable[[str], Sequence[int]]
MAX_TOKENIZER = 64 * 1024**2


@dataclass(frozen=True)
class Tokenizer:
    """``encode`` answers the tokens of a piece of a document, without marks of begin and end; ``marked`` with those
    that the tokenizer puts around a whole text. ``located`` answers where in the piece each token of ``encode`` begins
    (a number of characters); ``size`` is how many tokens there are."""

    encode: Encode
    located: Locate
    marked: Encode
    size: int


def load_tokenizer(path: Path, name: str) -> Tokenizer:
    """The tokenizer of a file; raises InvalidData naming the file, the rule and the mend."""
    if path.stat().st_size > MAX_TOKENIZER:
        raise InvalidData(f"{name}: it has {path.stat().st_size} bytes, and {MAX_TOKENIZER} are allowed")
    try:
        import tokenizers
    except ImportError:
        raise InvalidData(f"{name}: reading it needs the package tokenizers: pip install 'cherish[text]'") from None
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
        # a tokenizer.json may ask for padding and truncation, which would change what a document is
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode("a probe")
    except BaseException as error:
        # a fault of the file is a plain Exception there, or, in its native code, a panic, which is a BaseException
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise InvalidData(f"{name}: this is not a tokenizer ({error}); save it again") from None
    return Tokenizer(
        lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids),
        lambda text: [begin for begin, _ in tokenizer.encode(text, add_special_tokens=False).offsets],
        lambda text: list(tokenizer.encode(text, add_special_tokens=True).ids),
        tokenizer.get_vocab_size(),
    )
