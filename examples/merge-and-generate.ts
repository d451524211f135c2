/** Merge an adapter into its model: a folder that any Hugging Face tool loads, and that says the same as the two apart. */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTrainer } from '@tunesmith/core';
import { families } from '@tunesmith/models';
import { createTextGenerator, type LoadedModel, loadModel, saveModel } from '@tunesmith/runtime';
import { openExample } from './open-example.js';

const { folder, loaded, options } = await openExample();
const trainer = await createTrainer({ ...options, steps: 120 });
for await (const _event of trainer.run());
await trainer.dispose();

const path = join(folder, 'merged');
await saveModel(loaded, path);
const merged = await loadModel({ path, families, backend: createOnnxBackend() });

async function answer(model: LoadedModel): Promise<string> {
  const generator = createTextGenerator(model);
  let text = '';
  for await (const piece of generator.generate('The capital of Italy is', { maxNewTokens: 12 })) text += piece.text;
  await generator.dispose();
  return text;
}
console.log(`with its adapter: ${JSON.stringify(await answer(loaded))}`);
console.log(`merged:           ${JSON.stringify(await answer(merged))}`);
console.log(`merged model in ${path}`);

loaded.dispose();
merged.dispose();
