"""The student: loads a checkpoint folder, decides, prepares training batches, and is saved as a folder again.

Invariant: a decision depends on its own prompt and seed alone, not on the batch it came in; the replies it
scores are tokenised exactly as the replies it is trained on (`encode_reply`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from student import card as model_card
from student import checkpoint, scoring
from student.config import StudentConfig, write_usage
from student.encoder import RetortVisionConfig
from student.generation import generate
from student.policy import PolicyModule, positions
from student.prompts import IMAGE
from student.types import Decision, Prompt
from worlds.base import split_reply
from worlds.types import NOTE_SEPARATOR, Frame

disable_progress_bar()  # a run shows its own progress; loading a small folder needs none

TRIES_KEPT = 4096

Frames = Sequence[Frame] | NDArray[np.uint8]
"""N frames (H, W, 3), or one array (N, H, W, 3), uint8."""


class Student:
    """One model with its tokenizer. Build it with `load` (a folder) or `fresh` (random weights)."""

    def __init__(self, model: Any, tokenizer: Any, image_processor: Any, config: StudentConfig) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        if config.lora:
            checkpoint.add_adapters(model, config.lora)
        self.policy = PolicyModule(model, config.freeze_vision)
        self.policy.eval()
        self.device = next(self.policy.parameters()).device
        self._image_text = tokenizer.convert_ids_to_tokens(model.config.image_token_id)
        self.separator = tuple(self.encode_text(" " + NOTE_SEPARATOR.strip()))
        self._tries: dict[tuple[Any, ...], scoring.TokenTrie] = {}
        self._visual_tokens = 0

    # -- making and keeping -------------------------------------------------------------------

    @classmethod
    def load(cls, config: StudentConfig) -> Student:
        """Load `config.path`. Raises ValueError, with a sentence, for a folder that is no LLaVA-layout
        checkpoint."""
        folder = config.folder()
        device, dtype = placement(config)
        try:
            return cls._load(config, folder, device, dtype)
        except (SafetensorError, RuntimeError, OSError, KeyError, TypeError, AttributeError) as error:
            first = str(error).strip().splitlines()[0]
            raise ValueError(
                f"{folder} holds no whole checkpoint of the student ({first}): its files are damaged, "
                "missing or of different models; set student.path to another folder."
            ) from error

    @classmethod
    def _load(cls, config: StudentConfig, folder: Path, device: torch.device, dtype: torch.dtype) -> Student:
        kind = AutoConfig.from_pretrained(folder).model_type
        if kind != "llava":
            raise ValueError(
                f"student.path={config.path!r} holds a {kind!r} model; the student needs the LLaVA layout "
                "(vision tower, projector, causal language model): choose such a checkpoint."
            )
        model, found = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
        if missing := sorted(found["missing_keys"]):  # Transformers would draw them at random
            raise KeyError(f"{len(missing)} of its tensors are not there, such as {missing[0]}")
        own = isinstance(model.config.vision_config, RetortVisionConfig)
        processor = None if own else AutoImageProcessor.from_pretrained(folder, use_fast=False)
        return cls(model.to(device), _tokenizer(config, folder), processor, config)

    @classmethod
    def fresh(cls, config: StudentConfig, seed: int = 0, words: Sequence[str] = (), **sizes: Any) -> Student:
        """A randomly initialised default student; `sizes` are those of `checkpoint.fresh_model`."""
        device, dtype = placement(config)
        model, tokenizer = checkpoint.fresh_model(seed, words, **sizes)
        return cls(model.to(device, dtype), tokenizer, None, config)

    def with_encoder(self, vision: RetortVisionConfig, seed: int) -> Student:
        """A student with this one's words and language model behind a fresh encoder and projector."""
        model = checkpoint.with_encoder(self.policy.model, vision, seed)
        return Student(model.to(self.device, self.policy.model.dtype), self.tokenizer, None, self.config)

    def save(self, folder: str | Path, card: Mapping[str, Any]) -> None:
        """Write a `from_pretrained` folder with a model card of the facts in `card`, whole or not at all."""
        target = Path(folder)
        with checkpoint.whole_folder(target) as part:
            checkpoint.write_model(self.policy.model, part)
            write_usage(self.config, part)
            self.tokenizer.save_pretrained(part)
            if self.image_processor is not None:
                self.image_processor.save_pretrained(part)
            (part / "README.md").write_text(model_card.render(card, self.policy.model), encoding="utf-8")

    def weights(self) -> dict[str, Tensor]:
        """The trainable weights by their names in `policy` (without a frozen vision tower)."""
        return {name: value.detach() for name, value in self.policy.named_parameters() if value.requires_grad}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Replace weights by name. Raises ValueError for names or shapes that this model does not have."""
        try:
            unexpected = self.policy.load_state_dict(dict(weights), strict=False).unexpected_keys
        except RuntimeError as error:
            raise ValueError(f"These weights are of another architecture: {error}") from error
        if unexpected:
            raise ValueError(f"These weights are of another architecture: {unexpected[:3]} are unknown here.")

    # -- inputs -------------------------------------------------------------------------------

    def pixels(self, frames: Frames) -> Tensor:
        """Frames (H, W, 3) uint8 to normalised pixels (N, 3, S, S) of the vision tower's size, on its
        device."""
        if self.image_processor is not None:
            batch = self.image_processor(images=list(frames), return_tensors="pt")["pixel_values"]
        else:
            size = self.policy.model.config.vision_config.image_size
            batch = torch.cat([_resize(group, size, self.device) for group in _same_size(frames)])
        return batch.to(self.device, self.policy.model.dtype)

    @torch.no_grad()
    def image_features(self, frames: Frames) -> Tensor:
        """Vision features (N, V, D_vision); constant, and so worth caching, while the vision tower is
        frozen."""
        return self.policy.vision(self.pixels(frames))

    def encode_prompts(self, prompts: Sequence[Prompt], visual_tokens: int) -> list[list[int]]:
        """Token ids of the prompts, `visual_tokens` image tokens for each `<image>`."""
        texts = [self._templated(prompt.text) for prompt in prompts]
        pieces = [piece for text in texts for piece in text.split(IMAGE)]
        encoded = iter(self.tokenizer(pieces, add_special_tokens=False)["input_ids"])
        run = [self.policy.model.config.image_token_id] * visual_tokens
        rows = []
        for text in texts:
            row = list(next(encoded))
            for _ in range(text.count(IMAGE)):
                row += run + list(next(encoded))
            rows.append(row)
        return rows

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text, nothing added."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_reply(self, reply: str) -> list[int]:
        """Token ids of `note | action`, ended; the parts are tokenised apart, as candidates are."""
        note, action = split_reply(reply)
        head = [*self.encode_text(" " + note), *self.separator] if note else []
        return [*head, *self.encode_text(" " + action), self.tokenizer.eos_token_id]

    def reply_batch(
        self, prompts: Sequence[Prompt], replies: Sequence[str], features: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The keyword arguments of `policy(...)` for these prompts and replies: `input_ids`,
        `attention_mask`, `reply_mask` (B, T), left-padded, and `pixel_values` (N, 3, S, S), or the given
        `features` (N, V, D_vision), for the prompts' images in order."""
        images = [image for prompt in prompts for image in prompt.images]
        if features is None:
            vision = {"pixel_values": self.pixels(images)}
        else:
            vision = {"features": features.to(self.device)}
        heads = self.encode_prompts(prompts, self.visual_tokens(images))
        tails = [self.encode_reply(reply) for reply in replies]
        rows = [head + tail for head, tail in zip(heads, tails, strict=True)]
        ids, mask = self._pad(rows)
        reply_mask = torch.zeros_like(mask)
        for row, tail in enumerate(tails):
            reply_mask[row, -len(tail) :] = 1
        return {"input_ids": ids, "attention_mask": mask, "reply_mask": reply_mask, **vision}

    def visual_tokens(self, frames: Frames) -> int:
        """V, the number of visual tokens of one image."""
        if not self._visual_tokens:
            self._visual_tokens = self.image_features(frames[:1]).shape[1]
        return self._visual_tokens

    # -- deciding -----------------------------------------------------------------------------

    @torch.inference_mode()
    def decide(
        self, prompts: Sequence[Prompt], temperature: float, seeds: Sequence[int], version: int = 0
    ) -> list[Decision]:
        """One decision per prompt. The note is the likeliest one; the action is the likeliest (temperature
        0) or drawn at `temperature`, entry i from `seeds[i]` alone. `version` is recorded in the
        decisions. Prompts without actions (all of them, or none) are answered freely."""
        state = self.encode(prompts)
        draws = [np.random.default_rng(seed) for seed in seeds]
        if self.config.decode == "generate" or not all(prompt.actions for prompt in prompts):
            return generate(self, state, prompts, temperature, draws, version)
        notes, note_logprobs, lead = self._choose_notes(state, prompts)
        tries = [
            self._trie(prompt.actions, (self.tokenizer.eos_token_id,), lead if note else ())
            for prompt, note in zip(prompts, notes, strict=True)
        ]
        scores = scoring.score_tries(self.policy, state, tries).double().cpu().numpy()
        decisions = []
        for row, prompt in enumerate(prompts):
            logprobs = scores[row, : len(prompt.actions)]
            best = draw(logprobs, temperature, draws[row])
            order = np.argsort(-logprobs, kind="stable")
            decisions.append(
                Decision(
                    note=notes[row],
                    action=prompt.actions[best],
                    logprob=float(note_logprobs[row] + logprobs[best]),
                    alternatives=tuple((prompt.actions[i], float(logprobs[i])) for i in order),
                    legal_mass=float(np.exp(logprobs).sum()),
                    version=version,
                )
            )
        return decisions

    def encode(self, prompts: Sequence[Prompt]) -> scoring.PrefixState:
        """Run the prompts through the model once and keep the cache."""
        features = self.image_features([image for prompt in prompts for image in prompt.images])
        ids, mask = self._pad(self.encode_prompts(prompts, features.shape[1]))
        cache = checkpoint.new_cache(self.policy.model)
        hidden = self.policy.hidden(self.policy.embed(ids, features), mask, positions(mask), cache)
        return scoring.PrefixState(cache, mask.bool(), mask.sum(1), hidden[:, -1])

    def _choose_notes(
        self, state: scoring.PrefixState, prompts: Sequence[Prompt]
    ) -> tuple[list[str], list[float], tuple[int, ...]]:
        """The likeliest notes, their log-probabilities (the separator included), and the token the action
        trie must begin with. Rows without notes keep "" and 0."""
        if not any(prompt.notes for prompt in prompts):
            return [""] * len(prompts), [0.0] * len(prompts), ()
        tries = [
            self._trie(prompt.notes, self.separator) if prompt.notes else self._trie(("",), (0,))
            for prompt in prompts
        ]
        scores = scoring.score_tries(self.policy, state, tries)
        chosen = scores.argmax(dim=1).tolist()
        noted = [bool(prompt.notes) for prompt in prompts]
        scoring.follow(state, tries, chosen)
        notes = [
            prompt.notes[best] if prompt.notes else "" for prompt, best in zip(prompts, chosen, strict=True)
        ]
        logprobs = [float(scores[row, best]) if noted[row] else 0.0 for row, best in enumerate(chosen)]
        return notes, logprobs, self.separator[-1:]

    def _trie(
        self, candidates: tuple[str, ...], terminal: tuple[int, ...], lead: tuple[int, ...] = ()
    ) -> scoring.TokenTrie:
        key = (candidates, terminal, lead)
        if key not in self._tries:
            if len(self._tries) >= TRIES_KEPT:
                self._tries.clear()
            tokens = [[*(self.encode_text(" " + text) if text else ()), *terminal] for text in candidates]
            self._tries[key] = scoring.build_trie(tokens, lead)
        return self._tries[key]

    # -- tokens -------------------------------------------------------------------------------

    def _templated(self, text: str) -> str:
        if self.tokenizer.chat_template:
            messages = [{"role": "user", "content": text}]
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return str(text).replace(self._image_text, IMAGE)
        return (self.tokenizer.bos_token or "") + text

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Left-padded ids (B, T) and their mask (B, T)."""
        longest = max(map(len, rows))
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        ids = np.full((len(rows), longest), pad, np.int64)
        mask = np.zeros((len(rows), longest), np.int64)
        for index, row in enumerate(rows):
            ids[index, longest - len(row) :] = row
            mask[index, longest - len(row) :] = 1
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)


def _tokenizer(config: StudentConfig, folder: Path) -> Any:
    """The folder's tokenizer. Raises ValueError where there is none."""
    try:
        return AutoTokenizer.from_pretrained(folder)
    except ValueError as error:  # four lines on what Transformers has tried
        file = folder / "tokenizer.json"
        state = "cannot be read" if file.is_file() else "is missing"
        raise ValueError(
            f"student.path={config.path!r} holds no tokenizer: {file} {state}. Put the one that the model "
            "was trained with there, or set student.path to another folder."
        ) from error


def draw(logprobs: NDArray[np.float64], temperature: float, generator: np.random.Generator) -> int:
    """The index of the largest entry (temperature 0), or a draw from softmax(logprobs / temperature)."""
    if temperature <= 0:
        return int(np.argmax(logprobs))
    weights = np.exp((logprobs - logprobs.max()) / temperature)
    cumulative = np.cumsum(weights)
    return int(np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right"))


def placement(config: StudentConfig) -> tuple[torch.device, torch.dtype]:
    """Where a student of `config` computes, and in what. Raises ValueError for a device that is not there."""
    name = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f"student.device={name!r} is no device of torch: use auto, cpu, cuda or cuda:0"
        ) from error
    # torch keeps a device's number in a byte: cuda:999 is a negative one.
    if device.type == "cuda" and not 0 <= (device.index or 0) < torch.cuda.device_count():
        raise ValueError(
            f"student.device={name}, but torch finds {torch.cuda.device_count()} CUDA devices here: set "
            "student.device=auto"
        )
    if config.dtype == "auto":
        return device, torch.bfloat16 if device.type == "cuda" else torch.float32
    return device, torch.bfloat16 if config.dtype == "bfloat16" else torch.float32


def _same_size(frames: Frames) -> list[NDArray[np.uint8]]:
    """Runs of neighbouring frames of one size, stacked (n, H, W, 3)."""
    if isinstance(frames, np.ndarray):
        return [frames]
    groups: list[list[Frame]] = []
    for frame in frames:
        if groups and groups[-1][0].shape == frame.shape:
            groups[-1].append(frame)
        else:
            groups.append([frame])
    return [np.stack(group) for group in groups]


def _resize(frames: NDArray[np.uint8], size: int, device: torch.device) -> Tensor:
    """(n, H, W, 3) uint8 to (n, 3, size, size) in [-1, 1] on `device` (bytes travel there, not floats)."""
    batch = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
    if batch.shape[-2:] != (size, size):
        batch = torch.nn.functional.interpolate(batch, (size, size), mode="bilinear", antialias=True)
    return batch
