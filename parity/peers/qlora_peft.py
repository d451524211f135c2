"""Trains LoRA over float32 and NF4 weights in PEFT and bitsandbytes, on the rows that `qlora.ts` left in OUT, and prints lines as it does.

    python parity/peers/qlora_peft.py MODEL-FOLDER OUT [--threads 2] >> parity/peers/qlora.jsonl

NF4 is that of bitsandbytes, with double quantisation, in blocks of 64. In the same order, at the same rate, with the same decay of it; the adapter is drawn by PEFT, so that losses after training agree as runs
of two seeds do, and those before it to rounding.
"""

import argparse
import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, get_linear_schedule_with_warmup

BATCH_SIZE = 2


def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
    width = max(len(row['ids']) for row in rows)

    def padded(values: list[list[int]], fill: int) -> torch.Tensor:
        return torch.tensor([each + [fill] * (width - len(each)) for each in values])

    return {
        'input_ids': padded([row['ids'] for row in rows], 0),
        'labels': padded([row['labels'] for row in rows], -100),
        'attention_mask': padded([[1] * len(row['ids']) for row in rows], 0),
    }


def held_loss(model, rows: list[dict]) -> float:
    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(rows), BATCH_SIZE):
            batch = collate(rows[start : start + BATCH_SIZE])
            targets = int((batch['labels'][:, 1:] != -100).sum())
            total += model(**batch).loss.item() * targets
            count += targets
    return total / count


def train(path: str, base: str, given: dict) -> dict:
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type='nf4',
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, **({'quantization_config': nf4} if base == 'nf4' else {})
    )
    if base == 'nf4':
        # On a CPU bitsandbytes' product with codes has no gradient: the values that the codes stand for are trained over instead.
        model = model.dequantize()
    rank, steps, rows = given['rank'], given['steps'], given['training']
    model = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules='all-linear'))
    before = held_loss(model, given['held'])
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=given['learningRate'], weight_decay=0)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, steps)
    model.train()
    for step in range(steps):
        batch = collate([rows[(BATCH_SIZE * step + index) % len(rows)] for index in range(BATCH_SIZE)])
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return {'before': before, 'after': held_loss(model, given['held'])}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('model')
    parser.add_argument('out', type=Path)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--base', choices=('float32', 'nf4'), help='one of the two alone')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    given = json.loads((args.out / 'rows.json').read_text())
    for base in (args.base,) if args.base else ('float32', 'nf4'):
        print(json.dumps({'by': 'peft', 'base': base, **train(args.model, base, given)}), flush=True)


if __name__ == '__main__':
    main()
