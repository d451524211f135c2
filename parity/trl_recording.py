"""What the recorders of TRL's trainers have in common: how a case is held; but for DPO's, arguments and the adapter's start too."""

import torch
from peft import LoraConfig, get_peft_model_state_dict

from recording import disturb_last_bit, folder, generator, normal, relative_error, save_tensors

STEPS, PAIRS = 20, 4
LARGEST_ROUNDING = {'losses': 4e-6, 'weights': 5e-5}
LEAST_SENSITIVITY = 1e-3


def arguments(case, output: str) -> dict:
    """What a trainer's config takes, beside what its loss is made of."""
    return {
        'output_dir': output,
        **case.theirs,
        'learning_rate': case.adamw['lr'],
        'adam_beta1': case.adamw['betas'][0],
        'adam_beta2': case.adamw['betas'][1],
        'adam_epsilon': case.adamw['eps'],
        'weight_decay': case.adamw['weight_decay'],
        'max_grad_norm': case.max_norm,
        'lr_scheduler_type': 'constant',
        'max_steps': STEPS,
        'max_length': 64,
        'per_device_train_batch_size': PAIRS,
        'logging_steps': 1,
        'save_strategy': 'no',
        'report_to': 'none',
        'use_cpu': True,
        'bf16': False,
        'gradient_checkpointing': False,
        'remove_unused_columns': False,
        'disable_tqdm': True,
    }


def lora() -> LoraConfig:
    return LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=['q_proj', 'v_proj'], task_type='CAUSAL_LM')


def start(model, disturbance: int | None) -> None:
    """Draws the adapter that every case begins with."""
    gen = generator(1050)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'lora_A' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.2))
            if 'lora_B' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.1))
    if disturbance is not None:
        disturb_last_bit(model, disturbance)


def outcome(trainer, metrics: dict) -> dict:
    """What a recording trainer kept, and the adapter that it ended with."""
    results = {'losses': torch.stack(trainer.losses), 'gradient_norms': torch.stack(trainer.norms)}
    results |= {ours: torch.tensor([float(seen[theirs]) for seen in trainer.seen]) for ours, theirs in metrics.items()}
    adapter = get_peft_model_state_dict(trainer.model)
    return {'results': results, 'weights': {name: tensor.detach().clone() for name, tensor in adapter.items()}}


def record_case(topic: str, name: str, case, rows, run, mistakes, limits=LARGEST_ROUNDING) -> dict:
    """Records a case, and holds it to rounding that stays small and to mistakes that show."""
    path = folder(topic, name)
    recorded = run(case, rows, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, rows, disturbance=1050 + i) for i in (1, 2)]

    def moved_by(other, part: str, key: str) -> float:
        return relative_error(other[part][key], recorded[part][key])

    moved = {'losses': max(moved_by(other, 'results', 'losses') for other in disturbed)}
    moved['weights'] = max(moved_by(other, 'weights', key) for other in disturbed for key in recorded['weights'])
    for key, limit in limits.items():
        assert moved[key] < limit, f'{name}: {key} moves by {moved[key]} with the last bit of the weights'
    sensitivity = {}
    for mistake, wrong_case, wrong_rows in mistakes(case, rows):
        wrong = run(wrong_case, wrong_rows)
        losses = moved_by(wrong, 'results', 'losses')
        weights = max(moved_by(wrong, 'weights', key) for key in recorded['weights'])
        sensitivity[mistake] = {'losses': losses, 'weights': weights}
        assert max(losses, weights) > LEAST_SENSITIVITY, f'{name}: {mistake} changes nothing: {sensitivity}'
    return {
        'base': 'families/llama',
        'steps': STEPS,
        'maxGradientNorm': case.max_norm,
        'options': case.options,
        'adamw': case.adamw,
        'rounding': moved,
        'sensitivity': sensitivity,
    }
