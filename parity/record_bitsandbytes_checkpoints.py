"""Records checkpoints that transformers saves of models quantised by bitsandbytes, and the logits that they give there.

The models are those of record_families.py. The kernels are those of bitsandbytes' default backend, as in
record_qlora_training.py. 8-bit layers quantise what they multiply too: for those the logits are of the model that
`dequantize` makes of it, and `own` is how far the logits of the 8-bit layers are from them.
"""

import os

os.environ['TORCHDYNAMO_DISABLE'] = '1'  # compiled, the last bits might depend on the compiler

import torch
from bitsandbytes.nn import Linear4bit
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from record_qlora_training import use_default_kernels
from recording import FIXTURES, PACKAGES, folder, generator, relative_error, save_meta, save_tensors

TOPIC = 'bitsandbytes-checkpoints'


def four_bit(kind, double):
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=kind,
        bnb_4bit_use_double_quant=double,
        bnb_4bit_compute_dtype=torch.float32,
    )


CASES = {
    'llama-nf4': ('llama', four_bit('nf4', False)),
    'llama-nf4-double': ('llama', four_bit('nf4', True)),
    'llama-fp4-double': ('llama-tied', four_bit('fp4', True)),
    'gpt2-nf4-double': ('gpt2', four_bit('nf4', True)),
    'gpt2-int8': ('gpt2', BitsAndBytesConfig(load_in_8bit=True)),
    'llama-int8': ('llama', BitsAndBytesConfig(load_in_8bit=True)),
}


def load(path, config=None):
    extra = {} if config is None else {'quantization_config': config}
    model = AutoModelForCausalLM.from_pretrained(
        path, attn_implementation='eager', dtype=torch.float32, device_map='cpu', **extra
    )
    for module in model.modules():
        # Without it, evaluation repacks the codes for a kernel that computes in bfloat16.
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
    return model.eval()


@torch.no_grad()
def logits_of(model, ids):
    return model(input_ids=ids, use_cache=False).logits


def record(name):
    base, config = CASES[name]
    path = folder(TOPIC, name)
    plain = load(FIXTURES / 'families' / base)
    ids = torch.randint(0, plain.config.vocab_size, (2, 16), generator=generator(2600))
    load(FIXTURES / 'families' / base, config).save_pretrained(path)
    (path / 'model.safetensors').chmod(0o644)
    model = load(path)
    logits = logits_of(model, ids)
    meta = {'base': f'families/{base}'}
    if config.load_in_8bit:
        own, logits = logits, logits_of(model.dequantize(), ids)
        meta['own'] = relative_error(own, logits)
    meta['sensitivity'] = {'base': relative_error(logits_of(plain, ids), logits)}
    assert meta['sensitivity']['base'] > 1e-3
    save_tensors(path / 'expected.safetensors', {'input_ids': ids, 'logits': logits})
    return meta


if __name__ == '__main__':
    kernels = use_default_kernels()
    save_meta(TOPIC, __file__, {name: record(name) for name in CASES}, (*PACKAGES, 'bitsandbytes'))
