"""`retort pretrain`: the base model, grounded on frames with the simulator's free labels.

Invariant: no demonstration of a task enters: what is learnt is where things are, in the wording in which the
student will later be asked and will answer. Views are of the split "pretrain"; the figures on the card are of
"test" worlds. The result is a function of the config (one process, one thread count).

Two stages. Dense: the encoder learns which classes each cell of the frame shows, and (through a head that is
thrown away) every thing's note. Questions: projector and language model learn to answer questions from the
encoder's tokens, several per frame behind one shared prefix.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AttentionInterface

from learner import pretrain_data as data
from learner.precision import mixed_precision
from student.config import StudentConfig
from student.encoder import of_width
from student.grounding import evaluate_grounding
from student.student import Student
from worlds.grounding import GroundingSource

Report = Callable[[Mapping[str, Any]], None]
MOST_WEIGHT = 20.0
"""A present class weighs as the root of absent cells per present cell in the dense loss, at most this."""
HISTORY_LENGTHS = (0, 0, 1, 1, 2, 2, 4, 8)
"""Turns of made-up history, drawn per batch."""


Keep = Literal["all", "encoder", "language"]


@dataclass
class PretrainConfig:
    """`world` is "voxel" or "babyai"; `out` the folder of the base model; `init` a base model to go on from
    ("": none), and `keep` what of it: all, its encoder, or its language model (with its words), the rest
    being new. `width` is that of a new encoder, a multiple of 4. `frames` views are collected by `workers`
    processes. Steps of 0 leave a stage out. In a share `captions` of the question stage's frames one question
    asks for all that is in sight. `vision_lr` > 0 lets the encoder learn in that stage too. `bf16` multiplies
    in bfloat16 (weights, attention and losses stay in float32) where the processor has it: half the time."""

    world: str = "voxel"
    out: str = "runs/base"
    init: str = ""
    keep: Keep = "all"
    seed: int = 0
    width: int = 96
    frames: int = 200_000
    frame_size: int = 64
    workers: int = 2
    threads: int = 2
    dense_steps: int = 10_000
    dense_batch: int = 128
    dense_lr: float = 1e-2
    question_steps: int = 4000
    question_batch: int = 64
    questions: int = 8
    captions: float = 0.25
    question_lr: float = 2e-3
    vision_lr: float = 5e-4
    bf16: bool = True
    eval_frames: int = 2000

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for what cannot be trained with."""
        counts = ("width", "frames", "threads", "dense_batch", "question_batch", "questions", "eval_frames")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("seed", "workers", "dense_steps", "question_steps", "vision_lr"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be 0 or more")
        if self.width % 4:
            raise ValueError(f"width={self.width} must be a multiple of 4")
        if self.keep not in get_args(Keep):
            raise ValueError(f"keep={self.keep!r} is one of {', '.join(get_args(Keep))}")
        if self.keep != "all" and not self.init:
            raise ValueError(f"keep={self.keep} keeps that of a base model: say which with init=")
        if not (0 < self.dense_lr < 1 and 0 < self.question_lr < 1 and self.vision_lr < 1):
            raise ValueError("dense_lr, question_lr and vision_lr are learning rates: between 0 and 1")
        if not 0 <= self.captions <= 1:
            raise ValueError(f"captions={self.captions} is a share: between 0 and 1")


def make_source(world: str, frame_size: int = 64) -> GroundingSource:
    """The grounding source of a world. Raises ValueError for a world that has none."""
    match world:
        case "voxel":
            from worlds.voxel.grounding import VoxelGrounding

            return VoxelGrounding(frame_size)
        case "babyai":
            from worlds.babyai.grounding import BabyAIGrounding

            return BabyAIGrounding(frame_size)
    raise ValueError(f"world={world!r} has no grounding source; use voxel or babyai.")


def pretrain(config: PretrainConfig, report: Report) -> dict[str, Any]:
    """Train a base model and write it to `config.out`. Returns the facts on its card."""
    began = time.monotonic()
    torch.set_num_threads(config.threads)
    maker = partial(make_source, config.world, config.frame_size)
    source = maker()
    views = data.collect(
        maker, config.frames, config.seed, "pretrain", config.workers,
        lambda stage, done: report({"stage": stage, "done": done}),
    )  # fmt: skip
    student = new_student(config, source, views)
    train(student, source, views, config, report)
    figures = evaluate_grounding(student, source, config.eval_frames, config.seed, "test")
    facts: dict[str, Any] = {
        "title": f"Retort base model: {config.world}",
        "command": command(config),
        "seed": config.seed,
        "hours": (time.monotonic() - began) / 3600,
        "trained on": "frames from random viewpoints with the simulator's labels; no demonstrations",
        **{f"held-out grounding, {name}": value for name, value in sorted(figures.items())},
    }
    student.save(config.out, facts)
    report({"stage": "done", "done": 1.0, **figures})
    return facts


def command(config: PretrainConfig) -> str:
    """The command that makes this base model again."""
    changed = [
        f"{name}={value}"
        for name, value in asdict(config).items()
        if value != getattr(PretrainConfig(), name) and name not in ("out", "world")
    ]
    name = Path(config.out).name
    return " ".join(["python retort.py pretrain", config.world, *changed, f"--out {name}"])


def new_student(config: PretrainConfig, source: GroundingSource, views: data.Views) -> Student:
    """A student whose tokenizer knows every word of the source, and its notes and actions as one token each,
    fresh or from `config.init`."""
    trained = Student.load(StudentConfig(path=config.init, dtype="float32")) if config.init else None
    if trained is not None and config.keep == "all":
        return trained
    if trained is not None and config.keep == "language":
        return trained.with_encoder(of_width(config.width), config.seed)
    shown = [question for questions in views.questions[:2000] for question in questions]
    shown = [question for question in shown if config.captions or question.kind != "caption"]
    asked = {question.text for question in shown}
    asked |= {question.answer for question in shown if question.kind == "caption"}
    heard = {sound.name for sounds in views.sounds for sound in sounds}
    words = [*source.notes, *source.actions, *source.class_names, *sorted(asked), *sorted(heard)]
    words += vocabulary(config.world)
    things = [name.replace("_", " ") for name in source.class_names if "_" in name]
    phrases = [*note_phrases(source.notes), *source.actions, *things]
    student = Student.fresh(
        StudentConfig(dtype="float32"), config.seed, words, phrases=phrases, vision=of_width(config.width)
    )
    if trained is not None:
        _keep_encoder(student, trained, config)
    return student


def _keep_encoder(student: Student, trained: Student, config: PretrainConfig) -> None:
    """Give `student` the encoder of `trained`. Raises ValueError where theirs are built otherwise."""
    encoder = trained.policy.model.model.vision_tower.state_dict()
    try:
        student.policy.model.model.vision_tower.load_state_dict(encoder)
    except RuntimeError as error:
        raise ValueError(
            f"init={config.init}: its encoder has other layers than a new one of width={config.width}, so "
            "keep=encoder cannot keep it; set width to its own, go on from it whole (keep=all), or train "
            "anew without init"
        ) from error


def vocabulary(world: str) -> tuple[str, ...]:
    """Further names of a world that its tasks use and its grounding does not."""
    if world != "voxel":
        return ()
    from worlds.voxel.data import BLOCK_NAMES, ITEM_NAMES

    return (*ITEM_NAMES, *BLOCK_NAMES)


def note_phrases(notes: Sequence[str]) -> list[str]:
    """The parts of notes that are tokens: "see left near" is "see left" and "near", so that where and how far
    are learnt apart."""
    return list(dict.fromkeys(note.rpartition(" ")[0] if note.count(" ") > 1 else note for note in notes))


def train(
    student: Student, source: GroundingSource, views: data.Views, config: PretrainConfig, report: Report
) -> None:
    """Both stages, in place."""
    rng = np.random.default_rng(config.seed)
    torch.manual_seed(config.seed)
    if config.dense_steps:
        learn_to_see(student, source, views, config, rng, report)
    if config.question_steps:
        learn_to_answer(student, source, views, config, rng, report)
    student.policy.eval()


# -- stage 1 ----------------------------------------------------------------------------------


class DenseHead(nn.Module):
    """Reads cells (B, C, G, G) as class logits (B, classes, G, G) and as notes (B, things, notes): each thing
    is looked up where the cells show its class, and its note is read off their features and places. Thrown
    away after pretraining. `class_of` is each thing's class."""

    def __init__(self, width: int, cells: int, classes: int, class_of: Sequence[int], notes: int) -> None:
        super().__init__()
        self.class_of = list(class_of)
        self.classes = nn.Conv2d(width, classes, 1)
        self.attention = nn.Conv2d(width, len(self.class_of), 1)
        self.names = nn.Parameter(torch.randn(len(self.class_of), 32) * 0.3)
        self.notes = nn.Sequential(nn.Linear(width + cells + 33, 128), nn.ReLU(), nn.Linear(128, notes))

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of classes and notes."""
        shown = self.classes(cells)
        features = cells.flatten(2).transpose(1, 2)
        place = torch.eye(features.shape[1], device=cells.device).expand(len(cells), -1, -1)
        evidence = shown[:, self.class_of]
        looked = (evidence + self.attention(cells)).flatten(2).softmax(-1) @ torch.cat([features, place], -1)
        names = self.names.expand(len(cells), -1, -1)
        strongest = evidence.flatten(2).amax(-1, keepdim=True)
        return shown, self.notes(torch.cat([looked, names, strongest], -1))


def note_table(views: data.Views, notes: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """(N, things) int64: the index of the note about each thing that is asked for by name; -100 where this
    frame is not asked about it. And the things: the questions' texts."""
    index = {note: place for place, note in enumerate(notes)}
    things: dict[str, int] = {}
    rows: list[list[tuple[int, int]]] = []
    for questions in views.questions:
        named = [question for question in questions if question.kind == "named"]
        rows.append([(things.setdefault(q.text, len(things)), index[q.answer]) for q in named])
    table = np.full((len(rows), len(things)), -100, np.int64)
    for row, entries in enumerate(rows):
        for thing, note in entries:
            table[row, thing] = note
    return table, list(things)


def class_asked_about(text: str, class_names: Sequence[str]) -> int:
    """The class whose name is the longest one within the question's text ("go to the red ball": "red ball").
    Raises ValueError where none is."""
    found = [name for name in class_names if name in text]
    if not found:
        raise ValueError(f"The question {text!r} names none of the source's classes: add one to class_names.")
    return class_names.index(max(found, key=len))


def learn_to_see(
    student: Student, source: GroundingSource, views: data.Views, config: PretrainConfig,
    rng: np.random.Generator, report: Report,
) -> None:  # fmt: skip
    """Stage 1: dense labels for the encoder."""
    encoder = student.policy.model.model.vision_tower
    encoder.requires_grad_(True)
    encoder.learn_statistics = True
    encoder.train()
    encoder.to(memory_format=torch.channels_last)
    table, things = note_table(views, source.notes)
    class_of = [class_asked_about(text, source.class_names) for text in things]
    vision = encoder.config
    head = DenseHead(vision.width, vision.grid**2, views.classes.shape[-1], class_of, len(source.notes)).to(
        student.device
    )
    present = views.classes.reshape(-1, views.classes.shape[-1]).mean(0).clip(1e-6)
    weight = torch.tensor(np.sqrt(1 / present - 1).clip(1.0, MOST_WEIGHT), dtype=torch.float32)
    weight = weight.to(student.device).view(-1, 1, 1)
    optimiser, schedule = _optimiser(
        [([*encoder.parameters(), *head.parameters()], config.dense_lr)], config.dense_steps
    )
    for step, rows in enumerate(_batches(len(views.frames), config.dense_batch, config.dense_steps, rng)):
        with _mixed(student, config):
            classes, notes = head(encoder.grid_features(student.pixels(views.frames[rows])))
        classes, notes = classes.float(), notes.float()
        wanted = torch.from_numpy(views.classes[rows]).to(student.device).permute(0, 3, 1, 2).float()
        dense = nn.functional.binary_cross_entropy_with_logits(classes, wanted, pos_weight=weight)
        answer = torch.from_numpy(table[rows]).to(student.device)
        where = nn.functional.cross_entropy(notes.flatten(0, 1), answer.flatten(), ignore_index=-100)
        _descend(dense + where, optimiser, schedule)
        if step % 50 == 0 or step == config.dense_steps - 1:
            seen = answer > 0
            right = (notes.argmax(-1) == answer)[seen].float().mean()
            report({"stage": "dense", "done": (step + 1) / config.dense_steps, "dense_loss": dense.item(),
                    "note_loss": where.item(), "seen_exact": right.item()})  # fmt: skip
    encoder.learn_statistics = False
    encoder.eval()


# -- stage 2 ----------------------------------------------------------------------------------


def learn_to_answer(
    student: Student, source: GroundingSource, views: data.Views, config: PretrainConfig,
    rng: np.random.Generator, report: Report,
) -> None:  # fmt: skip
    """Stage 2: packed questions for projector and language model (and the encoder, if `vision_lr`)."""
    policy, model = student.policy, student.policy.model
    encoder = list(model.model.vision_tower.parameters())
    rest = [p for name, p in model.named_parameters() if "vision_tower" not in name]
    groups = [(rest, config.question_lr)] + ([(encoder, config.vision_lr)] if config.vision_lr else [])
    policy.freeze_vision = not config.vision_lr
    model.model.vision_tower.requires_grad_(bool(config.vision_lr))
    policy.train()
    cached = (
        None
        if config.vision_lr
        else (_features(student, views.frames), _features(student, views.goal_images))
    )
    visual_tokens = student.visual_tokens(views.frames[:1])
    # What is never an answer here (actions, words of goals) must not be learnt to be one never: the student
    # is to say it later. So only answers compete.
    never = ~data.answer_tokens(student, views, config.captions)
    text = model.model.language_model.config
    usual, text._attn_implementation = text._attn_implementation, FLOAT32_ATTENTION
    optimiser, schedule = _optimiser(groups, config.question_steps)
    for step, rows in enumerate(
        _batches(len(views.frames), config.question_batch, config.question_steps, rng)
    ):
        turns = int(rng.choice(HISTORY_LENGTHS))
        packed = data.pack(
            student, views, source, rows, config.questions, turns, visual_tokens, rng, config.captions
        )
        if cached is not None:
            features = torch.stack([cached[goal][index] for goal, index in packed.images])
            features = features.to(student.device, model.dtype)
        with _mixed(student, config):
            if cached is None:
                features = policy.vision(student.pixels(data.image_batch(views, packed.images)))
            embeds = policy.embed(packed.input_ids, features)
            hidden = policy.hidden(embeds, packed.mask, packed.position_ids)
            asked = packed.targets >= 0
            logits = policy.logits(hidden[asked]).masked_fill(never, -math.inf)
        loss = nn.functional.cross_entropy(logits, packed.targets[asked])
        _descend(loss, optimiser, schedule)
        if step % 50 == 0 or step == config.question_steps - 1:
            right = (logits.argmax(-1) == packed.targets[asked]).float().mean()
            report({"stage": "questions", "done": (step + 1) / config.question_steps, "loss": loss.item(),
                    "token_accuracy": right.item()})  # fmt: skip
    text._attn_implementation = usual
    policy.freeze_vision = student.config.freeze_vision
    policy.eval()


def _mixed(student: Student, config: PretrainConfig) -> torch.autocast:
    mixed = mixed_precision(config.bf16, student.device)
    return torch.autocast(student.device.type, torch.bfloat16, enabled=mixed)


def _float32_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention in float32 inside of bfloat16 training: on a CPU its bfloat16 backward pass is 6 times
    slower."""
    with torch.autocast(query.device.type, enabled=False):
        attended = nn.functional.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), attn_mask=attention_mask, scale=scaling
        )
    return attended.transpose(1, 2).to(query.dtype), None


FLOAT32_ATTENTION = "retort_float32"
AttentionInterface.register(FLOAT32_ATTENTION, _float32_attention)


def _features(student: Student, frames: NDArray[np.uint8]) -> Tensor:
    """All frames' features (N, V, D), in half precision, on the host."""
    parts = [student.image_features(frames[i : i + 256]).half().cpu() for i in range(0, len(frames), 256)]
    return torch.cat(parts) if parts else torch.zeros(0)


def _batches(count: int, batch: int, steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """`steps` batches of row indices, each epoch a new shuffle."""
    order = rng.permutation(count)
    at = 0
    for _ in range(steps):
        if at + batch > count:
            order, at = rng.permutation(count), 0
        yield order[at : at + batch]
        at += batch


def _optimiser(groups: list[tuple[list[nn.Parameter], float]], steps: int) -> tuple[Any, Any]:
    optimiser = torch.optim.AdamW(
        [{"params": params, "lr": lr} for params, lr in groups], weight_decay=1e-4, fused=True
    )
    warmup = max(1, steps // 30)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / steps))),
    )
    return optimiser, schedule


def _descend(loss: Tensor, optimiser: Any, schedule: Any) -> None:
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 1.0)
    optimiser.step()
    schedule.step()
