"""Records packages/checkpoints/src/safetensors/fixtures/recorded-by-python.safetensors (safetensors 0.8.0, torch 2.x).

The reference's own writer, over every dtype that Tunesmith and it share, an empty tensor, a scalar and a name beyond ASCII.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).parent.parent / "packages/checkpoints/src/safetensors/fixtures"

save_file(
    {
        "embed.weight": torch.arange(-6, 6, dtype=torch.float32).reshape(3, 4) / 3,
        "half": torch.tensor([1.0, -1 / 3, 65504.0, 2**-24, float("inf")], dtype=torch.float16),
        "brain": torch.tensor([1.0, -1 / 3, 3e38, 1e-40]).to(torch.bfloat16).reshape(2, 2),
        "a.bias": torch.tensor([0.1, -0.2], dtype=torch.float32),
        "ids": torch.tensor([-2, 2**40], dtype=torch.int64),
        "steps": torch.tensor([3, -4], dtype=torch.int32),
        "levels": torch.tensor([-300, 300, 5], dtype=torch.int16),
        "codes": torch.tensor([255, 0], dtype=torch.uint8),
        "mask": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3, dtype=torch.float16),
        "größe.ü": torch.tensor([7], dtype=torch.int8),
    },
    FOLDER / "recorded-by-python.safetensors",
    metadata={"format": "pt"},
)
