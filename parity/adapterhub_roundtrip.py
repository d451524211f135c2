"""Compares logits that Tunesmith computed with those of AdapterHub's `adapters` on a folder that Tunesmith wrote.

    python parity/adapterhub_roundtrip.py bert|llama FOLDER NAME PROBE

PROBE is a safetensors file with `input_ids` and `logits`. Prints max |difference| relative to max |logit|. A parameter of
the adapter that found no tensor, or a tensor that found no parameter, is an error: the library only logs either.
"""

import sys
from pathlib import Path

import adapters
import torch
from safetensors.torch import load_file

from record_adapterhub_training import load_base
from recording import relative_error


def main() -> None:
    base, folder, name, probe = sys.argv[1:]
    model = load_base(base)
    adapters.init(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_adapter(folder, use_safetensors=True, set_active=True, with_head=False)
    model.eval()
    state = model.state_dict()
    for key, value in load_file(Path(folder) / 'adapter.safetensors').items():
        if key not in state or not torch.equal(state[key], value):
            sys.exit(f'{key} did not find its place')
    written = set(load_file(Path(folder) / 'adapter.safetensors'))
    missing = [key for key in state if key not in before and key not in written]
    if missing:
        sys.exit(f'only in AdapterHub: {missing}')
    tensors = load_file(probe)
    with torch.no_grad():
        theirs = model(input_ids=tensors['input_ids'].long()).logits
    error = relative_error(tensors['logits'], theirs)
    print(error)
    sys.exit(0 if error < 1e-4 else f'logits differ by {error}')


if __name__ == '__main__':
    main()
