"""The student's small parts: visual tokens in reading order, words that survive the tokenizer, prompts that
say what was perceived, folders known by what they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from squares import Squares

from student.encoder import RetortVisionConfig, RetortVisionModel, of_width
from student.fingerprint import fingerprint
from student.grounding import evaluate_grounding
from student.prompts import HISTORY, build_prompt, prefix_text
from student.student import Student
from student.tokenizer import BASE_WORDS, build_tokenizer, words_of
from student.types import Decision, Prompt
from worlds.grounding import UNSEEN
from worlds.types import Goal, Observation, Sound, Status, Turn


@pytest.mark.parametrize(("size", "rows"), [(32, 1), (32, 4), (48, 2), (16, 2)])
def test_visual_tokens_stand_in_reading_order_and_say_where_they_are(size: int, rows: int) -> None:
    config = RetortVisionConfig(
        image_size=size, stem_channels=4, mid_channels=4, width=5, mid_blocks=0, top_blocks=0, merge_rows=rows
    )
    model = RetortVisionModel(config).eval()
    pixels = torch.from_numpy(np.random.default_rng(0).random((2, 3, size, size), dtype=np.float32))
    with torch.no_grad():
        cells, tokens = model.grid_features(pixels), model(pixels).last_hidden_state
    grid = size // 8
    assert (
        tokens.shape
        == (2, config.tokens, config.hidden_size)
        == (2, grid * grid // rows, 5 * rows + config.tokens)
    )
    for token in range(config.tokens):
        down, right = divmod(token, grid)
        merged = torch.cat([cells[:, :, down * rows + part, right] for part in range(rows)], dim=1)
        assert torch.equal(tokens[:, token, : 5 * rows], merged)
        place = [float(other == token) for other in range(config.tokens)]
        assert tokens[0, token, 5 * rows :].tolist() == place
    with pytest.raises(ValueError, match=r"image_size=20 must be a multiple of 8"):
        RetortVisionModel(RetortVisionConfig(image_size=20))
    with pytest.raises(ValueError, match=r"merge_rows=3"):
        RetortVisionModel(RetortVisionConfig(image_size=64, merge_rows=3))
    assert of_width(32).width == 4 * of_width(32).stem_channels == 32


def test_only_pretraining_moves_the_encoders_statistics() -> None:
    model = RetortVisionModel(
        RetortVisionConfig(image_size=16, merge_rows=1, width=4, mid_blocks=1, top_blocks=1)
    )
    pixels = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for learn in (False, True):
        model.learn_statistics = learn
        before = {name: value.clone() for name, value in model.named_buffers()}
        model.train()
        model(pixels)
        same = [torch.equal(value, before[name]) for name, value in model.named_buffers()]
        assert any(same) != learn
        assert all(same) != learn


def test_whatever_is_printed_in_ascii_is_read_back() -> None:
    """Known words, unknown ones and signs: spelled in pieces, none lost."""
    rng = np.random.default_rng(0)
    tokenizer = build_tokenizer(["zombie spawner"], ["turn left 45"])
    signs = [chr(code) for code in range(33, 127)]
    for _ in range(300):
        parts = ["".join(rng.choice(signs, rng.integers(1, 9))) for _ in range(rng.integers(0, 4))]
        parts = rng.permutation([*parts, *rng.choice(BASE_WORDS, rng.integers(1, 3))]).tolist()
        text = " ".join(parts)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids, text
        assert tokenizer.decode(ids).replace(" ", "") == text.lower().replace(" ", "").replace("_", "")


def test_every_word_of_a_world_is_one_token_and_so_is_every_phrase() -> None:
    rng = np.random.default_rng(1)
    words = ["".join(rng.choice(list("abcdefghij"), rng.integers(2, 14))) for _ in range(60)]
    words += [f"{one}-{other}" for one, other in zip(words[:9], words[9:18], strict=True)]
    phrases = [" ".join(rng.choice(words, rng.integers(2, 5))) for _ in range(30)]
    tokenizer = build_tokenizer(words, phrases)
    assert words_of([" ".join(words), *words]) == list(dict.fromkeys(words))
    for text in [*words, *phrases]:
        assert len(tokenizer(" " + text, add_special_tokens=False)["input_ids"]) == 1, text
        (alone,) = tokenizer(" " + text, add_special_tokens=False)["input_ids"]
        within = tokenizer(f" find {text} here", add_special_tokens=False)["input_ids"]
        assert within[1:-1] == [alone]
    assert len(set(tokenizer.get_vocab().values())) == len(tokenizer)


def perceived(rng: np.random.Generator) -> Observation:
    words = ["oak_log", "stick", "bee", "turn left", "goto pumpkin", "see none", "see left near"]
    some = {str(word): int(rng.integers(1, 9)) for word in rng.choice(words, rng.integers(0, 7))}
    frame = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Observation(
        frame=frame,
        goal=Goal("find it", frame if rng.random() < 0.5 else None, "bee" if rng.random() < 0.5 else None),
        status=Status(float(rng.random() * 360), tuple(rng.normal(0, 30, 3)), some, "", "target left far"),
        sounds=tuple(
            Sound(str(n), float(rng.uniform(-180, 180)), float(rng.random())) for n in rng.choice(words, 3)
        ),
        history=tuple(
            Turn(str(rng.choice(words[5:])), str(rng.choice(words)), "ok", 45.0 * i)
            for i in range(rng.integers(0, 14))
        ),
        actions=("forward 2",),
        notes=("see none",),
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_prompt_changes_with_what_it_tells_and_with_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(25):
        seen = perceived(rng)
        prompt = build_prompt(seen, "actor", "take north")
        assert prompt.text.count("<image>") == len(prompt.images) == 1 + (seen.goal.image is not None)
        assert prompt.text.startswith(prefix_text(seen, "actor", "take north"))
        quiet = [sound for sound in seen.sounds if sound.name == seen.goal.sound]
        loudest = max(quiet, key=lambda sound: sound.loudness, default=None)
        same = dataclasses.replace(
            seen,
            frame=np.zeros_like(seen.frame),
            sounds=() if loudest is None else (loudest,),
            history=seen.history[-HISTORY:],
            actions=("anything",),
            notes=(),
        )
        assert build_prompt(same, "actor", "take north").text == prompt.text
        forgetful = dataclasses.replace(
            seen,
            history=tuple(dataclasses.replace(turn, note="see other") for turn in seen.history),
            status=dataclasses.replace(seen.status, recalled=""),
        )
        plain = build_prompt(seen, memory_notes=False)
        assert build_prompt(forgetful, memory_notes=False).text == plain.text
        assert build_prompt(forgetful).text != build_prompt(seen).text
        turned = dataclasses.replace(
            seen, status=dataclasses.replace(seen.status, heading_deg=seen.status.heading_deg + 90)
        )
        assert build_prompt(turned).text != build_prompt(seen).text


def test_a_folder_is_named_by_its_weights_its_config_and_its_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = {
        name: rng.bytes(40) for name in ("a.safetensors", "b.safetensors", "config.json", "tokenizer.json")
    }

    def name(files: Mapping[str, bytes], folder: str = "model") -> str:
        target = tmp_path / folder
        target.mkdir(exist_ok=True)
        for old in target.iterdir():
            old.unlink()
        for file, data in files.items():
            (target / file).write_bytes(data)
        return fingerprint(target)

    first = name(content)
    assert len(first) == 12
    assert int(first, 16) >= 0
    assert name({**dict(reversed(content.items())), "README.md": b"a card"}, "elsewhere") == first
    for file, data in content.items():
        bit = bytearray(data)
        bit[int(rng.integers(40))] ^= 1 << int(rng.integers(8))
        assert name(content | {file: bytes(bit)}) != first
        assert name({other: kept for other, kept in content.items() if other != file}) != first
    swapped = {"a.safetensors": content["b.safetensors"], "b.safetensors": content["a.safetensors"]}
    assert name(content | swapped) != first


@pytest.mark.parametrize(
    ("turned", "placed"),
    [
        ({"near": "far", "far": "near"}, 1.0),
        ({"left": "centre", "centre": "right", "right": "left"}, 0.0),
    ],
)
def test_what_is_seen_where_it_is_but_not_how_far_is_placed_and_not_exact(
    student: Student, monkeypatch: pytest.MonkeyPatch, turned: dict[str, str], placed: float
) -> None:
    source = Squares()
    batch = source.sample(20, 4, "test")
    truth = {
        (f.tobytes(), q.text): q.answer
        for f, asked in zip(batch.frames, batch.questions, strict=True)
        for q in asked
    }

    def blurred(prompts: list[Prompt], *_: object) -> list[Decision]:
        asked = [p.text.rpartition("goal ")[2].removeprefix("<image> ").removesuffix(" :") for p in prompts]
        answers = [truth[p.images[0].tobytes(), text] for p, text in zip(prompts, asked, strict=True)]
        notes = [" ".join(turned.get(word, word) for word in answer.split()) for answer in answers]
        return [Decision(note, "", 0.0, (), 1.0, 0) for note in notes]

    monkeypatch.setattr(student, "decide", blurred)
    figures = evaluate_grounding(student, source, 20, 4)
    for kind in ("named", "pictured", "heard", "all"):
        assert (figures[f"{kind}/exact"], figures[f"{kind}/placed"]) == (0.0, placed)
        assert figures[f"{kind}/absent"] == 1.0
        assert figures[f"{kind}/accuracy"] == 0.5
    seen = sum(q.answer != UNSEEN for asked in batch.questions for q in asked)
    assert figures["all/n"] == seen == sum(figures[f"{kind}/n"] for kind in ("named", "pictured", "heard"))
