"""Loads the Mixtrals that upcycle-roundtrip.ts wrote into transformers and compares their logits with the dense models'."""

import sys
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from recording import FIXTURES, relative_error

IDS = torch.tensor([[3, 14, 15, 9, 26, 71, 80], [5, 35, 8, 9, 7, 2, 44]])


def logits(path: Path) -> torch.Tensor:
    model, report = AutoModelForCausalLM.from_pretrained(path, attn_implementation='eager', output_loading_info=True)
    assert not any(report[kind] for kind in ('missing_keys', 'unexpected_keys', 'mismatched_keys')), report
    return model(IDS, output_router_logits=False).logits if model.config.model_type == 'mixtral' else model(IDS).logits


with torch.no_grad():
    for path in sorted(Path(sys.argv[1]).iterdir()):
        error = relative_error(logits(path), logits(FIXTURES / 'families' / path.name))
        print(f'{path.name}: {error:.1e} (transformers {version("transformers")})')
