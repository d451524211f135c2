"""Records steps of a Mixtral whose load-balance loss counts, all weights trained under torch.optim.AdamW.

Rows of two lengths, so that padding is masked: what the router does with it counts neither in the loss nor in the balance. The
z-loss is that of transformers' Switch Transformers over the layers' logits, where a token is there. Nothing may hang on which of two near experts a
token has: seeds are tried until rounding moves no choice.
"""

import copy

import torch
from transformers import MixtralForCausalLM
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func
from transformers.models.switch_transformers.modeling_switch_transformers import router_z_loss_func

from recording import FIXTURES, change_by, disturb_last_bit, folder, generator, rounding_of, save_meta, save_tensors

TOPIC, BASE, SEED = 'mixtral-training', 'mixtral/mixtral', 720
STEPS, BATCH, LENGTHS = 8, 4, (16, 11, 13, 16)
ADAMW = {'lr': 1e-3, 'betas': (0.9, 0.999), 'eps': 1e-6, 'weight_decay': 0.1}
BALANCE, Z, MAX_NORM = 0.3, 0.05, 3.0
LARGEST_ROUNDING = {'losses': 2e-6, 'weights': 2e-5, 'balance': 2e-6, 'z': 2e-6}


def draw_batches():
    gen = generator(SEED)
    ids = torch.randint(96, (4, BATCH, max(LENGTHS)), generator=gen).repeat(STEPS // 4, 1, 1)
    weights = torch.tensor([0.1, 1.0])[torch.randint(2, ids.shape, generator=gen)]
    mask = torch.tensor([[int(i < length) for i in range(max(LENGTHS))] for length in LENGTHS])
    weights = weights * mask
    weights[..., 0] = 0
    return ids * mask, weights, mask


def run(balance=BALANCE, z=Z, masked=True, disturbance=None):
    model = MixtralForCausalLM.from_pretrained(FIXTURES / BASE, attn_implementation='eager')
    model.set_experts_implementation('eager')
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW)
    results = {'losses': [], 'balance': [], 'z': [], 'gradient_norms': [], 'totals': []}
    for ids, weights in zip(*BATCHES[:2]):
        mask = BATCHES[2]
        out = model(input_ids=ids, attention_mask=mask, output_router_logits=True, use_cache=False)
        entropy = torch.nn.functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
        loss = (weights[:, 1:].flatten() * entropy).sum() / weights.sum()
        counted = mask if masked else None
        aux = load_balancing_loss_func(out.router_logits, 4, 2, counted)
        if masked:
            assert torch.equal(aux, out.aux_loss)
        there = mask.flatten().bool() if masked else torch.ones(mask.numel()).bool()
        z_loss = router_z_loss_func(torch.cat([logits[there] for logits in out.router_logits])[None])
        total = loss + balance * aux + z * z_loss
        optimizer.zero_grad()
        total.backward()
        results['gradient_norms'].append(torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM))
        optimizer.step()
        for name, value in (('losses', loss), ('balance', aux), ('z', z_loss), ('totals', total)):
            results[name].append(value.detach())
    return {
        'results': {name: torch.stack(values) for name, values in results.items()},
        'weights': {name: tensor.detach().clone() for name, tensor in model.state_dict().items()},
    }, model


def record_own_total(path):
    """transformers' own loss of a model of that configuration: labels' mean cross entropy and the balance."""
    model = MixtralForCausalLM.from_pretrained(
        FIXTURES / BASE, attn_implementation='eager', output_router_logits=True, router_aux_loss_coef=BALANCE
    )
    ids, _, mask = BATCHES[0][0], None, BATCHES[2]
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100), use_cache=False)
    save_tensors(path / 'total.safetensors', {'total': out.loss[None], 'balance': out.aux_loss[None]})


if __name__ == '__main__':
    BATCHES = draw_batches()
    path = folder(TOPIC, 'mixtral')
    save_tensors(folder(TOPIC) / 'batches.safetensors', {'input_ids': BATCHES[0], 'weights': BATCHES[1], 'mask': BATCHES[2]})
    recorded, model = run()
    save_tensors(path / 'expected.safetensors', recorded['results'])
    model.save_pretrained(path / 'final', safe_serialization=True)
    record_own_total(path)
    disturbed = [run(disturbance=SEED + i)[0] for i in (1, 2, 3)]
    rounding = rounding_of('mixtral', recorded, disturbed, LARGEST_ROUNDING)
    sensitivity = {
        mistake: change_by('mixtral', mistake, run(**wrong)[0], recorded, 1e-3)
        for mistake, wrong in {'balance': {'balance': 0.0}, 'z': {'z': 0.0}, 'mask': {'masked': False}}.items()
    }
    save_meta(
        TOPIC,
        __file__,
        {
            'mixtral': {
                'seed': SEED,
                'base': BASE,
                'steps': STEPS,
                'adamw': ADAMW,
                'maxGradientNorm': MAX_NORM,
                'options': {'balance': BALANCE, 'z': Z, 'lengths': LENGTHS},
                'losses': recorded['results']['losses'].tolist(),
                'gradientNorms': recorded['results']['gradient_norms'].tolist(),
                'rounding': rounding,
                'sensitivity': sensitivity,
            }
        },
    )
