"""Records what bitsandbytes makes of tensors in 4 bits: codes, scales, double quantisation, and the values they stand for.

The bytes are those of bitsandbytes' default backend, whose rule is the CUDA kernels': the nearest value, by comparing
with the midpoints in float32. Its native CPU kernel for 8-bit blocks takes a neighbour for about 0.15 %
of them, we suppose because it looks values up in a coarser table; `cpu_kernel_differs` counts where that touched the
recorded scales.
"""

import json
import os
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # compiled, the last bits might depend on the compiler

import bitsandbytes
import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.manual_seed(20)
folder = Path(__file__).parent / "fixtures" / "bitsandbytes-4bit"
folder.mkdir(parents=True, exist_ok=True)
default = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)


def quantize_blockwise(values, code, block_size):
    """The default backend's kernel, whatever is registered for the CPU."""
    return torch.ops.bitsandbytes.quantize_blockwise.default.redispatch(default, values, code, block_size)


def dequantize_blockwise(codes, absmax, code, block_size):
    op = torch.ops.bitsandbytes.dequantize_blockwise.default
    return op.redispatch(default, codes, absmax, code, block_size, torch.float32)


def weights():
    """Rows of different scales; an odd number of values; zeros, a block of zeros at the end, and exact midpoints."""
    rows = torch.exp(torch.randn(128, 1))
    plain = torch.randn(128, 160) * 0.05 * rows
    odd = torch.randn(33, 25)
    zeros = torch.cat([torch.randn(256), torch.zeros(256), torch.full((256,), 1e-30), torch.zeros(10)])
    ties = []
    for kind in ("nf4", "fp4"):
        code = F.get_4bit_type(kind, device="cpu").sort().values
        middle = (code[1:] + code[:-1]) / 2
        ties += [middle, torch.nextafter(middle, torch.tensor(2.0)), torch.nextafter(middle, torch.tensor(-2.0))]
    ties = torch.cat([*ties, torch.ones(256 - 6 * 15)])
    return {"plain": plain, "odd": odd, "zeros": zeros, "ties": ties, "rounding": rounding()}


def rounding():
    """Values whose code depends on whether they are divided by their block's magnitude or multiplied by its reciprocal."""
    code = F.get_4bit_type("nf4", device="cpu")
    middle = (code[1:] + code[:-1]) / 2
    rows = []
    while len(rows) < 64:
        largest = torch.rand(1) * 4 + 0.5
        near = torch.nextafter(middle * largest, torch.tensor(9.0))
        near = torch.stack([middle * largest, near, torch.nextafter(middle * largest, torch.tensor(-9.0))]).flatten()
        divided, multiplied = near / largest, near * (1 / largest)
        telling = near[torch.bucketize(divided, middle) != torch.bucketize(multiplied, middle)]
        if len(telling) > 0:
            rows.append(torch.cat([largest, telling[torch.randint(len(telling), (15,))]]))
    # The last row is cut, so that the last block is never full.
    return torch.stack([*rows, rows[0]]).flatten()[:-8]


tensors, cases, differs = {}, [], 0
dynamic = F.create_dynamic_map()
tensors["dynamic_map"] = dynamic
for name, values in weights().items():
    tensors[name] = values.contiguous()
    for kind in ("nf4", "fp4"):
        for block_size in (16, 32, 64, 128, 256):
            codes, absmax = torch.ops.bitsandbytes.quantize_4bit.default(values, block_size, kind, torch.uint8)
            if block_size > 16:  # quantize_4bit itself begins at 32
                again, state = F.quantize_4bit(values, blocksize=block_size, quant_type=kind)
                assert torch.equal(again, codes) and torch.equal(state.absmax, absmax)
            offset = absmax.mean()
            nested_codes, nested_absmax = quantize_blockwise(absmax - offset, dynamic, 256)
            if block_size > 16:
                _, state = F.quantize_4bit(values, blocksize=block_size, quant_type=kind, compress_statistics=True)
                # Where all distances are 0, the CPU's kernel leaves 0 for the last block's magnitude, not 1e-38.
                assert torch.allclose(state.state2.absmax, nested_absmax, rtol=0, atol=1e-37)
                assert torch.equal(state.offset, offset)
                differs += int((state.absmax != nested_codes).sum())
            expanded = dequantize_blockwise(nested_codes, nested_absmax, dynamic, 256) + offset
            key = f"{name}.{kind}.{block_size}"
            tensors[f"{key}.codes"] = codes.flatten()
            tensors[f"{key}.absmax"] = absmax
            tensors[f"{key}.nested_codes"] = nested_codes
            tensors[f"{key}.nested_absmax"] = nested_absmax
            tensors[f"{key}.offset"] = offset.reshape(1)
            if block_size in (32, 64):
                flat = values.reshape(1, -1)
                op = torch.ops.bitsandbytes.dequantize_4bit.default
                for suffix, scales in (("values", absmax), ("nested_values", expanded)):
                    back = op.redispatch(default, codes, scales, block_size, kind, flat.shape, torch.float32)
                    # The sum of the bits says whether all are equal, in a hundredth of the space.
                    bits = back.flatten().view(torch.int32).to(torch.int64)
                    weight = torch.arange(1, bits.numel() + 1)
                    tensors[f"{key}.{suffix}.sum"] = (((bits * weight) % 2**24).sum() % 2**24).reshape(1).to(torch.int32)
            cases.append({"tensor": name, "type": kind, "blockSize": block_size})
save_file(tensors, folder / "expected.safetensors")
(folder / "expected.safetensors").chmod(0o644)
meta = {
    "bitsandbytes": bitsandbytes.__version__,
    "torch": torch.__version__,
    "seed": 20,
    "cases": cases,
    "cpu_kernel_differs": differs,
}
(folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
print(json.dumps({k: v for k, v in meta.items() if k != "cases"}, indent=2))
