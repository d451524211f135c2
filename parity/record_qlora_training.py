"""Records twenty steps of PEFT's LoRA over bases that bitsandbytes holds in 4 bits, under torch.optim.AdamW.

The models, batches and measures are those of record_lora_training.py; what differs is the base, which transformers loads
with a BitsAndBytesConfig. `sensitivity.base` is how far losses and weights move when the base is left in full precision.
"""

import copy
import functools
import os
from dataclasses import dataclass, replace

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # compiled, the last bits might depend on the compiler

import torch
from bitsandbytes.nn import Linear4bit
from peft import get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

import record_lora_training as lora_training
from record_lora_training import ADAMW, FIXTURES, LARGEST_ROUNDING, LEAST_SENSITIVITY, Case, lora
from recording import (
    PACKAGES,
    folder,
    generator,
    normal,
    relative_error,
    save_meta,
    save_tensors,
)
from safetensors.torch import load_file

TOPIC = 'qlora-training'
DEFAULT = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)


def use_default_kernels():
    """Puts the default backend's kernels in place of the native ones for CPUs, which differ from them in two ways: in some 8-bit
    codes, and in 4-bit values where a block reaches over the end of a row. We suppose that the codes are looked up in a coarse
    table, and that such a block is scaled by another block's magnitude."""
    library = torch.library.Library('bitsandbytes', 'IMPL')
    for name in ('quantize_blockwise', 'dequantize_4bit'):
        operator = getattr(torch.ops.bitsandbytes, name).default
        library.impl(name, functools.partial(operator.redispatch, DEFAULT), 'CPU', allow_override=True)
    return library


@dataclass(frozen=True)
class QuantizedCase(Case):
    type: str = 'nf4'
    double: bool = True


CASES = {
    'llama-nf4': QuantizedCase(2060, 'llama', lora('all-linear', alpha=2), max_norm=3.5, double=False),
    'llama-nf4-double': QuantizedCase(2100, 'llama', lora(['q_proj', 'v_proj'])),
    'gpt2-fp4-double': QuantizedCase(2200, 'gpt2', lora(['c_attn']), max_norm=2.5, type='fp4'),
}


def build(case: QuantizedCase, quantized=True):
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=case.type,
        bnb_4bit_use_double_quant=case.double,
        bnb_4bit_compute_dtype=torch.float32,
    )
    base = AutoModelForCausalLM.from_pretrained(
        FIXTURES / 'families' / case.base,
        attn_implementation='eager',
        dtype=torch.float32,
        **({'quantization_config': config, 'device_map': 'cpu'} if quantized else {}),
    )
    for module in base.modules():
        # Without it, evaluation repacks the codes for a kernel that computes in bfloat16.
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
    options = copy.deepcopy(case.lora)
    if not quantized and case.base == 'gpt2':
        options.fan_in_fan_out = True
    model = get_peft_model(base, options)
    gen = generator(case.seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'lora_A' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.2))
            if 'lora_B' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=case.b_std))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/families/{case.base}'
    return model


@torch.no_grad()
def disturb(model, seed):
    """Moves what is not quantised by about one rounding."""
    gen = generator(seed)
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.mul_(1 + normal(gen, *parameter.shape).sign() * 2.0**-23)


def run(case, batches, path=None, disturbance=None, quantized=True):
    model = build(case, quantized)
    if disturbance is not None:
        disturb(model, disturbance)
    if path:
        lora_training.save_adapter(model, path / 'initial')
    before = lora_training.probe(model, batches)
    curve = lora_training.train(model, case, batches)
    if path:
        lora_training.save_adapter(model, path / 'final')
    results = {**curve, 'probe_logits.initial': before, 'probe_logits.final': lora_training.probe(model, batches)}
    return {'results': results, 'weights': lora_training.trained_weights(model, case)}


def record(name, batches):
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]

    def moved(others, part, key):
        return max(relative_error(other[part][key], recorded[part][key]) for other in others)

    rounding = {key: moved(disturbed, 'results', key) for key in recorded['results']}
    rounding['weights'] = max(moved(disturbed, 'weights', key) for key in recorded['weights'])
    for key, limit in LARGEST_ROUNDING.items():
        assert rounding[key] < limit, f'{name}: {key} moves by {rounding[key]} with the last bit of the weights'
    wrong = {'base': run(case, batches, quantized=False), 'type': run(replace(case, type='nf4' if case.type == 'fp4' else 'fp4'), batches)}
    if case.double:
        wrong['doubleQuantization'] = run(replace(case, double=False), batches)
    sensitivity = {}
    for mistake, other in wrong.items():
        sensitivity[mistake] = {
            'losses': moved([other], 'results', 'losses'),
            'weights': max(moved([other], 'weights', key) for key in recorded['weights']),
        }
        assert sensitivity[mistake]['weights'] > LEAST_SENSITIVITY, f'{name}: {mistake} changes too little'
    return {
        'base': f'families/{case.base}',
        'seed': case.seed,
        'steps': case.steps,
        'maxGradientNorm': case.max_norm,
        'adamw': case.adamw,
        'options': {'type': case.type, 'doubleQuantization': case.double},
        'rounding': rounding,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    kernels = use_default_kernels()
    batches = load_file(FIXTURES / 'lora-training' / 'batches.safetensors')
    batches = {**batches, 'input_ids': batches['input_ids'].long(), 'probe_ids': batches['probe_ids'].long()}
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES}, (*PACKAGES, 'bitsandbytes'))
