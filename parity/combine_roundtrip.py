"""Loads adapters that combine-roundtrip.ts wrote into PEFT and compares their logits with those of PEFT's own combination."""

import sys
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from recording import FIXTURES, relative_error

RECORDED = FIXTURES / 'lora-combinations'
IDS = torch.tensor([[3, 14, 15, 9, 26], [5, 35, 8, 9, 7]])


def base():
    return AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / 'llama', attn_implementation='eager')


def main(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        ours = PeftModel.from_pretrained(base(), path)(IDS).logits
        theirs = PeftModel.from_pretrained(base(), RECORDED / 'one', adapter_name='one')
        theirs.load_adapter(RECORDED / 'wide', 'wide')
        density = 0.5 if 'ties' in path.name else None
        theirs.add_weighted_adapter(
            ['one', 'wide'], [0.7, -0.3], 'both', combination_type=path.name, density=density
        )
        theirs.set_adapter('both')
        print(f'{path.name}: {relative_error(ours, theirs(IDS).logits):.1e} (peft {version("peft")})')


with torch.no_grad():
    main(Path(sys.argv[1]))
