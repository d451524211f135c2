"""Records twelve steps of PEFT's LoRA on embedders, under sentence-transformers' losses and its Pooling module.

The models are those of record_encoders.py and record_families.py, without their heads, as AutoModel loads them. Rows are an anchor, a positive and
a hard negative, or two sentences and a score, of different lengths. What `rounding` and `sensitivity` in meta.json are:
README.md beside this file.
"""

from dataclasses import dataclass, replace

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    CosineSimilarityLoss,
    MultipleNegativesRankingLoss,
    MultipleNegativesSymmetricRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import Pooling
from sentence_transformers.util import dot_score
from transformers import AutoModel, logging

from recording import (
    FIXTURES,
    PACKAGES,
    change_by,
    disturb_last_bit,
    folder,
    generator,
    normal,
    rounding_of,
    save_adapter,
    save_meta,
    save_tensors,
    take_steps,
)

# The models have heads, which a model without one does not load.
logging.set_verbosity_error()

TOPIC = 'contrastive'
STEPS, ROWS, TEXTS, LENGTH = 12, 4, 3, 16
SEED = 5200
ADAMW = {'lr': 3e-3, 'eps': 1e-4, 'weight_decay': 0.1}
LARGEST_ROUNDING = {'losses': 3e-6, 'weights': 3e-5, 'vectors.final': 3e-5}
LEAST_SENSITIVITY = 1e-3


@dataclass(frozen=True)
class Case:
    base: str
    loss: str
    pooling: str
    targets: tuple[str, ...] = ('query', 'value')
    texts: int = 2
    scale: float = 20.0
    similarity: str = 'cosine'
    max_norm: float = 1.0


CASES = {
    'bert': Case('encoders/bert', 'multiple-negatives', 'mean', texts=3),
    'bert-symmetric': Case('encoders/bert', 'symmetric', 'cls', texts=3),
    'bert-dot': Case('encoders/bert', 'multiple-negatives', 'mean', similarity='dot', scale=0.5),
    'bert-cosent': Case('encoders/bert', 'cosent', 'mean'),
    'bert-cosine': Case('encoders/bert', 'cosine', 'mean', max_norm=0.4),
    'roberta': Case('encoders/roberta', 'multiple-negatives', 'mean', targets=('query', 'value', 'intermediate.dense')),
    'llama': Case('families/llama', 'multiple-negatives', 'lasttoken', targets=('q_proj', 'v_proj'), texts=3),
    'gpt2': Case('families/gpt2', 'cosent', 'lasttoken', targets=('c_attn',)),
}


def draw_batches() -> dict[str, torch.Tensor]:
    """Five batches over and over, and one to probe with. Scores are of few values, so that some are the same."""
    gen = generator(SEED)
    shape = (6, ROWS, TEXTS, LENGTH)
    lengths = torch.randint(3, LENGTH + 1, (6, ROWS, TEXTS, 1), generator=gen)
    lengths[:, 0, 0] = LENGTH
    mask = (torch.arange(LENGTH).expand(shape) < lengths).long()
    ids = torch.randint(3, 96, shape, generator=gen)
    scores = torch.randint(6, (6, ROWS), generator=gen) / 5
    return {'input_ids': ids * mask + (1 - mask), 'attention_mask': mask, 'scores': scores}


def loss_of(case: Case):
    """The loss as a function of the texts' vectors, one tensor for each text of a row, and of the scores."""
    # Whose model is asked for nothing but what it is made of.
    model = torch.nn.Module()
    if case.loss == 'cosine':
        loss = CosineSimilarityLoss(model)
    elif case.loss == 'cosent':
        loss = CoSENTLoss(model, scale=case.scale)
    else:
        kind = MultipleNegativesSymmetricRankingLoss if case.loss == 'symmetric' else MultipleNegativesRankingLoss
        similar = {'similarity_fct': dot_score} if case.similarity == 'dot' else {}
        loss = kind(model, scale=case.scale, **similar)
    return loss.compute_loss_from_embeddings


def embed(model, case: Case, batch: dict[str, torch.Tensor], text: int) -> torch.Tensor:
    inputs = {name: batch[name][:, text] for name in ('input_ids', 'attention_mask')}
    pool = Pooling(model.config.hidden_size, case.pooling)
    return pool({**inputs, 'token_embeddings': model(**inputs).last_hidden_state})['sentence_embedding']


def vectors(model, case: Case, batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    return [embed(model, case, batch, text) for text in range(case.texts)]


def build(case: Case, alpha: int = 8):
    base = AutoModel.from_pretrained(FIXTURES / case.base, attn_implementation='eager')
    options = {'fan_in_fan_out': True} if case.base.endswith('gpt2') else {}
    lora = LoraConfig(
        r=4, lora_alpha=alpha, lora_dropout=0.0, target_modules=list(case.targets), task_type='FEATURE_EXTRACTION', **options
    )
    model = get_peft_model(base, lora)
    gen = generator(SEED + 1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'lora_' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.2 if 'lora_A' in name else 0.1))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/{case.base}'
    return model


def at_step(batches: dict[str, torch.Tensor], step: int) -> dict[str, torch.Tensor]:
    return {name: tensor[step] for name, tensor in batches.items()}


def train(model, case: Case, batches) -> dict[str, torch.Tensor]:
    loss_function = loss_of(case)

    def loss_at(step: int) -> torch.Tensor:
        batch = at_step(batches, step % 5)
        return loss_function(vectors(model, case, batch), batch['scores'])

    return take_steps(model, loss_at, STEPS, ADAMW, case.max_norm)


def run(case: Case, batches, path=None, disturbance: int | None = None, alpha: int = 8) -> dict:
    """Trains once. With a path, writes the adapter before and after; with a disturbance, moves the weights at first."""
    model = build(case, alpha)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)

    @torch.no_grad()
    def probe() -> torch.Tensor:
        return torch.stack(vectors(model, replace(case, texts=2), at_step(batches, 5)), 1)

    if path:
        save_adapter(model, path / 'initial')
    before = probe()
    curve = train(model, case, batches)
    if path:
        save_adapter(model, path / 'final')
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    return {'results': {**curve, 'vectors.initial': before, 'vectors.final': probe()}, 'weights': weights}


def mistakes(case: Case, batches):
    """Runs with one thing done wrongly, by name."""
    yield 'clipping', run(replace(case, max_norm=float('inf')), batches)
    yield 'alpha', run(case, batches, alpha=4)
    seen = {**batches, 'attention_mask': torch.ones_like(batches['attention_mask'])}
    yield 'padding', run(case, seen)
    yield 'pooling', run(replace(case, pooling='mean' if case.pooling != 'mean' else 'cls'), batches)
    if case.loss != 'cosine':
        yield 'scale', run(replace(case, scale=case.scale / 2), batches)
    if case.loss == 'symmetric':
        yield 'oneWay', run(replace(case, loss='multiple-negatives'), batches)
    if case.texts == 3:
        yield 'noHardNegatives', run(replace(case, texts=2), batches)


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, batches, disturbance=SEED + i) for i in (1, 2, 3)]
    norms = recorded['results']['gradient_norms']
    print(name, norms.tolist(), recorded['results']['losses'].tolist())
    return {
        'seed': SEED,
        'base': case.base,
        'steps': STEPS,
        'options': {
            'loss': 'multiple-negatives' if case.loss == 'symmetric' else case.loss,
            **({'symmetric': True} if case.loss == 'symmetric' else {}),
            **({'similarity': 'dot'} if case.similarity == 'dot' else {}),
            'pooling': case.pooling,
            'scale': case.scale,
            'texts': case.texts,
        },
        'adamw': ADAMW,
        'maxGradientNorm': case.max_norm,
        'losses': recorded['results']['losses'].tolist(),
        'stepsClipped': int((norms > case.max_norm).sum()),
        'rounding': rounding_of(name, recorded, disturbed, LARGEST_ROUNDING),
        'sensitivity': {
            mistake: change_by(name, mistake, wrong, recorded, LEAST_SENSITIVITY)
            for mistake, wrong in mistakes(case, batches)
        },
    }


if __name__ == '__main__':
    batches = draw_batches()
    save_tensors(folder(TOPIC) / 'batches.safetensors', batches)
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES}, (*PACKAGES, 'sentence-transformers'))
