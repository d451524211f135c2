"""Records twenty steps of TRL's PPOTrainer on the recorded Llama with a LoRA of PEFT's and a head of values on the same trunk.

TRL 1.12 was the last to have one, in `trl.experimental`. To record again, put it before the TRL of requirements.txt:

    pip download --no-deps trl==1.12.0 && unzip -d trl112 trl-1.12.0-*.whl
    PYTHONPATH=trl112 python parity/record_ppo_training.py

The answers are not drawn but given: five rollouts of sixteen prompts with an answer each, their rewards, and the order in which each
epoch goes through them, which stand in rollouts.json. The value model that the trainer is given has the policy's own trunk, so that
the loss of the values moves the adapter too. TRL clips no gradient here, and decays all weights but biases: the decay is 0.
"""

import tempfile
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import torch
from datasets import Dataset
from peft import get_peft_model, get_peft_model_state_dict
from transformers import AutoModelForCausalLM
from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

from record_dpo_training import ADAMW, VOCABULARY, save_adapter, tokenizer
from recording import FIXTURES, folder, generator, normal, save_json, save_meta
from trl_recording import STEPS, lora, record_case, start

TOPIC = 'ppo-training'
ANSWERS, MOST, STEPS_EACH = 16, 8, 4
ROLLOUTS = STEPS // STEPS_EACH
PAD, END = 0, 2
# Advantages add up to nearly 0, and so do losses: the same rounding is more of them.
LIMITS = {'losses': 8e-6, 'weights': 5e-5}


@dataclass(frozen=True)
class Case:
    options: dict
    theirs: dict
    epochs: int = 2
    # Whether answers may end before the last token that they may have.
    short: bool = True
    max_norm: float = 1e9
    # Steps that take ratios and values beyond the clipping ranges within a rollout.
    adamw: dict = field(default_factory=lambda: {**ADAMW, 'lr': 5e-3, 'eps': 1e-4, 'weight_decay': 0.0})


CASES = {
    'after-end': Case({'scoreAfterEnd': True}, {}),
    'k3-penalty': Case(
        {
            'scoreAfterEnd': True,
            'klEstimator': 'k3',
            'klCoefficient': 0.2,
            'missingEndPenalty': 1.5,
            'temperature': 1.0,
        },
        {'kl_estimator': 'k3', 'kl_coef': 0.2, 'missing_eos_penalty': 1.5, 'temperature': 1.0},
        adamw={**ADAMW, 'lr': 3e-3, 'eps': 1e-4, 'weight_decay': 0.0},
    ),
    'whitened': Case(
        {'scoreAfterEnd': True, 'whitenRewards': True, 'discount': 0.9, 'lambda': 0.8, 'valueWeight': 0.5},
        {'whiten_rewards': True, 'gamma': 0.9, 'lam': 0.8, 'vf_coef': 0.5},
    ),
    # Where the score is the last token's in TRL too.
    'whole': Case({'missingEndPenalty': 0.5}, {'missing_eos_penalty': 0.5}, epochs=4, short=False),
    'whole-whitened': Case(
        {'whitenRewards': True, 'klEstimator': 'k3', 'clip': 0.1, 'clipValue': 0.1},
        {'whiten_rewards': True, 'kl_estimator': 'k3', 'cliprange': 0.1, 'cliprange_value': 0.1},
        short=False,
    ),
}


def draw_rollouts() -> dict[str, list[dict]]:
    """Answers of several lengths, and answers of one, of which half end themselves; with the orders of four epochs."""
    gen = generator(1120)
    between = lambda low, high: int(torch.randint(low, high, (1,), generator=gen))  # noqa: E731
    ids = lambda count: torch.randint(3, VOCABULARY, (count,), generator=gen).tolist()  # noqa: E731
    kinds = {'short': [], 'whole': []}
    for kind, rollouts in kinds.items():
        for _ in range(ROLLOUTS):
            lengths = [between(1, MOST - 1) if kind == 'short' else MOST - 1 for _ in range(ANSWERS)]
            rollouts.append(
                {
                    'prompts': [ids(between(2, 7)) for _ in range(ANSWERS)],
                    'answers': [ids(MOST) if i % 2 else [*ids(lengths[i]), END] for i in range(ANSWERS)],
                    'rewards': (2 * torch.rand(ANSWERS, generator=gen) - 1).tolist(),
                    'orders': [torch.randperm(ANSWERS, generator=gen).tolist() for _ in range(4)],
                }
            )
    return kinds


class Values(torch.nn.Module):
    """A value model on a trunk that it shares."""

    base_model_prefix = 'model'

    def __init__(self, trunk, width: int, gen: torch.Generator):
        super().__init__()
        self.model = trunk
        self.score = torch.nn.Linear(width, 1)
        with torch.no_grad():
            self.score.weight.copy_(normal(gen, 1, width, std=0.1))
            self.score.bias.copy_(normal(gen, 1, std=0.1))

    def head(self) -> dict:
        return {'weight': self.score.weight.detach().clone(), 'bias': self.score.bias.detach().clone()}


JUDGE = ppo_trainer.get_reward


class Given:
    """What stands in the trainer's module for drawing, judging and dividing: the next of the rollouts at each call."""

    base_model_prefix = None

    def __init__(self, rollouts: list[dict]):
        self.rollouts, self.answered, self.asked, self.divided = rollouts, -1, -1, 0
        ppo_trainer.batch_generation, ppo_trainer.get_reward = self.answer, self.judge
        # Most of the time of so small a run.
        ppo_trainer.gc = SimpleNamespace(collect=lambda: None)
        ppo_trainer.np = SimpleNamespace(random=SimpleNamespace(permutation=self.order))

    def ask(self, _rows):
        """Prompts, padded on the left."""
        self.asked += 1
        # The loader is a batch ahead.
        prompts = self.rollouts[self.asked % ROLLOUTS]['prompts']
        width = max(map(len, prompts))
        return {'input_ids': torch.tensor([[*[PAD] * (width - len(prompt)), *prompt] for prompt in prompts])}

    def answer(self, model, queries, _rows, pad, config):
        self.answered, self.divided = self.answered + 1, 0
        answers = [[*answer, *[pad] * (MOST - len(answer))] for answer in self.rollouts[self.answered]['answers']]
        texts = torch.cat([queries, torch.tensor(answers)], 1)
        with torch.no_grad():
            logits = ppo_trainer.forward(model, texts, pad).logits[:, queries.shape[1] - 1 : -1]
        return texts, logits / config.temperature

    def judge(self, model, *args):
        if isinstance(model, Values):
            return JUDGE(model, *args)
        return None, torch.tensor(self.rollouts[self.answered]['rewards']), None

    def order(self, _count):
        self.divided += 1
        return torch.tensor(self.rollouts[self.answered]['orders'][self.divided - 1]).numpy()


def keep_losses(accelerator, model) -> tuple[list, list]:
    """Losses and norms of gradients, taken as the trainer asks for the gradients."""
    losses, norms, backward = [], [], accelerator.backward

    def kept(loss):
        losses.append(loss.detach().clone())
        backward(loss)
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        norms.append(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(each) for each in gradients])))

    accelerator.backward = kept
    return losses, norms


def run(case: Case, kinds, path=None, disturbance: int | None = None) -> dict:
    rollouts = kinds['short' if case.short else 'whole']
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / 'llama', attn_implementation='eager')
    policy = get_peft_model(base, lora())
    values = Values(base.model, base.config.hidden_size, generator(1121))
    given = Given(rollouts)
    with tempfile.TemporaryDirectory() as output:
        trainer = PPOTrainer(
            args=PPOConfig(
                output_dir=output,
                **case.theirs,
                learning_rate=case.adamw['lr'],
                adam_beta1=case.adamw['betas'][0],
                adam_beta2=case.adamw['betas'][1],
                adam_epsilon=case.adamw['eps'],
                weight_decay=case.adamw['weight_decay'],
                lr_scheduler_type='constant',
                per_device_train_batch_size=ANSWERS,
                gradient_accumulation_steps=1,
                num_ppo_epochs=case.epochs,
                num_mini_batches=STEPS_EACH // case.epochs,
                total_episodes=ANSWERS * ROLLOUTS,
                local_rollout_forward_batch_size=ANSWERS,
                num_sample_generations=0,
                response_length=MOST,
                stop_token='eos',
                save_strategy='no',
                report_to='none',
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                disable_tqdm=True,
            ),
            processing_class=tokenizer(),
            model=policy,
            ref_model=None,
            reward_model=torch.nn.Module(),
            value_model=values,
            train_dataset=Dataset.from_list([{'input_ids': [1]}] * ANSWERS * ROLLOUTS),
            data_collator=given.ask,
        )
        # PEFT left alone what is not its own.
        values.score.requires_grad_(True)
        start(trainer.model, disturbance)
        initial = values.head()
        if path:
            save_adapter(policy, path / 'initial')
        losses, norms = keep_losses(trainer.accelerator, trainer.model)
        trainer.log = lambda *_: None
        trainer.train()
        if path:
            save_adapter(policy, path / 'final')
    results = {'losses': torch.stack(losses), 'gradient_norms': torch.stack(norms)}
    results |= {f'initial.{name}': each for name, each in initial.items()}
    results |= {f'final.{name}': each for name, each in values.head().items()}
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(policy).items()}
    return {'results': results, 'weights': weights | values.head()}


def mistakes(case: Case, kinds):
    """The case with one thing done wrongly, by name."""
    backwards = lambda key: {  # noqa: E731
        kind: [{**each, key: each[key][::-1]} for each in rollouts] for kind, rollouts in kinds.items()
    }
    wrong = lambda **theirs: replace(case, theirs={**case.theirs, **theirs})  # noqa: E731
    yield 'rewards', case, backwards('rewards')
    if case.epochs < STEPS_EACH:
        yield 'orders', case, backwards('orders')
    yield 'coefficient', wrong(kl_coef=case.theirs.get('kl_coef', 0.05) * 2), kinds
    yield 'estimator', wrong(kl_estimator='k1' if case.theirs.get('kl_estimator') == 'k3' else 'k3'), kinds
    yield 'whitening', wrong(whiten_rewards=not case.theirs.get('whiten_rewards', False)), kinds
    yield 'penalty', wrong(missing_eos_penalty=case.theirs.get('missing_eos_penalty', 0) + 0.5), kinds
    yield 'lambda', wrong(lam=0.5), kinds
    yield 'clipping', wrong(cliprange=0.05), kinds
    yield 'clipping of values', wrong(cliprange_value=0.02), kinds
    yield 'weight of values', wrong(vf_coef=case.theirs.get('vf_coef', 0.1) * 2), kinds


if __name__ == '__main__':
    kinds = draw_rollouts()
    save_json(folder(TOPIC) / 'rollouts.json', kinds)
    cases = {}
    for name, case in CASES.items():
        recorded = record_case(TOPIC, name, case, kinds, run, mistakes, LIMITS)
        cases[name] = recorded | {'epochs': case.epochs, 'answers': 'short' if case.short else 'whole'}
    save_meta(TOPIC, __file__, cases, ('torch', 'transformers', 'peft', 'trl', 'safetensors'))
