/** Writes the newest checkpoint's weights, in 16 bits, as a model folder: `export.ts RUN-FOLDER MODEL-FOLDER`. */
import { join } from 'node:path';
import { latestCheckpoint, readCheckpoint, writeModelFolder } from '@tunesmith/checkpoints';
import { memoryTensor, type StoredTensor } from '@tunesmith/core';
import { buildBaseModel } from './base-model.js';
import { modelConfig } from './recipe.js';

const [runFolder, modelFolder] = process.argv.slice(2);
if (runFolder === undefined || modelFolder === undefined) throw new Error('Usage: export.ts RUN-FOLDER MODEL-FOLDER');
const newest = await latestCheckpoint(join(runFolder, 'checkpoints'));
if (newest === undefined) throw new Error(`${runFolder} has no checkpoint`);
const { tensors } = await readCheckpoint(newest);
const { model } = buildBaseModel(1);
const weights = model.trained.map(({ key, path, shape }): StoredTensor => {
  const values = tensors[`parameter/${key}`]?.values;
  if (values === undefined) throw new Error(`${newest} has no ${key}`);
  return memoryTensor(path, shape, values, 'F16');
});
await writeModelFolder(modelFolder, {
  config: { ...modelConfig },
  tensors: weights,
  copyFrom: join(runFolder, 'tokenizer'),
});
