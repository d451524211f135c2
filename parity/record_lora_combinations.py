"""Records what PEFT's add_weighted_adapter makes of three small LoRAs: A and B of every module, by kind of combination.

Only kinds without chance: DARE drops at random, and its expectation is tested beside the code.
"""

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from transformers import AutoModelForCausalLM

from recording import FIXTURES, folder, generator, normal, save_json, save_meta, save_tensors

TOPIC = 'lora-combinations'

ADAPTERS = {
    'one': LoraConfig(task_type='CAUSAL_LM', r=3, lora_alpha=6, target_modules=['q_proj', 'v_proj']),
    'two': LoraConfig(task_type='CAUSAL_LM', r=3, lora_alpha=12, target_modules=['q_proj', 'down_proj']),
    'wide': LoraConfig(
        task_type='CAUSAL_LM', r=5, lora_alpha=4, target_modules=['q_proj', 'v_proj'], alpha_pattern={'v_proj': 9}
    ),
}

CASES = {
    'linear': dict(adapters=['one', 'two'], weights=[0.7, 0.3], combination_type='linear'),
    'linear-negative': dict(adapters=['one', 'two'], weights=[1.0, -0.5], combination_type='linear'),
    'cat': dict(adapters=['one', 'two', 'wide'], weights=[0.7, -0.4, 0.5], combination_type='cat'),
    'svd': dict(adapters=['one', 'wide'], weights=[0.6, 0.8], combination_type='svd'),
    'svd-rank': dict(adapters=['one', 'two', 'wide'], weights=[0.6, -0.8, 1.0], combination_type='svd', svd_rank=2),
    'ties': dict(adapters=['one', 'two'], weights=[0.7, 0.5], combination_type='ties', density=0.4),
    'ties-frequency': dict(
        adapters=['one', 'two'],
        weights=[0.7, 0.5],
        combination_type='ties',
        density=0.7,
        majority_sign_method='frequency',
    ),
    'ties-svd': dict(adapters=['one', 'wide'], weights=[0.7, 0.5], combination_type='ties_svd', density=0.4),
    'magnitude-prune': dict(adapters=['one', 'two'], weights=[0.7, 0.5], combination_type='magnitude_prune', density=0.5),
    'magnitude-prune-svd': dict(
        adapters=['two', 'wide'], weights=[0.7, -0.5], combination_type='magnitude_prune_svd', density=0.3
    ),
}


def build():
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / 'llama', attn_implementation='eager')
    names = iter(ADAPTERS.items())
    first, config = next(names)
    model = get_peft_model(base, config, adapter_name=first)
    for name, config in names:
        model.add_adapter(name, config)
    gen = generator(4100)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'lora_' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.3))
    return model


def main() -> None:
    model = build()
    for name in ADAPTERS:
        config = model.peft_config[name]
        config.base_model_name_or_path = 'parity/fixtures/families/llama'
        model.save_pretrained(folder(TOPIC), selected_adapters=[name])
    (folder(TOPIC) / 'README.md').unlink(missing_ok=True)
    for case, options in CASES.items():
        model.add_weighted_adapter(adapter_name=case, **options)
        save_tensors(folder(TOPIC) / f'{case}.safetensors', get_peft_model_state_dict(model, adapter_name=case))
    save_json(folder(TOPIC) / 'cases.json', CASES)
    ranks = {case: model.peft_config[case].r for case in CASES}
    targets = {case: sorted(model.peft_config[case].target_modules) for case in CASES}
    save_meta(TOPIC, __file__, {'ranks': ranks, 'targets': targets})


if __name__ == '__main__':
    main()
