/**
 * Writes models as codes of bitsandbytes, some with LoRA merged into them, and lets transformers load them and compare
 * logits: `npm run build && npx tsx parity/bitsandbytes-roundtrip.ts PYTHON`, where PYTHON has what requirements.txt lists.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder, writeSafetensors } from '@tunesmith/checkpoints';
import {
  buildModel,
  createParameterStore,
  initialiseHandles,
  loadWeights,
  memoryTensor,
  normal,
  quantizationOf,
  quantizationSchema,
  randomKey,
  randomUniform,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { familyFor } from '@tunesmith/models';
import { type LoadedModel, saveModel } from '@tunesmith/runtime';
import { logitsOf } from './logits.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const [python = 'python'] = process.argv.slice(2);
const shape = [2, 16] as const;
const backend = createOnnxBackend();

const cases: [base: string, settings: Parameters<typeof quantizationSchema.parse>[0], merged?: boolean][] = [
  ['llama', {}],
  ['llama', { type: 'fp4', blockSize: 128, doubleQuantization: false }],
  ['llama', { blockSize: 32, exclude: ['down_proj'] }, true],
  ['llama-tied', { type: 'fp4' }],
  ['gpt2', {}, true],
  ['qwen2', { blockSize: 256 }],
  ['llama', { type: 'int8' }],
  ['gpt2', { type: 'int8' }, true],
];

const folder = mkdtempSync(join(tmpdir(), 'tunesmith-bitsandbytes-'));
try {
  for (const [index, [base, settings, merged = false]] of cases.entries()) {
    const output = join(folder, `${index}`);
    await write(base, settings, merged, output);
    const files = ['--model', output, '--logits', `${output}.safetensors`];
    process.stdout.write(`| ${base}: ${JSON.stringify(settings)}${merged ? ', LoRA merged' : ''} | `);
    process.stdout.write(
      execFileSync(python, [join(here, 'bitsandbytes_roundtrip.py'), ...files], { encoding: 'utf8', stdio: 'pipe' }),
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}

async function write(base: string, settings: unknown, merged: boolean, output: string): Promise<void> {
  const { path, config, tensors, close } = await openModelFolder(join(here, 'fixtures/families', base));
  const family = familyFor(config);
  const form = { config: family.parseConfig(config), quantization: quantizationOf(quantizationSchema.parse(settings)) };
  const methods = merged ? [lora({ rank: 4, alpha: 8, targetModules: 'all-linear' })] : [];
  const model = buildModel({ family, ...form, methods });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, tensors, parameters);
  await close();
  await initialiseHandles(parameters, model.handles, 1);
  for (const handle of model.trained) {
    const init = { shape: handle.shape, key: randomKey(2, handle.key) };
    await parameters.write(handle, (await normal(0.05)(init as never)) as Float32Array);
  }
  const loaded = { path, config, model, parameters, storedDtype: () => 'F32' };
  await saveModel(loaded as unknown as LoadedModel, output, undefined, { allowLossy: true });

  const key = randomKey(3, 'ids');
  const ids = Int32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.floor(randomUniform(key, i) * 96));
  const written = await openModelFolder(output);
  // In 8 bits, inputs are rounded in ways that differ: it is the values that are compared.
  const { codec } = form.quantization;
  const values = codec.name === 'int8' && ({ quantization: 'none' } as const);
  const plain = buildModel({ family, config: form.config, checkpoint: written.tensors, ...values });
  const again = createParameterStore(backend.createStore());
  await loadWeights(plain, written.tensors, again);
  await written.close();
  const { data } = await logitsOf({ model: plain, parameters: again, backend }, ids, shape);
  await writeSafetensors(`${output}.safetensors`, [
    memoryTensor('input_ids', shape, ids),
    memoryTensor('logits', [...shape, data.length / ids.length], data),
  ]);
}
