/**
 * One case of `bench:step`, in a process of its own so that its peak memory is its own: trains a few steps of LoRA on
 * random weights of SmolLM2-135M's shape and prints one JSON line.
 * Arguments: targets (qv | all), rows, length, checkpointing (on | off), share of positions with a loss weight, steps.
 */
import { readFileSync } from 'node:fs';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  adamw,
  buildModel,
  chain,
  clipByGlobalNorm,
  constantSchedule,
  createParameterStore,
  createTrainer,
  type Executable,
  elementCount,
  initialiseHandles,
  type Row,
  sft,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { llama } from '@tunesmith/models';
import { median } from './median.js';

const [targets = 'qv', rowsText = '1', lengthText = '512', checkpointing = 'off', shareText = '1', stepsText = '5'] =
  process.argv.slice(2);
const [rows, length, share, steps] = [rowsText, lengthText, shareText, stepsText].map(Number) as [
  number,
  number,
  number,
  number,
];

/** SmolLM2-135M's config.json, as far as the shape goes. */
const config = {
  model_type: 'llama',
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  hidden_act: 'silu',
  tie_word_embeddings: true,
};

const methods = [lora({ rank: 8, targetModules: targets === 'all' ? 'all-linear' : ['q_proj', 'v_proj'] })];
const model = buildModel({ family: llama, config: llama.parseConfig(config), methods });
const backend = createOnnxBackend({ device: 'cpu', threads: 2 });
const parameters = createParameterStore(backend.createStore());
let state = 1;
for (const handle of model.handles) {
  if (handle.init !== undefined) continue;
  const values = new Float32Array(elementCount(handle.shape));
  // A cheap generator: the values only have to be of a usual size.
  for (let index = 0; index < values.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[index] = handle.shape.length === 1 ? 1 : (state / 2 ** 31) * 0.03;
  }
  await parameters.write(handle, values);
}
await initialiseHandles(parameters, model.handles, 1);

function randomRow(index: number): Row {
  const tokens = Int32Array.from({ length }, (_, position) => (index * 7919 + position * 104729) % 49152);
  const weights = Float32Array.from({ length }, (_, position) => (position >= length * (1 - share) ? 1 : 0));
  return { tokens, weights };
}

const compiled: Executable[] = [];
const trainer = await createTrainer({
  model,
  parameters,
  backend: {
    ...backend,
    async compile(program, store) {
      const executable = await backend.compile(program, store);
      compiled.push(executable);
      return executable;
    },
  },
  objective: sft,
  optimizer: chain(clipByGlobalNorm(1), adamw()),
  schedule: constantSchedule(),
  learningRate: 1e-4,
  weightDecay: 0,
  rows: {
    async *read() {
      for (let index = 0; ; index++) yield { row: randomRow(index), position: index };
    },
  },
  batchSize: rows,
  steps: steps + 1,
  maxLength: length,
  padToken: 0,
  seed: 1,
  gradientCheckpointing: checkpointing === 'on',
});

const seconds: number[] = [];
const cpuSeconds: number[] = [];
let last = performance.now();
let lastCpu = process.cpuUsage();
for await (const event of trainer.run()) {
  if (event.type !== 'step') continue;
  const now = performance.now();
  const { user, system } = process.cpuUsage(lastCpu);
  // The first step traces and opens the session.
  if (event.step > 1) {
    seconds.push((now - last) / 1000);
    cpuSeconds.push((user + system) / 1e6);
  }
  last = now;
  lastCpu = process.cpuUsage();
}
const info = compiled[0]?.info ?? {};
await trainer.dispose();
const peakKilobytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
process.stdout.write(
  `${JSON.stringify({ targets, rows, length, checkpointing, share, secondsPerStep: median(seconds), cpuSecondsPerStep: median(cpuSeconds), peakBytes: peakKilobytes * 1024, ...info })}\n`,
);
