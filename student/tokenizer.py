"""The default student's tokenizer: one token per known word or phrase, other words spelled out in pieces.

Invariant: every word of `BASE_WORDS` and of the words given to `build_tokenizer` is exactly one token, every
phrase given to it too, and no ASCII text of a user's world is lost: an unknown word becomes the longest known
pieces, in the end characters (one of more than 64 of them, or another alphabet's, becomes [UNK]).

Why phrases: a note or an action that is one token makes the history of eight turns 16 tokens instead of 48,
and a candidate one node of the trie; on two cores that halves the time of a step and of a decision.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, END, IMAGE = "[PAD]", "[UNK]", "[EOS]", "<image>"
NUMBERS = range(-64, 257)

BASE_WORDS = tuple(Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split())

_WORD = r"-?\d+|<image>|[A-Za-z]+(?:[-'][A-Za-z]+)*|[^\sA-Za-z\d]"


def words_of(texts: Iterable[str]) -> list[str]:
    """The distinct words of `texts`, as the tokenizer splits them, in order of appearance."""
    splitter = _splitter()
    found: dict[str, None] = {}
    for text in texts:
        for word, _ in splitter.pre_tokenize_str(_normalizer().normalize_str(text)):
            found[word] = None
    return list(found)


def build_tokenizer(
    words: Iterable[str] = (), phrases: Iterable[str] = (), size: int = 1024
) -> PreTrainedTokenizerFast:
    """A tokenizer of at least `size` ids that knows `BASE_WORDS`, `words`, numbers and punctuation; ids left
    over are named [SPARE n], for words that a later world needs. `phrases` of several words are one token
    each, where they stand between spaces (the longest that fits wins)."""
    alphabet = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    known = dict.fromkeys([PAD, UNKNOWN, END, IMAGE, *alphabet, *(f"##{char}" for char in alphabet)])
    known.update(dict.fromkeys(str(number) for number in NUMBERS))
    known.update(dict.fromkeys([*BASE_WORDS, *words_of(words)]))
    spare = (f"[SPARE {index}]" for index in range(max(0, size - len(known))))
    vocabulary = {word: index for index, word in enumerate([*known, *spare])}
    core = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=64))
    core.normalizer = _normalizer()
    core.pre_tokenizer = _splitter()
    core.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    core.add_tokens([AddedToken(text, single_word=True) for text in dict.fromkeys(phrases) if " " in text])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        additional_special_tokens=[IMAGE],
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


@lru_cache(maxsize=1)
def _normalizer() -> normalizers.Sequence:
    return normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace("_", " ")])


@lru_cache(maxsize=1)
def _splitter() -> pre_tokenizers.Split:
    return pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
