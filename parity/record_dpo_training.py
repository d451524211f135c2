"""Records twenty steps of TRL's DPOTrainer for each of its losses, on the recorded Llama with a LoRA of PEFT's.

Every case starts from the same adapter (but `sigmoid`, whose update is zero at first, so that its first loss is ln 2) and
sees the same pairs in the same order. The reference is the model with its adapter off. Losses and gradient norms are taken
before they are rounded for the log; rewards and accuracies are TRL's own.
"""

import tempfile
from dataclasses import dataclass, field, replace

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model_state_dict
from tokenizers import Tokenizer, models
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

from recording import (
    FIXTURES,
    disturb_last_bit,
    folder,
    generator,
    normal,
    save_adapter,
    save_json,
    save_meta,
)
from trl_recording import PAIRS, STEPS, record_case

TOPIC = 'dpo-training'
VOCABULARY = 96
DISTINCT = 5
ADAMW = {'lr': 2e-3, 'betas': (0.9, 0.999), 'eps': 1e-6, 'weight_decay': 0.01}
METRICS = {
    'rewards.chosen': 'rewards/chosen',
    'rewards.rejected': 'rewards/rejected',
    'rewards.margins': 'rewards/margins',
    'rewards.accuracies': 'rewards/accuracies',
    'logps.chosen': 'logps/chosen',
    'logps.rejected': 'logps/rejected',
}


@dataclass(frozen=True)
class Case:
    loss: str
    beta: float = 0.1
    label_smoothing: float = 0.0
    b_std: float = 0.1
    max_norm: float = 1.0
    adamw: dict = field(default_factory=lambda: ADAMW)

    @property
    def options(self) -> dict:
        return {'loss': self.loss, 'beta': self.beta, 'labelSmoothing': self.label_smoothing}


FLAT = {'max_norm': 0.05, 'adamw': {**ADAMW, 'eps': 1e-4}}

CASES = {
    'sigmoid': Case('sigmoid', b_std=0.0),
    'hinge': Case('hinge'),
    'ipo': Case('ipo', beta=0.5),
    'robust': Case('robust', label_smoothing=0.1),
    'exo_pair': Case('exo_pair', label_smoothing=0.1),
    # Smaller gradients, and so a larger epsilon: among them are some near 1e-6, where Adam's steps would amplify rounding.
    'nca_pair': Case('nca_pair', **FLAT),
    'bco_pair': Case('bco_pair', **FLAT),
    'sppo_hard': Case('sppo_hard', beta=0.5),
    'aot': Case('aot', label_smoothing=0.1, **FLAT),
    'aot_unpaired': Case('aot_unpaired', **FLAT),
    'apo_zero': Case('apo_zero', **FLAT),
    'apo_down': Case('apo_down', **FLAT),
    'discopop': Case('discopop', **FLAT),
    'sigmoid_norm': Case('sigmoid_norm', beta=2.0, **FLAT),
}


def draw_pairs() -> list[dict[str, list[int]]]:
    """Pairs of several lengths, over and over, so that there is something to learn."""
    gen = generator(900)
    between = lambda low, high: int(torch.randint(low, high, (1,), generator=gen))  # noqa: E731
    ids = lambda count: torch.randint(3, VOCABULARY, (count,), generator=gen).tolist()  # noqa: E731
    pairs = [
        {'prompt_ids': ids(between(2, 7)), 'chosen_ids': ids(between(2, 9)), 'rejected_ids': ids(between(2, 9))}
        for _ in range(DISTINCT * PAIRS)
    ]
    return pairs * (STEPS // DISTINCT)


class Recording(DPOTrainer):
    """DPOTrainer over pairs that are tokens already, in their order, which keeps what it computes unrounded."""

    def __init__(self, *args, **options):
        self.losses, self.norms, self.seen = [], [], []
        super().__init__(*args, **options)

    def _prepare_dataset(self, dataset, *_args, **_options):
        return dataset

    def _get_train_sampler(self, *_args):
        return SequentialSampler(self.train_dataset)

    def _compute_loss(self, model, inputs, return_outputs=False):
        result = super()._compute_loss(model, inputs, return_outputs)
        self.losses.append((result[0] if return_outputs else result).detach().clone())
        self.seen.append({ours: self._metrics['train'][theirs][-1] for ours, theirs in METRICS.items()})
        return result

    def log(self, logs, *_args):
        if 'grad_norm' in logs:
            self.norms.append(torch.as_tensor(logs['grad_norm']))
        self._metrics['train'].clear()


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {'<pad>': 0, '<s>': 1, '</s>': 2} | {f't{index}': index for index in range(3, VOCABULARY)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token='<pad>')),
        pad_token='<pad>',
        bos_token='<s>',
        eos_token='</s>',
    )


def run(case: Case, pairs, path=None, disturbance: int | None = None) -> dict:
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / 'llama', attn_implementation='eager')
    with tempfile.TemporaryDirectory() as output:
        trainer = Recording(
            model=base,
            args=DPOConfig(
                output_dir=output,
                loss_type=[case.loss],
                beta=case.beta,
                label_smoothing=case.label_smoothing,
                learning_rate=case.adamw['lr'],
                adam_beta1=case.adamw['betas'][0],
                adam_beta2=case.adamw['betas'][1],
                adam_epsilon=case.adamw['eps'],
                weight_decay=case.adamw['weight_decay'],
                max_grad_norm=case.max_norm,
                lr_scheduler_type='constant',
                max_steps=STEPS,
                per_device_train_batch_size=PAIRS,
                logging_steps=1,
                save_strategy='no',
                report_to='none',
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                remove_unused_columns=False,
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(pairs),
            processing_class=tokenizer(),
            peft_config=LoraConfig(
                r=4, lora_alpha=8, lora_dropout=0.0, target_modules=['q_proj', 'v_proj'], task_type='CAUSAL_LM'
            ),
        )
        model = trainer.model
        model.peft_config['default'].base_model_name_or_path = 'parity/fixtures/families/llama'
        gen = generator(1050)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if 'lora_A' in name:
                    parameter.copy_(normal(gen, *parameter.shape, std=0.2))
                if 'lora_B' in name:
                    parameter.copy_(normal(gen, *parameter.shape, std=case.b_std))
        if disturbance is not None:
            disturb_last_bit(model, disturbance)
        if path:
            save_adapter(model, path / 'initial')
        trainer.train()
        if path:
            save_adapter(model, path / 'final')
    results = {'losses': torch.stack(trainer.losses), 'gradient_norms': torch.stack(trainer.norms)}
    results |= {name: torch.tensor([seen[name] for seen in trainer.seen]) for name in METRICS}
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    return {'results': results, 'weights': weights}


def mistakes(case: Case, pairs):
    """The case with one thing done wrongly, by name."""
    swapped = [{**pair, 'chosen_ids': pair['rejected_ids'], 'rejected_ids': pair['chosen_ids']} for pair in pairs]
    yield 'beta', replace(case, beta=case.beta * 1.1), pairs
    yield 'swapped', case, swapped
    yield 'clipping', replace(case, max_norm=1e9), pairs


if __name__ == '__main__':
    pairs = draw_pairs()
    save_json(folder(TOPIC) / 'pairs.json', pairs[: DISTINCT * PAIRS])
    cases = {name: record_case(TOPIC, name, case, pairs, run, mistakes) for name, case in CASES.items()}
    save_meta(TOPIC, __file__, cases, ('torch', 'transformers', 'peft', 'trl', 'safetensors'))
