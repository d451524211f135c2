"""Trains a classifier on SST-2 in PyTorch and PEFT with the settings of sst2.json, as sst2.ts does by Tunesmith.

    python parity/peers/sst2_peft.py --model DIR --data DIR [--method full] [--seed 1] [--device cuda] [--threads 2] >> results.jsonl

The initial head and adapters and the order of the rows are PyTorch's own for each seed: the runs are other draws of the same
experiment. Dropout is off, as it is in Tunesmith's encoders. Prints a JSON line for each run.
"""

import argparse
import json
from pathlib import Path

import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    get_linear_schedule_with_warmup,
    set_seed,
)

SETTINGS = json.loads((Path(__file__).parent / 'sst2.json').read_text())


def read_rows(path: Path) -> list[tuple[str, int]]:
    lines = path.read_text().splitlines()
    return [(text, int(label)) for text, label in (line.rsplit('\t', 1) for line in lines if line)]


def build(folder: str, method: str):
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=2, dtype=torch.float32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    if method == 'full':
        return model
    options = SETTINGS['methods']['lora']['options']
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=options['rank'],
        lora_alpha=options['alpha'],
        target_modules=options['targetModules'],
    )
    return get_peft_model(model, config)


def batches(rows: list[tuple[str, int]], order: list[int], size: int, tokenizer, device: str):
    for start in range(0, len(order), size):
        texts, labels = zip(*(rows[index] for index in order[start : start + size]))
        encoded = tokenizer(
            list(texts), padding=True, truncation=True, max_length=SETTINGS['maxLength'], return_tensors='pt'
        )
        yield encoded.to(device), torch.tensor(labels, device=device)


def run(args: argparse.Namespace, method: str, seed: int) -> dict:
    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = build(args.model, method).to(args.device)
    train, test = (read_rows(Path(args.data) / f'{split}.tsv') for split in ('train', 'test'))
    size, epochs = SETTINGS['batchSize'], SETTINGS['epochs']
    rate = SETTINGS['methods'][method]['learningRate']
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
    steps = -(-len(train) // size) * epochs
    schedule = get_linear_schedule_with_warmup(optimizer, round(SETTINGS['warmup'] * steps), steps)

    model.train()
    for _ in range(epochs):
        for encoded, labels in batches(train, torch.randperm(len(train)).tolist(), size, tokenizer, args.device):
            model(**encoded, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()

    model.eval()
    right, loss = 0, 0.0
    with torch.no_grad():
        for encoded, labels in batches(test, list(range(len(test))), size, tokenizer, args.device):
            logits = model(**encoded).logits
            right += int((logits.argmax(-1) == labels).sum())
            loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction='sum'))
    result = {'by': 'pytorch', 'method': method, 'seed': seed, 'device': args.device, 'learningRate': rate}
    return result | {'loss': loss / len(test), 'accuracy': right / len(test)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', required=True)
    parser.add_argument('--data', required=True)
    parser.add_argument('--method', choices=['full', 'lora'], nargs='*', default=['full', 'lora'])
    parser.add_argument('--seed', type=int, nargs='*', default=SETTINGS['seeds'])
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for method in args.method:
        for seed in args.seed:
            print(json.dumps(run(args, method, seed)), flush=True)


if __name__ == '__main__':
    main()
