"""Records twenty steps of TRL's GRPOTrainer and RLOOTrainer on the recorded Llama with a LoRA of PEFT's.

The answers are not drawn but given: ten rollouts of two prompts with four answers each and their rewards, which stand in
rollouts.json, each gone through twice. What is left to compare is everything but the drawing: log-probabilities of the model that
answered and of its reference, advantages, ratios, clipping, the loss and its normalisation, and the steps.
"""

import tempfile
from dataclasses import dataclass, field, replace

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from record_dpo_training import ADAMW, VOCABULARY, save_adapter, tokenizer
from recording import FIXTURES, folder, generator, save_json, save_meta
from trl_recording import STEPS, arguments, lora, outcome, record_case, start

TOPIC = 'policy-training'
PROMPTS, ANSWERS, EPOCHS, MOST = 2, 4, 2, 8
ROLLOUTS = STEPS // EPOCHS
# Advantages add up to nearly 0, and so do losses: the same rounding is more of them.
LIMITS = {'losses': 8e-6, 'weights': 5e-5}


@dataclass(frozen=True)
class Case:
    objective: str
    options: dict
    theirs: dict
    max_norm: float = 1.0
    # Steps that take ratios beyond the clipping range within a rollout.
    adamw: dict = field(default_factory=lambda: {**ADAMW, 'lr': 5e-3, 'eps': 1e-4})


CASES = {
    'grpo': Case('grpo', {'beta': 0.04, 'temperature': 0.9}, {'beta': 0.04, 'temperature': 0.9}),
    'grpo-answers': Case(
        'grpo',
        {'loss': 'grpo', 'clipHigh': 0.28, 'beta': 0.1, 'unbiasedKl': False},
        {'loss_type': 'grpo', 'epsilon_high': 0.28, 'beta': 0.1, 'use_bias_correction_kl': False},
    ),
    'grpo-bnpo': Case('grpo', {'loss': 'bnpo', 'scale': 'batch'}, {'loss_type': 'bnpo', 'scale_rewards': 'batch'}),
    'grpo-dr': Case('grpo', {'loss': 'dr_grpo', 'scale': 'none'}, {'loss_type': 'dr_grpo', 'scale_rewards': 'none'}),
    'rloo': Case('rloo', {}, {}),
    'rloo-normalised': Case('rloo', {'normalise': True, 'beta': 0.2}, {'normalize_advantages': True, 'beta': 0.2}),
}


def draw_rollouts() -> list[dict]:
    """Answers of several lengths, of which half end themselves, and rewards without a tie."""
    gen = generator(1070)
    between = lambda low, high: int(torch.randint(low, high, (1,), generator=gen))  # noqa: E731
    ids = lambda count: torch.randint(3, VOCABULARY, (count,), generator=gen).tolist()  # noqa: E731
    rollouts = []
    for _ in range(ROLLOUTS):
        prompts = [ids(between(2, 7)) for _ in range(PROMPTS) for _ in range(ANSWERS)]
        # The answers to a prompt lie beside each other.
        prompts = [prompts[index - index % ANSWERS] for index in range(len(prompts))]
        answers = [ids(MOST) if index % 2 else [*ids(between(1, MOST - 1)), 2] for index in range(len(prompts))]
        rewards = torch.rand(len(prompts), generator=gen).tolist()
        rollouts.append({'prompts': prompts, 'answers': answers, 'rewards': rewards})
    return rollouts


class Given:
    """A trainer whose answers are given, which keeps what it computes unrounded."""

    def __init__(self, *args, rollouts, **options):
        self.losses, self.norms, self.seen, self.rollouts, self.rollout = [], [], [], rollouts, -1
        super().__init__(*args, reward_funcs=lambda prompts, **_: self.rollouts[self.rollout]['rewards'], **options)

    def _generate(self, prompts):
        self.rollout += 1
        given = self.rollouts[self.rollout]
        assert len(prompts) == len(given['prompts'])
        texts = [''] * len(prompts)
        if isinstance(self, RLOOTrainer):
            return given['prompts'], given['answers'], texts
        return given['prompts'], given['answers'], None, texts, None, {}, None, []

    def _compute_loss(self, model, inputs):
        loss = super()._compute_loss(model, inputs)
        self.losses.append(loss.detach().clone())
        return loss

    def log(self, logs, *_args):
        if 'grad_norm' in logs:
            self.norms.append(torch.as_tensor(logs['grad_norm']))


class GivenGRPO(Given, GRPOTrainer):
    pass


class GivenRLOO(Given, RLOOTrainer):
    pass


def run(case: Case, rollouts, path=None, disturbance: int | None = None) -> dict:
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / 'llama', attn_implementation='eager')
    trainer_type, config = (GivenGRPO, GRPOConfig) if case.objective == 'grpo' else (GivenRLOO, RLOOConfig)
    with tempfile.TemporaryDirectory() as output:
        given = arguments(case, output) | {
            'per_device_train_batch_size': PROMPTS * ANSWERS,
            'num_generations': ANSWERS,
            'num_iterations': EPOCHS,
            'max_completion_length': MOST,
        }
        del given['max_length']
        trainer = trainer_type(
            model=base,
            args=config(**given),
            rollouts=rollouts,
            train_dataset=Dataset.from_list([{'prompt': ''}] * PROMPTS * ROLLOUTS),
            processing_class=tokenizer(),
            peft_config=lora(),
        )
        start(trainer.model, disturbance)
        if path:
            save_adapter(trainer.model, path / 'initial')
        trainer.train()
        if path:
            save_adapter(trainer.model, path / 'final')
    return outcome(trainer, {})


def mistakes(case: Case, rollouts):
    """The case with one thing done wrongly, by name."""
    turned = [{**rollout, 'rewards': rollout['rewards'][::-1]} for rollout in rollouts]
    yield 'rewards', case, turned
    if case.theirs.get('beta') or case.objective == 'rloo':
        yield 'beta', replace(case, theirs={**case.theirs, 'beta': case.theirs.get('beta', 0.05) * 2}), rollouts
    yield 'clipping', replace(case, theirs={**case.theirs, 'epsilon': 0.1, 'epsilon_high': 0.1}), rollouts


if __name__ == '__main__':
    rollouts = draw_rollouts()
    save_json(folder(TOPIC) / 'rollouts.json', rollouts)
    cases = {
        name: record_case(TOPIC, name, case, rollouts, run, mistakes, LIMITS) | {'method': case.objective}
        for name, case in CASES.items()
    }
    save_meta(TOPIC, __file__, cases, ('torch', 'transformers', 'peft', 'trl', 'safetensors'))
