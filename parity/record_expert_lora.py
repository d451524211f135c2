"""Records PEFT's LoRA in experts, over the models of record_mixtral.py and record_switch.py.

Switch's experts are modules, Mixtral's in transformers 5 stacked parameters, which PEFT adapts by `target_parameters`: there a gate
and its up projection share A, so that of these two only values are recorded; what multiplies down trains alike and takes twenty steps.
`mixtral-modules` is an adapter by the modules of transformers 4, as PEFT converts it. Where an expert has no token its gradient is 0,
as in record_switch_training.py.
"""

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import MixtralForCausalLM, SwitchTransformersForConditionalGeneration

from recording import (
    FIXTURES,
    change_by,
    disturb_last_bit,
    folder,
    generator,
    normal,
    relative_error,
    rounding_of,
    save_adapter,
    save_json,
    save_meta,
    save_tensors,
)

TOPIC, SEED, STEPS, MAX_NORM = 'expert-lora', 880, 20, 1.0
ADAMW = {'lr': 1e-3, 'betas': (0.9, 0.999), 'eps': 1e-4, 'weight_decay': 0.1}
LARGEST_ROUNDING = {'losses': 2e-6, 'weights': 4e-5}
RANK = {'r': 4, 'lora_alpha': 8}
TRAINED = {
    'switch': LoraConfig(**RANK, task_type='SEQ_2_SEQ_LM', target_modules=['wi', 'wo', 'classifier']),
    'mixtral-down': LoraConfig(
        **RANK, task_type='CAUSAL_LM', target_modules=['q_proj'], target_parameters=['mlp.experts.down_proj']
    ),
}
STACKED = LoraConfig(
    **RANK,
    task_type='CAUSAL_LM',
    target_modules=['q_proj'],
    target_parameters=['mlp.experts.gate_up_proj', 'mlp.experts.down_proj'],
)


def base_of(case: str):
    if case == 'switch':
        return SwitchTransformersForConditionalGeneration.from_pretrained(
            FIXTURES / 'switch/switch', attn_implementation='eager'
        ).eval()
    model = MixtralForCausalLM.from_pretrained(FIXTURES / 'mixtral/mixtral', attn_implementation='eager')
    model.set_experts_implementation('eager')
    return model


def draw_mixtral() -> dict[str, torch.Tensor]:
    gen = generator(SEED)
    ids = torch.randint(96, (5, 4, 12), generator=gen)
    weights = torch.tensor([0.1, 1.0])[torch.randint(2, ids.shape, generator=gen)]
    weights[..., 0] = 0
    return {'input_ids': ids, 'weights': weights}


def logits_of(model, batch) -> torch.Tensor:
    if 'source_ids' in batch:
        return model(input_ids=batch['source_ids'], decoder_input_ids=batch['input_ids'], use_cache=False).logits
    return model(input_ids=batch['input_ids'], use_cache=False).logits


def weighted_loss(model, batch) -> torch.Tensor:
    logits, ids, weights = logits_of(model, batch), batch['input_ids'], batch['weights']
    entropy = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
    return (weights[:, 1:].flatten() * entropy).sum() / weights.sum()


def trained(model) -> dict[str, torch.Tensor]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def build(case: str, config, seed: int):
    model = get_peft_model(base_of(case), config)
    gen = generator(seed)
    with torch.no_grad():
        for name, parameter in trained(model).items():
            parameter.copy_(normal(gen, *parameter.shape, std=0.1 if 'lora_B' in name else 0.2))
    path = Path(model.base_model.model.name_or_path)
    model.peft_config['default'].base_model_name_or_path = str(path.relative_to(FIXTURES.parent.parent))
    return model



def run(case: str, batches, path=None, disturbance=None, adamw=ADAMW) -> dict:
    model = build(case, TRAINED[case], SEED + len(case))
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path:
        save_adapter(model, path / 'initial')
    parameters = list(trained(model).values())
    optimizer = torch.optim.AdamW(parameters, **adamw)
    losses, norms = [], []
    for step in range(STEPS):
        loss = weighted_loss(model, {name: tensor[step % 5] for name, tensor in batches.items()})
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM))
        optimizer.step()
        losses.append(loss.detach())
    if path:
        save_adapter(model, path / 'final')
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    return {'results': {'losses': torch.stack(losses), 'gradient_norms': torch.stack(norms)}, 'weights': weights}


def record(case: str, batches) -> dict:
    path = folder(TOPIC, case)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, batches, disturbance=SEED + i) for i in (1, 2, 3)]
    undecayed = run(case, batches, adamw={**ADAMW, 'weight_decay': 0.0})
    return {
        'base': 'switch/switch' if case == 'switch' else 'mixtral/mixtral',
        'steps': STEPS,
        'adamw': ADAMW,
        'maxGradientNorm': MAX_NORM,
        'losses': recorded['results']['losses'].tolist(),
        'rounding': rounding_of(case, recorded, disturbed, LARGEST_ROUNDING),
        'sensitivity': {'weightDecay': change_by(case, 'weightDecay', undecayed, recorded, 3e-4)},
    }


@torch.no_grad()
def record_values(batches) -> None:
    """Adapters of stacked parameters and of the modules before, and the logits that PEFT gives of the first batch."""
    batch = {name: tensor[0] for name, tensor in batches.items()}
    base = logits_of(base_of('mixtral'), batch)
    model = build('mixtral', STACKED, SEED + 50)
    save_adapter(model, folder(TOPIC, 'mixtral-stacked'))
    stacked = logits_of(model, batch)
    path = folder(TOPIC, 'mixtral-modules')
    gen = generator(SEED + 60)
    shapes = {'w1': (40, 64), 'w2': (64, 40), 'w3': (40, 64)}
    tensors = {
        f'base_model.model.model.layers.{layer}.block_sparse_moe.experts.{expert}.{module}.lora_{part}.weight': normal(
            gen, *((4, wide) if part == 'A' else (high, 4)), std=0.2 if part == 'A' else 0.1
        )
        for layer in range(2)
        for expert in range(4)
        for module, (high, wide) in shapes.items()
        for part in 'AB'
    }
    save_tensors(path / 'adapter_model.safetensors', tensors)
    save_json(
        path / 'adapter_config.json',
        {'peft_type': 'LORA', 'task_type': 'CAUSAL_LM', 'target_modules': sorted(shapes), **RANK},
    )
    modules = logits_of(PeftModel.from_pretrained(base_of('mixtral'), path), batch)
    for logits in (stacked, modules):
        assert relative_error(logits, base) > 0.1
    save_tensors(folder(TOPIC) / 'logits.safetensors', {'stacked': stacked, 'modules': modules})


if __name__ == '__main__':
    mixtral = draw_mixtral()
    save_tensors(folder(TOPIC) / 'batches.safetensors', mixtral)
    switch = load_file(FIXTURES / 'switch-training/batches.safetensors')
    switch = {name: tensor.long() if 'ids' in name else tensor for name, tensor in switch.items()}
    record_values(mixtral)
    save_meta(TOPIC, __file__, {'switch': record('switch', switch), 'mixtral-down': record('mixtral-down', mixtral)})
