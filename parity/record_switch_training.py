"""Records twenty steps of the Switch Transformer of record_switch.py whose routers' losses count, all weights trained under torch.optim.AdamW.

Experts take four tokens of a row, fewer than some rows have for them. transformers counts padding in these losses, so that rows
are full here. Evaluation mode: neither dropout nor jitter, as everywhere in these recordings.
An expert that no token of a batch has gets a gradient of 0, as in Mixtral, where all are one parameter: it decays, and its moments do.
Left to itself torch would pass it over, since the module then does not touch it.
"""

import torch
from transformers import SwitchTransformersForConditionalGeneration

from recording import FIXTURES, change_by, disturb_last_bit, folder, generator, rounding_of, save_meta, save_tensors

TOPIC, BASE, SEED = 'switch-training', 'switch/switch', 860
STEPS, BATCH, SOURCE, LENGTH, CAPACITY = 20, 4, 14, 10, 4
ADAMW = {'lr': 1e-3, 'betas': (0.9, 0.999), 'eps': 1e-4, 'weight_decay': 0.1}
BALANCE, Z, MAX_NORM = 0.3, 0.05, 2.0
LOSSES = [f'{stack}_{kind}_loss' for stack in ('encoder', 'decoder') for kind in ('aux', 'z')]
LARGEST_ROUNDING = {'losses': 2e-6, 'weights': 4e-5, **dict.fromkeys(LOSSES, 5e-6)}


def draw_batches() -> dict[str, torch.Tensor]:
    gen = generator(SEED)
    ids = torch.randint(3, 96, (5, BATCH, LENGTH), generator=gen)
    ids[..., 0] = 2
    weights = torch.tensor([0.1, 1.0])[torch.randint(2, ids.shape, generator=gen)]
    weights[..., 0] = 0
    return {'source_ids': torch.randint(3, 96, (5, BATCH, SOURCE), generator=gen), 'input_ids': ids, 'weights': weights}


def run(balance=BALANCE, z=Z, capacity=CAPACITY, touched=True, disturbance=None):
    model = SwitchTransformersForConditionalGeneration.from_pretrained(
        FIXTURES / BASE, attn_implementation='eager', expert_capacity=capacity
    ).eval()
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW)
    results = {name: [] for name in ('losses', 'gradient_norms', *LOSSES)}
    for step in range(STEPS):
        source, ids, weights = (BATCHES[name][step % 5] for name in ('source_ids', 'input_ids', 'weights'))
        out = model(input_ids=source, decoder_input_ids=ids, output_router_logits=True, use_cache=False)
        entropy = torch.nn.functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
        loss = (weights[:, 1:].flatten() * entropy).sum() / weights.sum()
        total = loss + balance * (out.encoder_aux_loss + out.decoder_aux_loss) + z * (out.encoder_z_loss + out.decoder_z_loss)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter) if touched else None
        total.backward()
        results['gradient_norms'].append(torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM))
        optimizer.step()
        results['losses'].append(loss.detach())
        for name in LOSSES:
            results[name].append(out[name].detach())
    return {
        'results': {name: torch.stack(values) for name, values in results.items()},
        'weights': {name: tensor.detach().clone() for name, tensor in model.state_dict().items()},
    }, model


if __name__ == '__main__':
    BATCHES = draw_batches()
    path = folder(TOPIC, 'switch')
    save_tensors(folder(TOPIC) / 'batches.safetensors', BATCHES)
    recorded, model = run()
    save_tensors(path / 'expected.safetensors', recorded['results'])
    model.save_pretrained(path / 'final', safe_serialization=True)
    disturbed = [run(disturbance=SEED + i)[0] for i in (1, 2, 3)]
    mistakes = {'idleExperts': {'touched': False}, 'balance': {'balance': 0.0}, 'z': {'z': 0.0}, 'capacity': {'capacity': 64}}
    norms = recorded['results']['gradient_norms']
    case = {
        'seed': SEED,
        'base': BASE,
        'steps': STEPS,
        'adamw': ADAMW,
        'maxGradientNorm': MAX_NORM,
        'stepsClipped': int((norms > MAX_NORM).sum()),
        'options': {'balance': BALANCE, 'z': Z, 'capacity': CAPACITY},
        'losses': recorded['results']['losses'].tolist(),
        'gradientNorms': norms.tolist(),
        'rounding': rounding_of('switch', recorded, disturbed, LARGEST_ROUNDING),
        'sensitivity': {
            mistake: change_by('switch', mistake, run(**wrong)[0], recorded, 3e-4) for mistake, wrong in mistakes.items()
        },
    }
    save_meta(TOPIC, __file__, {'switch': case})
