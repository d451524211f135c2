"""Records matrices in GGUF's linear blocks, Q8_0, Q4_0 and Q4_1, as ggml's own Python quantises them (gguf-py, gguf/quants.py)."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from safetensors.torch import save_file

folder = Path(__file__).parent / "fixtures" / "linear-blocks"
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(40)
BLOCK = 32


def weights():
    """Rows of different scales with a block of zeros and one of equal values; values half-way between two codes."""
    plain = (rng.standard_normal((24, 96)) * 0.05 * np.exp(rng.standard_normal((24, 1)))).astype(np.float32)
    plain[3, :BLOCK] = 0
    plain[4, BLOCK : 2 * BLOCK] = 0.75
    ties = (np.arange(BLOCK, dtype=np.float32) - 15.5).reshape(1, -1).repeat(4, 0)
    ties[0, 0], ties[1, 0], ties[2, 0], ties[3, 0] = 127, -127, 8, -8
    return {"plain": plain, "ties": ties}


def halves(raw):
    return raw.copy().view(np.float16).astype(np.float32)


def parts(kind, values):
    """A row's blocks apart: float16 scale, float16 minimum, codes; of 4-bit codes one a byte, in the order of the values."""
    raw = quantize(values, GGMLQuantizationType[kind.upper()])
    size = {"q8_0": 34, "q4_0": 18, "q4_1": 20}[kind]
    blocks = raw.reshape(values.shape[0], -1, size)
    head = {"q8_0": 2, "q4_0": 2, "q4_1": 4}[kind]
    out = {"scales": halves(blocks[..., :2]).reshape(blocks.shape[:2])}
    if head == 4:
        out["minimums"] = halves(blocks[..., 2:4]).reshape(blocks.shape[:2])
    body = blocks[..., head:]
    if kind == "q8_0":
        out["codes"] = (body.copy().view(np.int8).astype(np.int32) + 128).astype(np.uint8)
    else:
        out["codes"] = np.concatenate([body & 15, body >> 4], -1)
    out["values"] = dequantize(raw, GGMLQuantizationType[kind.upper()])
    return out


tensors = {}
for name, values in weights().items():
    tensors[name] = torch.from_numpy(values.copy())
    for kind in ("q8_0", "q4_0", "q4_1"):
        for part, each in parts(kind, values).items():
            tensors[f"{name}.{kind}.{part}"] = torch.from_numpy(np.ascontiguousarray(each))
save_file(tensors, folder / "expected.safetensors")
(folder / "expected.safetensors").chmod(0o644)
meta = {"gguf": version("gguf"), "numpy": np.__version__, "seed": 40}
(folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
print(json.dumps(meta, indent=2))
