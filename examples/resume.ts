/** Stop a run in the middle and go on with it: the adapter is, bit for bit, that of a run that was never stopped. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import type { MetricsSink } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import {
  continueRun,
  type Engine,
  parseRecipe,
  type Recipe,
  type RunResult,
  readRunRecipe,
  train,
} from '@tunesmith/runtime';
import { capitals, smallModel, workFolder } from './small-model.js';

const folder = await workFolder();
const path = await smallModel(folder);
const engine: Engine = {
  families,
  methods: [lora],
  createBackend: () => createOnnxBackend(),
  cacheFolder: join(folder, 'cache'),
};
const recipe = (output: string): Recipe => {
  const value = {
    model: { path },
    data: { train: capitals },
    method: 'lora',
    lora: { rank: 8, dropout: 0.1, targetModules: 'all-linear' },
    trainer: { steps: 12, learningRate: 1e-2 },
    output: join(folder, output),
  };
  return parseRecipe({ value, where: 'resume.ts' }, engine.methods);
};

const stop = new AbortController();
const watch: MetricsSink = {
  write(event) {
    if (event.type === 'step' && event.step === 7) stop.abort();
  },
};
const stopped = await train(recipe('stopped'), engine, { signal: stop.signal, sinks: [watch] });
console.log(`${stopped.reason} at step ${stopped.step}, with a checkpoint`);

const source = await readRunRecipe(stopped.run);
const resumed = await continueRun(stopped.run, parseRecipe(source, engine.methods), engine);
console.log(`${resumed.reason} at step ${resumed.step}`);

const whole = await train(recipe('whole'), engine);
const adapterOf = ({ adapters }: RunResult): Promise<Buffer> =>
  readFile(join(adapters[0] as string, 'adapter_model.safetensors'));
const equal = (await adapterOf(resumed)).equals(await adapterOf(whole));
console.log(equal ? 'the same bits as a run that was never stopped' : 'another result');
