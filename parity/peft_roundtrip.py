"""Compares logits that Tunesmith computed with those of PEFT on an adapter, or of transformers on a merged folder.

    python parity/peft_roundtrip.py --model DIR --adapter DIR --ids FILE --logits FILE
    python parity/peft_roundtrip.py --merged DIR --ids FILE --logits FILE

Both files are safetensors, and may be one: `input_ids` [batch, seq] and, by default, `logits` [batch, seq, vocab], or
[batch, labels] of classifiers and [batch, seq, 2] of models that find answers; an entry of another name is chosen by --ids-entry and --logits-entry. Prints a JSON line
with max |difference| relative to max |logit|; exits with 1 when that is above --tolerance, or when a key of the adapter
did not find its place.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import (
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
)

from recording import relative_error


TASKS = {
    'causal-lm': AutoModelForCausalLM,
    'sequence-classification': AutoModelForSequenceClassification,
    'question-answering': AutoModelForQuestionAnswering,
}


def load_base(folder: Path, task: str):
    options = {}
    if task == 'question-answering':
        config = AutoConfig.from_pretrained(folder)
        # The encoders' bases are said to have three labels, and transformers' head for answers would have as many.
        options['num_labels'] = 2
        # LlamaForQuestionAnswering and some others find no weight of a base without a head unless told that `model.` is their `transformer.`.
        if MODEL_FOR_QUESTION_ANSWERING_MAPPING[type(config)].base_model_prefix == 'transformer':
            options['key_mapping'] = {'^model\\.': 'transformer.'}
    return TASKS[task].from_pretrained(folder, attn_implementation='eager', dtype=torch.float32, **options)


def logits_in(outputs) -> torch.Tensor:
    if 'start_logits' in outputs:
        return torch.stack((outputs.start_logits, outputs.end_logits), -1)
    return outputs.logits


def check_keys(model: PeftModel, adapter: Path) -> None:
    """PEFT only warns of keys that it could not place or that were missing; here either is an error."""
    written = set(load_file(adapter / 'adapter_model.safetensors'))
    known = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    # Experts' modules become stacked parameters, under other names.
    stacked = [{name for name in names if '.experts.' in name} for names in (written, known)]
    written, known = written - stacked[0], known - stacked[1]
    if bool(stacked[0]) != bool(stacked[1]) or written != known:
        sys.exit(f'Only in the file: {sorted(written - known)}\nOnly in PEFT: {sorted(known - written)}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', type=Path, help='base model folder')
    parser.add_argument('--adapter', type=Path, help='adapter folder that Tunesmith wrote')
    parser.add_argument('--merged', type=Path, help='merged model folder that Tunesmith wrote')
    parser.add_argument('--ids', type=Path, required=True)
    parser.add_argument('--ids-entry', default='input_ids')
    parser.add_argument('--logits', type=Path, required=True)
    parser.add_argument('--logits-entry', default='logits')
    parser.add_argument('--task', choices=TASKS, default='causal-lm')
    parser.add_argument('--tolerance', type=float, default=1e-4)
    args = parser.parse_args()
    if bool(args.merged) == bool(args.model and args.adapter):
        parser.error('give either --model and --adapter, or --merged')

    if args.merged:
        model = load_base(args.merged, args.task)
    else:
        model = PeftModel.from_pretrained(load_base(args.model, args.task), args.adapter)
        check_keys(model, args.adapter)
    ids = load_file(args.ids)[args.ids_entry].long()
    ours = load_file(args.logits)[args.logits_entry]
    with torch.no_grad():
        theirs = logits_in(model.eval()(input_ids=ids))
    if ours.shape != theirs.shape:
        sys.exit(f'Logits are {list(ours.shape)} in {args.logits}, and {list(theirs.shape)} here.')

    error = relative_error(ours, theirs)
    result = {
        'folder': str(args.merged or args.adapter),
        'relativeError': error,
        'absoluteError': (ours - theirs).abs().max().item(),
        'largestLogit': theirs.abs().max().item(),
        'tolerance': args.tolerance,
        'versions': {name: version(name) for name in ('torch', 'transformers', 'peft')},
    }
    print(json.dumps(result))
    # A NaN compares as false, and so fails here too.
    sys.exit(0 if error <= args.tolerance else 1)


if __name__ == '__main__':
    main()
