"""Records bitsandbytes' dynamic 8-bit maps, and AdamW8bit's trajectory and state under given gradients.

The kernels are those of bitsandbytes' default backend, as in record_qlora_training.py. `big` has whole blocks of 256,
`odd` a last one that is not full, and `small` too few elements for 8 bits. `<parameter>.gradients` are [steps, …];
`<parameter>.values`, `.codes1`, `.absmax1` (the mean) and `.codes2`, `.absmax2` (the variance) are those after the last step.
"""

import bitsandbytes as bnb
import torch
from bitsandbytes.functional import create_dynamic_map

from record_qlora_training import use_default_kernels
from recording import PACKAGES, folder, generator, normal, save_meta, save_tensors

TOPIC = 'adamw-8bit'
SEED = 3100
STEPS = 6
SHAPES = {'big': (64, 80), 'odd': (65, 67), 'small': (63, 65)}
OPTIONS = {'lr': 1e-2, 'betas': (0.9, 0.99), 'eps': 1e-8, 'weight_decay': 0.1}


def record():
    gen = generator(SEED)
    tensors = {f'map.{name}': create_dynamic_map(signed) for name, signed in (('signed', True), ('unsigned', False))}
    for name, shape in SHAPES.items():
        # Rows of different sizes, so that the values of a block are of different exponents; none so small that its variance
        # becomes 0, which Tunesmith's does not.
        sizes = torch.exp(normal(gen, shape[0], 1) / 2)
        gradients = (normal(gen, STEPS, *shape) * sizes).half().float()
        parameter = torch.nn.Parameter(normal(gen, *shape).half().float())
        tensors |= {f'{name}.initial': parameter.detach().half(), f'{name}.gradients': gradients.half()}
        optimizer = bnb.optim.AdamW8bit([parameter], **OPTIONS)
        for gradient in gradients:
            parameter.grad = gradient.clone()
            optimizer.step()
        state = optimizer.state[parameter]
        tensors[f'{name}.values'] = parameter.detach()
        if name == 'small':
            assert state['state1'].dtype == torch.float32
            continue
        for part in (1, 2):
            tensors[f'{name}.codes{part}'] = state[f'state{part}'].flatten()
            tensors[f'{name}.absmax{part}'] = state[f'absmax{part}']
        assert (state['state2'] > 0).all()
    return {name: value.contiguous() for name, value in tensors.items()}


if __name__ == '__main__':
    kernels = use_default_kernels()
    save_tensors(folder(TOPIC) / 'expected.safetensors', record())
    cases = {name: {'shape': shape} for name, shape in SHAPES.items()}
    save_meta(TOPIC, __file__, {'steps': STEPS, 'options': OPTIONS, **cases}, (*PACKAGES, 'bitsandbytes'))
