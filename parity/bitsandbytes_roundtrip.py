"""Loads a folder that Tunesmith wrote as codes of bitsandbytes in transformers, and compares logits with Tunesmith's.

    python parity/bitsandbytes_roundtrip.py --model DIR --logits FILE

FILE is safetensors with `input_ids` [batch, seq] and `logits` [batch, seq, vocab]. Prints max |difference| relative to
max |logit|, of 8-bit layers those of their values; exits with 1 above 1e-4, or when no linear layer is of codes.
"""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from record_bitsandbytes_checkpoints import load, logits_of, use_default_kernels
from recording import relative_error
from safetensors.torch import load_file
from bitsandbytes.nn import Linear4bit, Linear8bitLt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', type=Path, required=True)
    parser.add_argument('--logits', type=Path, required=True)
    args = parser.parse_args()
    kernels = use_default_kernels()
    expected = load_file(args.logits)
    model = load(args.model)
    layers = sum(isinstance(module, (Linear4bit, Linear8bitLt)) for module in model.modules())
    if any(isinstance(module, Linear8bitLt) for module in model.modules()):
        model = model.dequantize()
    error = relative_error(expected['logits'], logits_of(model, expected['input_ids'].long()))
    print(f'{layers} | {error:.1e} | transformers {version("transformers")}, bitsandbytes {version("bitsandbytes")} |')
    sys.exit(0 if error <= 1e-4 and layers > 0 and kernels is not None else 1)


if __name__ == '__main__':
    main()
