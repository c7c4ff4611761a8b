"""Checkpoint folders: load what was saved, refuse what does not fit, write whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small import SIZES
from transformers import AutoModelForImageTextToText, AutoTokenizer

from student.checkpoint import whole_folder
from student.config import USAGE, StudentConfig, as_saved
from student.student import Student
from student.types import Prompt

MakePrompt = Callable[..., Prompt]


def test_a_saved_student_decides_the_same(student: Student, make_prompt: MakePrompt, tmp_path: Path) -> None:
    student.save(tmp_path / "model", {"title": "A student", "seed": 3, "accuracy": 0.987654})
    again = Student.load(StudentConfig(path=str(tmp_path / "model")))
    prompts = [make_prompt(seed) for seed in range(3)]
    assert again.decide(prompts, 0.5, [1, 2, 3]) == student.decide(prompts, 0.5, [1, 2, 3])
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "# A student" in card
    assert "| accuracy | 0.9877 |" in card
    assert not list(tmp_path.glob("*.bin"))
    # Who may read the config may read the weights: another user serves what this one trained.
    modes = {file.stat().st_mode for file in (tmp_path / "model").iterdir()}
    assert len(modes) == 1


def test_the_folder_loads_through_transformers_alone(
    student: Student, make_prompt: MakePrompt, tmp_path: Path
) -> None:
    student.save(tmp_path / "model", {})
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    batch = student.reply_batch([make_prompt(1)], ["see none | forward 2"])
    assert tokenizer(" see left near")["input_ids"] == student.encode_text(" see left near")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "pixel_values")}
    with torch.no_grad():
        assert torch.allclose(model(**inputs).logits, student.policy.model(**inputs).logits, atol=1e-5)


def test_merged_adapters_are_saved(make_prompt: MakePrompt, tmp_path: Path) -> None:
    adapted = Student.fresh(StudentConfig(lora=2), **SIZES)
    with torch.no_grad():
        for name, value in adapted.policy.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.1)
    expected = adapted.decide([make_prompt(1)], 0.0, [0])[0]
    adapted.save(tmp_path / "model", {})
    merged = Student.load(StudentConfig(path=str(tmp_path / "model")))
    assert merged.decide([make_prompt(1)], 0.0, [0])[0].logprob == pytest.approx(expected.logprob, abs=1e-4)
    assert adapted.decide([make_prompt(1)], 0.0, [0])[0].logprob == pytest.approx(expected.logprob, abs=1e-4)


def test_a_checkpoint_says_how_its_student_is_asked(tmp_path: Path) -> None:
    made = Student.fresh(StudentConfig(decode="generate", memory_notes=False, max_reply_tokens=9), **SIZES)
    made.save(tmp_path / "model", {})
    here = StudentConfig(path=str(tmp_path / "model"))
    asked = as_saved(here)
    assert (asked.decode, asked.memory_notes, asked.max_reply_tokens) == ("generate", False, 9)
    file = tmp_path / "model" / USAGE
    for damage in ("{", "[]", '{"decode": "guess", "memory_notes": true, "max_reply_tokens": 9}'):
        file.write_text(damage)
        with pytest.raises(ValueError, match="does not say how this student is asked"):
            as_saved(here)
    file.unlink()  # another tool's checkpoint
    assert as_saved(here) == here


def test_a_checkpoint_that_lacks_tensors_is_refused(student: Student, tmp_path: Path) -> None:
    student.save(tmp_path / "model", {})
    file = tmp_path / "model" / "model.safetensors"
    weights = load_file(file)
    lost = weights.pop(next(name for name in sorted(weights) if "layers.0" in name))
    assert lost.numel()
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"1 of its tensors are not there, such as .*layers\.0"):
        Student.load(StudentConfig(path=str(tmp_path / "model")))


def test_weights_travel_by_name(student: Student, make_prompt: MakePrompt) -> None:
    other = Student.fresh(StudentConfig(freeze_vision=False), seed=9, phrases=[], **SIZES)
    with pytest.raises(ValueError, match="another architecture"):
        other.load_weights({"model.nothing": torch.zeros(1)})
    with pytest.raises(ValueError, match="another architecture"):
        other.load_weights({name: torch.zeros(1) for name in list(other.weights())[:1]})
    twin = Student.fresh(StudentConfig(freeze_vision=False), seed=10, **SIZES)
    twin.load_weights(other.weights())
    prompt = make_prompt(0)
    assert twin.decide([prompt], 0.0, [0])[0].logprob == pytest.approx(
        other.decide([prompt], 0.0, [0])[0].logprob, abs=1e-4
    )


def test_a_missing_folder_is_named_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"student\.path='.*nowhere' is neither a folder"):
        Student.load(StudentConfig(path=str(tmp_path / "nowhere")))


def test_an_interrupted_save_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with whole_folder(target) as part:
        (part / "a").write_text("old")
        (part / "config.json").write_text("{}")

    class Full(OSError):
        pass

    with pytest.raises(Full), whole_folder(target) as part:  # noqa: PT012
        (part / "a").write_text("half")
        raise Full
    assert (target / "a").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_no_model_is_never_replaced(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "mine.md").write_text("dear diary")
    with pytest.raises(ValueError, match="no model folder"), whole_folder(notes):
        pass
    assert (notes / "mine.md").read_text() == "dear diary"
    (tmp_path / "empty").mkdir()
    with whole_folder(tmp_path / "empty") as part:
        (part / "config.json").write_text("{}")


def test_a_damaged_checkpoint_is_a_sentence(student: Student, tmp_path: Path) -> None:
    student.save(tmp_path / "model", {"title": "t"})
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="no whole checkpoint"):
        Student.load(StudentConfig(path=str(tmp_path / "model")))


def test_a_folder_without_a_tokenizer_is_one_sentence(student: Student, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    student.save(folder, {})
    (folder / "tokenizer.json").unlink()
    with pytest.raises(
        ValueError, match=r"student\.path='.*model' .*model/tokenizer\.json is missing"
    ) as told:
        Student.load(StudentConfig(path=str(folder)))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("device", ["banana", "cuda:999"])
def test_a_device_that_is_not_there_is_a_sentence(device: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"student\.device"):
        Student.load(StudentConfig(device=device))
