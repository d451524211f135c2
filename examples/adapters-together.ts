/** Two adapters on one base: each for the prompts that name it, swapped without compiling, and combined into a third. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  type AdapterTensor,
  adamw,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  createAdapterPool,
  createTrainer,
  exportAdapter,
  memoryTensor,
  sft,
} from '@tunesmith/core';
import { createDataset, loadChatTemplate } from '@tunesmith/data';
import { combineLoras, combineOptionsSchema, lora, loraConfigSchema } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { createTextGenerator, loadModel } from '@tunesmith/runtime';
import { capitals, smallModel, workFolder } from './small-model.js';

const folder = await workFolder();
const path = await smallModel(folder);
const config = { rank: 8, alpha: 16, targetModules: 'all-linear' };

/** Trains an adapter on a file and gives what an adapter folder would hold. */
async function train(file: string) {
  const method = lora(config);
  const loaded = await loadModel({ path, families, methods: [method], backend: createOnnxBackend() });
  const { tokenizer } = loaded;
  const text = { tokenizer, template: loadChatTemplate(tokenizer), maxLength: 64, cacheFolder: join(folder, 'cache') };
  const trainer = await createTrainer({
    ...loaded,
    objective: sft,
    optimizer: chain(clipByGlobalNorm(1), adamw()),
    rows: await createDataset({ files: [file], ...text }),
    schedule: cosineSchedule(0.1),
    learningRate: 1e-2,
    weightDecay: 0,
    batchSize: 8,
    steps: 200,
    maxLength: 64,
    padToken: tokenizer.padId,
    seed: 1,
  });
  for await (const _event of trainer.run());
  const { tensors } = await exportAdapter(loaded.model, method, loaded.parameters);
  await trainer.dispose();
  loaded.dispose();
  return tensors.map(({ name, shape, data }) => ({ name, shape, data: Float32Array.from(data) }));
}

const loud = join(folder, 'loud.jsonl');
const rows = (await readFile(capitals, 'utf8'))
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const shouted = rows.map(({ prompt, completion }) => JSON.stringify({ prompt, completion: completion.toUpperCase() }));
await writeFile(loud, shouted.join('\n'));
const [plainTensors, loudTensors] = [await train(capitals), await train(loud)];

// One base, without methods, and a pool of adapters beside it.
const base = await loadModel({ path, families, backend: createOnnxBackend() });
const { family } = base.model;
const pool = createAdapterPool({ family, config: family.parseConfig(base.config), parameters: base.parameters });
const add = (name: string, tensors: readonly AdapterTensor[], own: Parameters<typeof lora>[0] = config) => {
  const byName = new Map(tensors.map((tensor) => [tensor.name, memoryTensor(tensor.name, tensor.shape, tensor.data)]));
  const source = { names: () => [...byName.keys()], get: (tensor: string) => byName.get(tensor) };
  return pool.add(name, [{ method: lora(own), tensors: source }]);
};
await add('plain', plainTensors);
await add('loud', loudTensors);

// Half of one and half of the other, exactly: the ranks add up.
const weighted = [plainTensors, loudTensors].map((tensors, index) => {
  return { name: ['plain', 'loud'][index] as string, config: loraConfigSchema.parse(config), tensors, weight: 0.5 };
});
const both = combineLoras(weighted, combineOptionsSchema.parse({ combination: 'cat' }));
await add('both', both.tensors, both.config);

const generator = createTextGenerator({ ...base, pool });
const names = [null, 'plain', 'loud', 'both'];
const answers = names.map(() => '');
const prompts = names.map(() => 'The capital of Italy is');
const adapters = (prompt: number) => names[prompt] ?? null;
for await (const { prompt, text } of generator.generateBatch(prompts, { maxNewTokens: 8, adapters })) {
  answers[prompt] += text;
}
for (const [index, name] of names.entries()) console.log(`${name ?? 'base'}: ${JSON.stringify(answers[index])}`);

await generator.dispose();
base.dispose();
