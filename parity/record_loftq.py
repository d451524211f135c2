"""Records PEFT's LoftQ start of layers of the recorded Llama and GPT-2: `B·A`, and the values that the base comes to have.

PEFT's code asks for a GPU by its name; here it runs on the processor, where bitsandbytes has the same codes.
Run from the repository: python parity/record_loftq.py
"""

import inspect
import json
import pathlib

import bitsandbytes
import peft
import torch
from peft.utils import loftq_utils
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
fixtures = pathlib.Path(__file__).parent / "fixtures"
source = inspect.getsource(loftq_utils.loftq_init).replace('"cuda"', '"cpu"').replace("clear_device_cache()", "pass")
scope = dict(vars(loftq_utils))
exec(source, scope)

# Rows of whole blocks: of others, `dequantize_4bit` on the processor gave values that differ from what these codes mean elsewhere.
rank = 4
tensors = {}
for family, names in {
    "llama": ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"],
    "gpt2": ["transformer.h.0.attn.c_attn"],
}.items():
    weights = load_file(fixtures / f"families/{family}/model.safetensors")
    for name in names:
        weight = next(value for key, value in weights.items() if f"transformer.{key}" == f"{name}.weight" or key == f"{name}.weight")
        weight = weight.float().T.contiguous() if family == "gpt2" else weight.float()
        kept, a, b = scope["loftq_init"](weight, num_bits=4, reduced_rank=rank, num_iter=1)
        tensors |= {f"{family}.{name}.base": kept, f"{family}.{name}.product": (b @ a).contiguous()}
topic = fixtures / "loftq"
topic.mkdir(exist_ok=True)
save_file(tensors, topic / "expected.safetensors")
versions = {module.__name__: module.__version__ for module in (peft, torch, bitsandbytes)}
(topic / "meta.json").write_text(json.dumps({"versions": versions, "rank": rank}, indent=1) + "\n")
for name, value in tensors.items():
    print(name, tuple(value.shape), float(value.abs().max()))
