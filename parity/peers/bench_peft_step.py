"""Times one training step of PyTorch + PEFT on the shape of SmolLM2-135M, for comparison with `npm run bench:step`.

    python parity/peers/bench_peft_step.py                 # every case, each in a fresh process
    python parity/peers/bench_peft_step.py --only qv/1x512 # the cases whose name contains this
    python parity/peers/bench_peft_step.py --device cuda   # on a GPU, products in float32; --tf32: in TF32

Random weights, float32, SDPA attention, LoRA r=8 without dropout or all parameters (`full`), clipping at norm 1 and AdamW; all
tokens weigh 1.
Prints a JSON line per case: the median step, its spread, and the process's peak memory before and after the steps.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from importlib.metadata import version
from statistics import median
from time import perf_counter

# What LoRA is put on; none trains the model itself.
TARGETS = {'qv': ['q_proj', 'v_proj'], 'all-linear': 'all-linear', 'full': None}
# name: (targets, batch, length, gradient checkpointing)
CASES = {
    f'{targets}/{batch}x{length}{"/checkpointing" if checkpointing else ""}': (targets, batch, length, checkpointing)
    for targets in TARGETS
    for batch, length, checkpointing in [(1, 512, False), (2, 256, False), (4, 512, False), (4, 512, True)]
}


def peak_bytes() -> int:
    """This process's largest resident set so far; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024


def run_case(name: str, warmup: int, steps: int, threads: int, device: str, tf32: bool) -> dict:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.manual_seed(0)
    targets, batch, length, checkpointing = CASES[name]
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        rope_parameters={'rope_type': 'default', 'rope_theta': 100000.0},
        attn_implementation='sdpa',
        dtype='float32',
    )
    base = LlamaForCausalLM(config)
    if checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': False})
        base.enable_input_require_grads()
    model = base.train()
    if TARGETS[targets] is not None:
        lora = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=TARGETS[targets], task_type='CAUSAL_LM')
        model = get_peft_model(base, lora).train()
    model = model.to(device)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=2e-4)
    loaded = peak_bytes()

    seconds = []
    for _ in range(warmup + steps):
        ids = torch.randint(config.vocab_size, (batch, length), device=device)
        begin = perf_counter()
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        loss.item()
        seconds.append(perf_counter() - begin)
    timed = seconds[warmup:]
    return {
        'case': name,
        'batch': batch,
        'length': length,
        'gradientCheckpointing': checkpointing,
        'trainableParameters': sum(parameter.numel() for parameter in trainable),
        'threads': threads,
        'device': torch.cuda.get_device_name() if device == 'cuda' else device,
        'tf32': tf32,
        'steps': steps,
        'medianSeconds': round(median(timed), 4),
        'leastSeconds': round(min(timed), 4),
        'mostSeconds': round(max(timed), 4),
        'tokensPerSecond': round(batch * length / median(timed), 1),
        'loadedPeakBytes': loaded,
        'peakBytes': peak_bytes(),
        **({'gpuPeakBytes': torch.cuda.max_memory_reserved()} if device == 'cuda' else {}),
        'versions': {package: version(package) for package in ('torch', 'transformers', 'peft')},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', default='', help='run the cases whose name contains this')
    parser.add_argument('--warmup', type=int, default=2)
    parser.add_argument('--steps', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--tf32', action='store_true', help='let a GPU compute products in TF32')
    parser.add_argument('--case', choices=CASES, help='run this case in this process')
    args = parser.parse_args()
    if args.case:
        print(json.dumps(run_case(args.case, args.warmup, args.steps, args.threads, args.device, args.tf32)), flush=True)
        return
    chosen = [name for name in CASES if args.only in name]
    if not chosen:
        parser.error(f'no case contains {args.only!r}; there are {", ".join(CASES)}')
    environment = {**os.environ, 'OMP_NUM_THREADS': str(args.threads), 'MKL_NUM_THREADS': str(args.threads)}
    for name in chosen:
        options = ['--warmup', str(args.warmup), '--steps', str(args.steps), '--threads', str(args.threads)]
        options += ['--device', args.device, *(['--tf32'] if args.tf32 else [])]
        subprocess.run([sys.executable, __file__, '--case', name, *options], env=environment, check=True)


if __name__ == '__main__':
    main()
