"""What every recorder shares: where fixtures lie, seeded random models, versions, and how a difference is measured."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file

FIXTURES = Path(__file__).parent / 'fixtures'

# One thread, so that sums are added in the same order on every recording.
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def folder(topic: str, *case: str) -> Path:
    path = FIXTURES.joinpath(topic, *case)
    path.mkdir(parents=True, exist_ok=True)
    return path


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(gen: torch.Generator, *shape: int, mean: float = 0.0, std: float = 1.0) -> torch.Tensor:
    return mean + std * torch.randn(shape, generator=gen)


def save_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Writes a safetensors file: integers as int32, everything else as float32."""

    def stored(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.detach().to(torch.float32 if tensor.is_floating_point() else torch.int32).contiguous().clone()

    save_file({name: stored(tensor) for name, tensor in tensors.items()}, path)


def save_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + '\n')


PACKAGES = ('torch', 'transformers', 'peft', 'safetensors', 'numpy')


def save_meta(topic: str, script: str, cases: dict, packages: tuple[str, ...] = PACKAGES) -> None:
    """Writes fixtures/<topic>/meta.json and prints it: which versions recorded what."""
    meta = {
        'script': Path(script).name,
        'versions': {'python': platform.python_version()} | {name: version(name) for name in packages},
        'cases': cases,
    }
    save_json(folder(topic) / 'meta.json', meta)
    print(json.dumps(meta, indent=2))


def relative_error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """max |actual - expected| / max |expected|, the measure all parity tests use."""
    return ((actual - expected).abs().max() / expected.abs().max()).item()


@torch.no_grad()
def randomise(model: torch.nn.Module, seed: int, std: float = 0.2) -> None:
    """Draws all parameters: norm weights around 1, everything else around 0. Initialised as usual (std 0.02, no biases,
    unit norms) a tiny model is nearly linear, and a wrong mask or rotation would hardly show."""
    gen = generator(seed)
    for name, parameter in model.named_parameters():
        is_norm = parameter.dim() == 1 and name.endswith('.weight')
        parameter.copy_(normal(gen, *parameter.shape, mean=1.0 if is_norm else 0.0, std=std))


@torch.no_grad()
def disturb_last_bit(model: torch.nn.Module, seed: int) -> None:
    """Moves every parameter by about one float32 rounding: what follows bounds how exact a test may be."""
    gen = generator(seed)
    for parameter in model.parameters():
        parameter.mul_(1 + normal(gen, *parameter.shape).sign() * 2.0**-23)


def rounding_of(name: str, recorded: dict, disturbed: list[dict], limits: dict[str, float]) -> dict[str, float]:
    """How far each result, and the weights, of a run move at most when the initial weights move by one rounding."""

    def moved(part: str, key: str) -> float:
        return max(relative_error(other[part][key], recorded[part][key]) for other in disturbed)

    moves = {key: moved('results', key) for key in recorded['results']}
    moves['weights'] = max(moved('weights', key) for key in recorded['weights'])
    for key, limit in limits.items():
        assert moves[key] < limit, f'{name}: {key} moves by {moves[key]} with the last bit of the weights'
    return moves


def change_by(name: str, mistake: str, wrong: dict, recorded: dict, least: float) -> dict[str, float]:
    """How far a run with one thing done wrongly ends from the right one: less than `least` would not show."""
    losses = relative_error(wrong['results']['losses'], recorded['results']['losses'])
    weights = max(relative_error(wrong['weights'][key], recorded['weights'][key]) for key in recorded['weights'])
    assert weights > least, f'{name}: {mistake} changes the weights by {weights} only'
    return {'losses': losses, 'weights': weights}


def save_adapter(model, path: Path, **options) -> None:
    """Saves a PEFT model's adapter without the README that PEFT writes beside it."""
    model.save_pretrained(path, **options)
    (path / 'README.md').unlink()
    config = json.loads((path / 'adapter_config.json').read_text())
    # PEFT holds these as sets, and writes them in an order that changes from process to process.
    for field in ('target_modules', 'target_parameters', 'modules_to_save'):
        if isinstance(config.get(field), list):
            config[field] = sorted(config[field])
    save_json(path / 'adapter_config.json', config)


def take_steps(model, loss_of, steps: int, adamw: dict[str, float], max_norm: float) -> dict[str, torch.Tensor]:
    """Trains what is trainable by the losses of the steps, clipped, and keeps them with the norms before."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, **adamw)
    losses, gradient_norms = [], []
    for step in range(steps):
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()
        gradient_norms.append(torch.nn.utils.clip_grad_norm_(trainable, max_norm))
        optimizer.step()
        losses.append(loss.detach())
    return {'losses': torch.stack(losses), 'gradient_norms': torch.stack(gradient_norms)}


def freeze_head(model) -> None:
    """A mistake to be found: what PEFT trains beside the adapter stays as it is."""
    for name, parameter in model.named_parameters():
        if 'modules_to_save' in name:
            parameter.requires_grad = False
