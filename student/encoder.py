"""The vision tower of the default student: a small convolutional encoder, known to Transformers' Auto
classes.

Invariant: one image gives `tokens` vectors of `hidden_size`, in reading order; the last `tokens` channels
of each are the one-hot code of its place, so that a projector shared by all places still knows where it is.

Shapes: B batch, S image side, G = S / 8 grid side, C width. A patch transformer of this size was much
weaker at naming small things in 64x64 frames than three strided convolutions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

STRIDE = 8


class RetortVisionConfig(PreTrainedConfig):
    """`image_size` pixels a side (a multiple of 8), channels of the three scales, residual convolutions at
    the last two scales; `merge_rows` vertical cells of the grid become one visual token."""

    model_type = "retort-vision"
    base_config_key = "vision_config"

    image_size: int = 64
    stem_channels: int = 24
    mid_channels: int = 48
    width: int = 96
    mid_blocks: int = 2
    top_blocks: int = 3
    merge_rows: int = 4

    @property
    def grid(self) -> int:
        """Cells a side."""
        return self.image_size // STRIDE

    @property
    def tokens(self) -> int:
        """Visual tokens of one image."""
        return self.grid * self.grid // self.merge_rows

    @property
    def hidden_size(self) -> int:
        """Length of one visual token."""
        return self.width * self.merge_rows + self.tokens


def of_width(width: int) -> RetortVisionConfig:
    """An encoder whose scales have a quarter, a half and the whole of `width` channels (a multiple of 4)."""
    return RetortVisionConfig(stem_channels=width // 4, mid_channels=width // 2, width=width)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class RetortVisionModel(PreTrainedModel):
    """Pixels (B, 3, S, S), normalised to [-1, 1], to tokens (B, tokens, hidden_size)."""

    config_class = RetortVisionConfig
    main_input_name = "pixel_values"
    _no_split_modules = ["_Residual"]  # noqa: RUF012

    def __init__(self, config: RetortVisionConfig) -> None:
        super().__init__(config)
        if config.grid * STRIDE != config.image_size or config.grid % config.merge_rows:
            raise ValueError(
                f"image_size={config.image_size} must be a multiple of {STRIDE}, and its {config.grid} rows "
                f"of cells a multiple of merge_rows={config.merge_rows}."
            )
        self.body = nn.Sequential(
            _conv(3, config.stem_channels, 2),
            _conv(config.stem_channels, config.mid_channels, 2),
            *(_Residual(config.mid_channels) for _ in range(config.mid_blocks)),
            _conv(config.mid_channels, config.width, 2),
            *(_Residual(config.width) for _ in range(config.top_blocks)),
        )
        self.learn_statistics = False
        self.post_init()

    def train(self, mode: bool = True) -> RetortVisionModel:
        """Batch statistics move in pretraining alone (`learn_statistics`), never with a policy's data."""
        super().train(mode)
        if not self.learn_statistics:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def _init_weights(self, module: nn.Module) -> None:
        # Batch norms keep their constructor's start: a reset here would also undo statistics just loaded.
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def grid_features(self, pixel_values: Tensor) -> Tensor:
        """(B, 3, S, S) to the cells' features (B, C, G, G)."""
        return self.body(pixel_values.to(memory_format=torch.channels_last))

    def merge(self, features: Tensor) -> Tensor:
        """(B, C, G, G) to (B, tokens, hidden_size)."""
        batch, width, rows, columns = features.shape
        merge = self.config.merge_rows
        cells = features.reshape(batch, width, rows // merge, merge, columns)
        cells = cells.permute(0, 2, 4, 3, 1).reshape(batch, -1, merge * width)
        place = torch.eye(cells.shape[1], dtype=cells.dtype, device=cells.device)
        return torch.cat([cells, place.expand(batch, -1, -1)], dim=-1)

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutput:
        """The only hidden layer is the last one (use `vision_feature_layer=-1`, strategy "full")."""
        tokens = self.merge(self.grid_features(pixel_values))
        return BaseModelOutput(last_hidden_state=tokens, hidden_states=(tokens,))


AutoConfig.register(RetortVisionConfig.model_type, RetortVisionConfig)
AutoModel.register(RetortVisionConfig, RetortVisionModel)
