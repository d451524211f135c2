"""Records weights that bitsandbytes keeps in 8 bits, and its LLM.int8 product with its gradient, with and without outliers.

The product is `MatMul8bitLt`, which GPUs train with: on the CPU `bnb.matmul` multiplies dequantised weights instead while it trains.
Inputs are values that float16 holds, so that its cast to float16 changes nothing; being of float32, so are its results.
"""

import json
import logging
from pathlib import Path

import bitsandbytes
import bitsandbytes.functional as F
import torch
from bitsandbytes.autograd._functions import MatMul8bitLt, MatmulLtState
from bitsandbytes.nn import Int8Params
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.manual_seed(30)
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
folder = Path(__file__).parent / "fixtures" / "bitsandbytes-int8"
folder.mkdir(parents=True, exist_ok=True)


def weights():
    """Rows of different scales; values that float16 rounds; a row of zeros; values half-way between two codes."""
    rows = torch.exp(torch.randn(48, 1))
    plain = torch.randn(48, 64) * 0.05 * rows
    plain[7] = 0
    ties = (torch.arange(64) - 31.5).repeat(4, 1)
    ties[:, 0] = 127
    odd = torch.randn(33, 25)
    return {"plain": plain, "ties": ties, "odd": odd}


def half(*shape):
    return torch.randn(*shape).to(torch.float16).to(torch.float32)


def inputs():
    """Of three dimensions; with outliers in three columns, of which two are in one row; of a single row, with an outlier."""
    ordinary = half(3, 7, 64)
    outliers = half(3, 7, 64)
    outliers[0, 2, 5], outliers[0, 2, 40], outliers[2, 6, 63] = 6.0, -23.5, 80.0
    single = half(1, 64)
    single[0, 9] = -7.25
    return {"ordinary": ordinary, "outliers": outliers, "single": single}


tensors, cases = {}, []
for name, values in weights().items():
    param = Int8Params(values.clone(), requires_grad=False)._quantize("cpu")
    assert torch.equal(param.data, F.int8_vectorwise_quant(values.to(torch.float16))[0])
    tensors[f"{name}.weight"] = values.contiguous()
    tensors[f"{name}.codes"] = param.CB
    tensors[f"{name}.absmax"] = param.SCB
    tensors[f"{name}.values"] = F.int8_vectorwise_dequant(param.CB, param.SCB)

codes, absmax = tensors["plain.codes"], tensors["plain.absmax"]
for name, values in inputs().items():
    tensors[f"{name}.x"] = values
    for threshold in (0.0, 6.0):
        state = MatmulLtState()
        state.CB, state.SCB = codes.clone(), absmax.clone()
        state.threshold, state.has_fp16_weights, state.is_training = threshold, False, True
        x = values.clone().requires_grad_()
        y = MatMul8bitLt.apply(x, codes, None, None, state)
        assert y.dtype == torch.float32
        dy = torch.randn_like(y)
        y.backward(dy)
        key = f"{name}.{threshold:g}"
        tensors[f"{key}.y"] = y.detach().contiguous()
        tensors[f"{key}.dy"] = dy
        tensors[f"{key}.dx"] = x.grad
        exact = values @ tensors["plain.values"].t()
        cases.append(
            {
                "input": name,
                "threshold": threshold,
                "outlierColumns": 0 if state.idx is None else state.idx.numel(),
                # How far the product is from that of values that are not rounded.
                "rounding": float((y.detach() - exact).abs().max() / exact.abs().max()),
            }
        )
save_file(tensors, folder / "expected.safetensors")
(folder / "expected.safetensors").chmod(0o644)
meta = {"bitsandbytes": bitsandbytes.__version__, "torch": torch.__version__, "seed": 30, "cases": cases}
(folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
print(json.dumps(meta, indent=2))
