"""Trains DPO in TRL on the rows, and from the adapter, that `preference.ts` left in OUT, and prints a JSON line as it does.

    python parity/peers/preference_trl.py MODEL-FOLDER OUT [--threads 2] [--no-checkpointing] >> parity/peers/preference.jsonl

TRL is at its defaults, the reference computed at each step with the adapter off and blocks recomputed, but in float32 (on a CPU
its default of bf16 is slower, and no number to compare). `--no-checkpointing` keeps the activations. What held-out pairs
say is measured after the steps alone: before them the model is its reference, and every reward 0.
"""

import argparse
import json
import resource
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl import DPOConfig, DPOTrainer


class Recording(DPOTrainer):
    """DPOTrainer over pairs that are tokens already, in their order, which keeps its losses unrounded and times its steps."""

    def __init__(self, *args, **options):
        self.losses, self.seconds = [], []
        super().__init__(*args, **options)

    def _prepare_dataset(self, dataset, *_args, **_options):
        return dataset

    def _get_train_sampler(self, *_args):
        return SequentialSampler(self.train_dataset)

    def _compute_loss(self, model, inputs, return_outputs=False):
        result = super()._compute_loss(model, inputs, return_outputs)
        if model.training:
            self.losses.append((result[0] if return_outputs else result).item())
        return result

    def log(self, logs, *args):
        if 'grad_norm' in logs:
            self.seconds.append(perf_counter() - self.last)
            self.last = perf_counter()
        super().log(logs, *args)

    def train(self, *args, **options):
        self.last = perf_counter()
        return super().train(*args, **options)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('model')
    parser.add_argument('out', type=Path)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--no-checkpointing', action='store_true')
    parser.add_argument('--steps', type=int, help='fewer than were taken there: no held-out pairs are measured then')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    given = json.loads((args.out / 'pairs.json').read_text())
    pairs, rows = given['pairs'], 2 * given['steps']
    steps = args.steps or given['steps']
    base = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, args.out / 'adapter', is_trainable=True)
    with tempfile.TemporaryDirectory() as output:
        trainer = Recording(
            model=model,
            args=DPOConfig(
                output_dir=output,
                learning_rate=given['learningRate'],
                lr_scheduler_type='constant',
                max_steps=steps,
                max_length=256,
                per_device_train_batch_size=2,
                per_device_eval_batch_size=2,
                logging_steps=1,
                save_strategy='no',
                report_to='none',
                use_cpu=True,
                bf16=False,
                remove_unused_columns=False,
                disable_tqdm=True,
                **({'gradient_checkpointing': False} if args.no_checkpointing else {}),
            ),
            train_dataset=Dataset.from_list(pairs[:rows]),
            eval_dataset=Dataset.from_list(pairs[rows:]),
            processing_class=AutoTokenizer.from_pretrained(args.model),
        )
        # Standard output is for the line alone.
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        after = trainer.evaluate() if args.steps is None else {}

    def shown(metrics: dict) -> dict:
        return {name[len('eval_') :]: value for name, value in metrics.items() if '/' in name}

    line = {
        'by': 'trl, without checkpointing' if args.no_checkpointing else 'trl',
        'steps': steps,
        'learningRate': given['learningRate'],
        'secondsPerStep': median(trainer.seconds[steps // 2 :]),
        'peakBytes': peak,
        'losses': trainer.losses,
        'after': shown(after),
    }
    print(json.dumps(line))


if __name__ == '__main__':
    main()
