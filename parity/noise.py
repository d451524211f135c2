"""The noise of a step, in numpy, as packages/core/src/random draws it, so that a recorder can be fed the same."""

import numpy as np
import torch


def mix(x: np.ndarray) -> np.ndarray:
    """lowbias32 of each uint32."""
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return x ^ (x >> 16)


def word(value: int) -> np.ndarray:
    return np.array([value & 0xFFFFFFFF], np.uint32)


def random_key(*parts: int | str) -> tuple[np.ndarray, np.ndarray]:
    low, high = word(0x9E3779B9), word(0x85EBCA6B)
    for part in parts:
        words = [*map(ord, part), 0x10000 + len(part)] if isinstance(part, str) else [part, part >> 32]
        for each in map(word, words):
            low = mix(low ^ each)
            high = mix((high + each * np.uint32(0xC2B2AE35)) ^ low)
    return low, high


def uniform(seed: int, step: int, name: str, shape: torch.Size) -> torch.Tensor:
    """`Trace.uniform(name, shape, 'step')` at a step counted from 0."""
    low, high = random_key(seed, step, 'step', name)
    bits = mix(mix(np.arange(shape.numel(), dtype=np.uint32) + low) ^ high)
    return torch.from_numpy((bits >> 8).astype(np.float32) / 2**24).reshape(shape)
