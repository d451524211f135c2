/**
 * Trains a few steps with each bottleneck adapter, writes the folder, and lets AdapterHub's `adapters` load it and compare
 * logits: `npm run build && npx tsx parity/adapterhub-roundtrip.ts PYTHON`, where PYTHON has what requirements-adapters.txt
 * lists. The other direction is adapterhub-training.test.ts.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compacter, compacterPlusPlus, houlsby, parallel, pfeiffer, scaledParallel } from '@tunesmith/adapter';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { writeAdapterHubAdapter, writeSafetensors } from '@tunesmith/checkpoints';
import {
  adamw,
  classification,
  createTrainer,
  exportAdapter,
  initialiseHandles,
  type Method,
  memoryTensor,
  type Objective,
  sft,
} from '@tunesmith/core';
import { logitsOf, scoresOf } from './logits.js';
import { prepareModel, recordedRows } from './recorded-steps.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const [python = 'python'] = process.argv.slice(2);
const shape = [2, 16] as const;
const bases = {
  bert: {
    path: 'adapterhub-training/bert',
    class: 'BertForSequenceClassification',
    objective: classification({ labels: 3 }),
  },
  llama: { path: 'families/llama', class: 'LlamaForCausalLM', objective: sft },
} satisfies Record<string, { path: string; class: string; objective: Objective }>;

const cases: [name: string, base: keyof typeof bases, method: Method][] = [
  ['houlsby', 'bert', houlsby()],
  ["houlsby, the paper's", 'bert', houlsby({ convention: 'paper' })],
  ['pfeiffer, a scale a feature', 'bert', pfeiffer({ scaling: 'channel' })],
  ['parallel', 'bert', parallel()],
  ['scaled parallel', 'bert', scaledParallel()],
  ['compacter', 'bert', compacter({ reductionFactor: 16, ruleDeviation: 0.3 })],
  ['compacter++', 'bert', compacterPlusPlus({ reductionFactor: 8, ruleDeviation: 0.3 })],
  ['houlsby', 'llama', houlsby({ leaveOut: [0] })],
  ['pfeiffer', 'llama', pfeiffer()],
  ['parallel', 'llama', parallel()],
  ["compacter, the authors'", 'llama', compacter({ convention: 'paper', reductionFactor: 16, ruleDeviation: 0.3 })],
  [
    "compacter++, the authors'",
    'llama',
    compacterPlusPlus({ convention: 'paper', reductionFactor: 8, ruleDeviation: 0.3 }),
  ],
];

const folder = mkdtempSync(join(tmpdir(), 'tunesmith-adapterhub-'));
try {
  for (const [index, each] of cases.entries()) await roundtrip(...each, join(folder, `${index}`));
} finally {
  rmSync(folder, { recursive: true });
}

async function roundtrip(name: string, base: keyof typeof bases, method: Method, output: string): Promise<void> {
  const { path, class: modelClass, objective } = bases[base];
  const prepared = await prepareModel(path, method, createOnnxBackend(), undefined, objective);
  const { model, parameters, backend } = prepared;
  await initialiseHandles(parameters, model.handles, 1);
  const trainer = await createTrainer({
    ...(await recordedRows('adapterhub-training', 10)),
    ...{ model, parameters, backend, objective, optimizer: adamw(), learningRate: 2e-2, weightDecay: 0, steps: 10 },
  });
  for await (const _event of trainer.run());
  await trainer.dispose();
  const ids = Int32Array.from({ length: 32 }, (_, position) => (position * 7 + 3) % 90);
  const logits = await (base === 'bert' ? scoresOf : logitsOf)(prepared, ids, shape);
  const probe = `${output}.safetensors`;
  await writeSafetensors(probe, [
    memoryTensor('input_ids', shape, Float32Array.from(ids)),
    memoryTensor('logits', logits.shape, logits.data),
  ]);
  const { config, tensors } = await exportAdapter(model, method, parameters);
  await writeAdapterHubAdapter(output, {
    name: method.name,
    config: { ...config },
    model: { type: base, class: modelClass, name: base, hiddenSize: model.shape.hiddenSize },
    tensors: tensors.map((tensor) => memoryTensor(tensor.name, tensor.shape, tensor.data)),
  });
  const command = [join(here, 'adapterhub_roundtrip.py'), base, output, method.name, probe];
  const printed = execFileSync(python, command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  process.stdout.write(`| ${base}: ${name} | ${Number(printed).toExponential(1)} |\n`);
  parameters.tensors.dispose();
}
