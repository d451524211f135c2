"""Records values and gradients of the operations that Tunesmith defines itself.

Inputs are float32 numbers; torch computes in float64 and the results are rounded once, so that what a test sees is the
error of the implementation under test alone. A file holds the inputs by name, `upstream` (the gradient of the output),
`output`, and `gradient.<input>` for every differentiable input. Constants of a case are in meta.json.
"""

import torch
from torch.nn import functional
from transformers.activations import ACT2FN
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from recording import folder, generator, normal, save_meta, save_tensors

TOPIC = 'ops'
SEED = 2000
gen = generator(SEED)


def record(case: str, compute, inputs: dict[str, torch.Tensor], fixed: dict | None = None, **constants) -> dict:
    """Writes <case>.safetensors: `compute` takes the inputs, in float64, then the fixed ones, without gradients."""
    fixed = fixed or {}
    arguments = {name: tensor.double().requires_grad_() for name, tensor in inputs.items()}
    output = compute(*arguments.values(), *fixed.values())
    upstream = normal(gen, *output.shape)
    output.backward(upstream.double())
    gradients = {f'gradient.{name}': tensor.grad for name, tensor in arguments.items()}
    tensors = {**inputs, **fixed, 'upstream': upstream, 'output': output, **gradients}
    save_tensors(folder(TOPIC) / f'{case}.safetensors', tensors)
    return constants


def rows_of_all_sizes(*shape: int) -> torch.Tensor:
    """Normal numbers whose rows grow in scale from 1e-3 to 10: an epsilon matters in some and not in others."""
    x = normal(gen, *shape)
    return x * torch.logspace(-3, 1, x[..., 0].numel()).reshape(*shape[:-1], 1)


def norms():
    eps = 1e-4
    shape = (2, 5, 12)

    def weight():
        return normal(gen, shape[-1], mean=1.0, std=0.3)

    def rms_norm(x, weight):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight

    def layer_norm(x, weight, bias):
        return functional.layer_norm(x, shape[-1:], weight, bias, eps)

    yield 'rms-norm', record('rms-norm', rms_norm, {'x': rows_of_all_sizes(*shape), 'weight': weight()}, epsilon=eps)
    inputs = {'x': rows_of_all_sizes(*shape) + 0.5, 'weight': weight(), 'bias': normal(gen, shape[-1])}
    yield 'layer-norm', record('layer-norm', layer_norm, inputs, epsilon=eps)


def rotary():
    """Llama's half-split pairing: dimension i turns with i + headDim / 2. x is [batch, heads, seq, headDim]."""
    theta, head_dim = 100.0, 8
    frequencies = theta ** (-torch.arange(0, head_dim, 2).double() / head_dim)

    def turn(x, positions):
        angles = (positions[..., None].double() * frequencies).repeat(1, 1, 2)
        return apply_rotary_pos_emb(x, x, angles.cos(), angles.sin())[0]

    fixed = {'positions': torch.tensor([[0, 1, 2, 3, 4, 5, 6], [5, 6, 7, 0, 1, 40, 41]])}
    yield 'rotary', record('rotary', turn, {'x': normal(gen, 2, 3, 7, head_dim)}, fixed, theta=theta)


def attentions():
    """softmax(q kᵀ / √headDim + mask) v; query [batch, heads, seq, headDim], key and value by key/value head, of which
    query head h uses number h // (heads / kv_heads). Attention never crosses `segments`."""
    batch, heads, kv_heads, length, head_dim = 2, 4, 2, 7, 8
    segments = torch.tensor([[1, 1, 1, 2, 2, 2, 2], [1, 2, 2, 3, 3, 3, 3]])
    ahead = torch.arange(length)[None, :] - torch.arange(length)[:, None]

    def with_mask(causal, window):
        visible = torch.ones(length, length, dtype=torch.bool)
        if causal:
            visible = ahead <= 0
        if window is not None:
            visible = visible & (ahead > -window)

        def attend(query, key, value, segments=None):
            same = True if segments is None else segments[:, None, :, None] == segments[:, None, None, :]
            key, value = (x.repeat_interleave(heads // kv_heads, 1) for x in (key, value))
            return functional.scaled_dot_product_attention(query, key, value, attn_mask=visible & same)

        return attend

    for case, causal, window, fixed in [
        ('attention-bidirectional', False, None, {}),
        ('attention-causal', True, None, {}),
        ('attention-causal-segments', True, None, {'segments': segments}),
        ('attention-bidirectional-segments', False, None, {'segments': segments}),
        ('attention-sliding-window', True, 3, {}),
    ]:
        counts = {'query': heads, 'key': kv_heads, 'value': kv_heads}
        inputs = {name: normal(gen, batch, count, length, head_dim) for name, count in counts.items()}
        yield case, record(case, with_mask(causal, window), inputs, fixed, causal=causal, window=window)


def activations():
    """Wide inputs: the tails of an activation are where an approximation or an overflow shows."""

    def wide(*shape):
        return 4 * normal(gen, *shape)

    for case, activation in [('gelu', 'gelu'), ('gelu-new', 'gelu_new'), ('silu', 'silu')]:
        yield case, record(case, ACT2FN[activation], {'x': wide(3, 4, 10)})
    for case, activation in [('swiglu', 'silu'), ('geglu', 'gelu'), ('geglu-tanh', 'gelu_pytorch_tanh')]:
        act = ACT2FN[activation]
        inputs = {'gate': wide(3, 4, 10), 'up': normal(gen, 3, 4, 10)}
        yield case, record(case, lambda gate, up, act=act: act(gate) * up, inputs)


def cross_entropies():
    """sum(w · cross entropy), a scalar. Some logits are near ±200, where exp without a shift overflows. The second case
    goes from hidden states and the head's weight to the loss at `positions`, counted through the flattened batch."""

    def of_logits(logits, labels, weights):
        return (weights * functional.cross_entropy(logits, labels, reduction='none')).sum()

    def of_hidden(hidden, head, positions, labels, weights):
        return of_logits(hidden.flatten(0, 1)[positions] @ head.T, labels, weights)

    labels = torch.randint(13, (6,), generator=gen)
    fixed = {'labels': labels, 'weights': torch.tensor([1.0, 0.1, 0.0, 1.0, 0.5, 1.0])}
    inputs = {'logits': normal(gen, 6, 13) * torch.tensor([1.0, 1.0, 3.0, 80.0, 0.1, 10.0])[:, None]}
    yield 'cross-entropy', record('cross-entropy', of_logits, inputs, fixed)

    inputs = {'hidden': normal(gen, 2, 6, 10), 'head': normal(gen, 13, 10)}
    fixed = {'positions': torch.tensor([0, 3, 4, 7, 10, 11]), **fixed}
    yield 'cross-entropy-selected', record('cross-entropy-selected', of_hidden, inputs, fixed)


if __name__ == '__main__':
    groups = [norms(), rotary(), attentions(), activations(), cross_entropies()]
    save_meta(TOPIC, __file__, {case: meta for group in groups for case, meta in group})
