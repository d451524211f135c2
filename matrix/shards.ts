import type { backends } from './backends.js';
import type { methodCases } from './method-cases.js';
import type { tinyFamilies } from './tiny-families.js';

/** One cell of the product: what one child process tests. */
export interface Shard {
  readonly method: keyof typeof methodCases;
  readonly family: keyof typeof tinyFamilies;
  readonly backend: keyof typeof backends;
}

const families = ['llama', 'mistral', 'qwen2', 'qwen3', 'gpt2', 'bert', 't5'] as const;

/** What each method runs on. Stated apart from the tables, so that the runner loads no engine. */
const methods: Record<Shard['method'], readonly Shard['family'][]> = {
  lora: families,
  'lora-all-linear': families,
  // Biases of the targets can train where the targets have some.
  'lora-biases': ['qwen2', 'gpt2', 'bert'],
  ia3: families,
  'ia3-all-linear': families,
  'lora-dora': families,
  'lora-pissa': families,
  'lora-olora-dora': families,
  'lora-fa': families,
  adalora: families,
  houlsby: families,
  'houlsby-paper': families,
  pfeiffer: families,
  parallel: families,
  'scaled-parallel': families,
  'scaled-parallel-paper': families,
  compacter: families,
  'compacter++': families,
  'prefix-tuning': families,
  'prefix-tuning-projection': families,
  'prompt-tuning': families,
  'p-tuning': families,
  'p-tuning-lstm': families,
  'p-tuning-v2': families,
  full: families,
  llrd: families,
  'gradual-unfreezing': families,
  bitfit: ['qwen2', 'gpt2', 'bert'],
  'bitfit-groups': ['gpt2', 'bert'],
  'diff-pruning': families,
  'diff-pruning-modules': families,
  far: families,
  'far-alone': families,
  'fish-mask': families,
  'fish-mask-model': families,
  freeze: families,
  'freeze-modules': families,
};

/** How much of the contract each backend runs: WebGPU compiles too slowly in software for all of it. */
export const extents: Record<Shard['backend'], 'all' | 'gradient'> = {
  'onnx-cpu': 'all',
  'tfjs-cpu': 'all',
  'onnx-webgpu': 'gradient',
};

const keys = <Key extends string>(record: Record<Key, unknown>): Key[] => Object.keys(record) as Key[];

/** The full product, backend by backend. */
export const shards: readonly Shard[] = keys(extents).flatMap((backend) =>
  keys(methods).flatMap((method) => methods[method].map((family) => ({ method, family, backend }))),
);

/** The name that selects a shard: `lora/llama/onnx-cpu`. */
export function shardKey({ method, family, backend }: Shard): string {
  return `${method}/${family}/${backend}`;
}
