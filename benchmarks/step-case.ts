/**
 * Measures one case in a process of its own, so that its peak memory is its own: the argument is StepOptions as JSON,
 * the output one line of JSON.
 */
import { readFileSync } from 'node:fs';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  adamw,
  chain,
  clipByGlobalNorm,
  constantSchedule,
  createParameterStore,
  createTrainer,
  type Executable,
  elementCount,
  encodeWeight,
  initialiseHandles,
  type Model,
  type Row,
} from '@tunesmith/core';
import { median } from './median.js';
import { buildShape, defaults, objectives, type StepOptions } from './step-options.js';

const options: StepOptions = { ...defaults, ...JSON.parse(process.argv[2] ?? '{}') };
const { rows, length, weightedShare, answer, steps } = options;
const objective = objectives[options.objective](options);
const rowOf = options.objective === 'sft' ? randomRow : randomPair;

const model = buildShape(options);
const backend = createOnnxBackend({ device: options.device, threads: options.threads });
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
  const encoding = model.encodingOf(handle);
  if (encoding === undefined) await parameters.write(handle, values);
  else parameters.writeParts(handle, encoding, encodeWeight(encoding, values));
}
await initialiseHandles(parameters, model.handles, 1);

function randomTokens(index: number): Int32Array {
  const { vocabularySize } = model.shape;
  return Int32Array.from({ length }, (_, position) => (index * 7919 + position * 104729) % vocabularySize);
}

function randomRow(index: number): Row {
  const first = Math.max(1, Math.round(length * (1 - weightedShare)));
  const weights = Float32Array.from({ length }, (_, position) => (position >= first ? 1 : 0));
  return { tokens: randomTokens(index), weights };
}

function randomPair(index: number): Row {
  const prompt = length - answer;
  const tokens = randomTokens(2 * index);
  const other = Int32Array.from([...tokens.subarray(0, prompt), ...randomTokens(2 * index + 1).subarray(prompt)]);
  const weights = new Float32Array(length).fill(1, prompt);
  return { tokens, weights, rejected: { tokens: other, weights } };
}

const gpuBefore = await gpuBytes();
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
  objective,
  optimizer: chain(clipByGlobalNorm(1), adamw()),
  schedule: constantSchedule(),
  learningRate: 1e-4,
  weightDecay: 0,
  rows: {
    async *read() {
      for (let index = 0; ; index++) yield { row: rowOf(index), position: index };
    },
  },
  batchSize: rows,
  gradientAccumulation: options.accumulation,
  steps: steps + 1,
  maxLength: length,
  padToken: 0,
  seed: 1,
  gradientCheckpointing: options.checkpointing,
});

const seconds: number[] = [];
const cpuSeconds: number[] = [];
let last = performance.now();
let lastCpu = process.cpuUsage();
let programs = 0;
for await (const event of trainer.run()) {
  if (event.type !== 'step') continue;
  const now = performance.now();
  const { user, system } = process.cpuUsage(lastCpu);
  // A step that traces and opens a session, the run's first and a stage's, is not measured.
  if (compiled.length === programs) {
    seconds.push((now - last) / 1000);
    cpuSeconds.push((user + system) / 1e6);
  }
  programs = compiled.length;
  last = now;
  lastCpu = process.cpuUsage();
}
const gpuAfter = await gpuBytes();
const info = compiled.at(-1)?.info ?? {};
await trainer.dispose();
const peakKilobytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
const result = {
  ...options,
  trainedShare: count(model.trained) / count(model.handles.filter(({ owner }) => owner === 'base')),
  secondsPerStep: median(seconds),
  cpuSecondsPerStep: median(cpuSeconds),
  peakBytes: peakKilobytes * 1024,
  ...(gpuBefore === null || gpuAfter === null ? {} : { gpuBytes: gpuAfter - gpuBefore }),
  ...info,
};

/** Memory in use on the GPU; sessions keep their peak. */
async function gpuBytes(): Promise<number | null> {
  if (options.device === 'cpu') return null;
  // Imported where it is used: what a module takes of memory would count as the case's.
  return (await import('@tunesmith/bench')).deviceMemory();
}

function count(handles: Model['handles']): number {
  return handles.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}
process.stdout.write(`${JSON.stringify(result)}\n`);
