import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  adamw,
  type Backend,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  type Method,
  sft,
  type TrainerOptions,
} from '@tunesmith/core';
import { createDataset, type Dataset, loadChatTemplate } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { type LoadedModel, type LoadModelOptions, loadModel } from '@tunesmith/runtime';
import { capitals, smallModel, workFolder } from './small-model.js';

export interface Example {
  readonly folder: string;
  readonly loaded: LoadedModel;
  readonly validation: Dataset;
  /** What train-lora.ts spells out; an example changes the one thing that it is about. */
  readonly options: TrainerOptions;
}

/** The model, data and trainer options that the examples begin with. */
export async function openExample(
  methods: readonly Method[] = [lora({ rank: 8, alpha: 16, targetModules: 'all-linear' })],
  backend: Backend = createOnnxBackend(),
  changes: Record<string, unknown> = {},
  loading: Pick<LoadModelOptions, 'quantization'> = {},
): Promise<Example> {
  const folder = await workFolder();
  const loaded = await loadModel({ path: await smallModel(folder, changes), families, methods, backend, ...loading });
  const { tokenizer } = loaded;
  const data = await createDataset({
    files: [capitals],
    tokenizer,
    template: loadChatTemplate(tokenizer),
    maxLength: 64,
    cacheFolder: join(folder, 'cache'),
  });
  const { train, validation } = data.split(0.2);
  const options: TrainerOptions = {
    ...loaded,
    objective: sft,
    optimizer: chain(clipByGlobalNorm(1), adamw()),
    schedule: cosineSchedule(0.1),
    learningRate: 1e-2,
    weightDecay: 0,
    rows: train,
    batchSize: 8,
    steps: 20,
    maxLength: 64,
    padToken: tokenizer.padId,
    seed: 1,
  };
  return { folder, loaded, validation, options };
}
