/** LoftQ's start as PEFT computes it, over the same codes. How it was recorded: README.md beside this file. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder } from '@tunesmith/checkpoints';
import {
  buildModel,
  createParameterStore,
  type Handle,
  initialiseHandles,
  loadWeights,
  originalWeights,
  quantizationOf,
  quantizationSchema,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { familyFor } from '@tunesmith/models';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';

const topic = join(fixtures, 'loftq');
const { rank } = JSON.parse(readFileSync(join(topic, 'meta.json'), 'utf8')) as { rank: number };

/** B · A, as [out, in]. */
function productOf(b: Float32Array, a: Float32Array): Float32Array {
  const [rows, columns] = [b.length / rank, a.length / rank];
  return Float32Array.from({ length: rows * columns }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    let sum = 0;
    for (let each = 0; each < rank; each++)
      sum += (b[row * rank + each] as number) * (a[each * columns + column] as number);
    return sum;
  });
}

function turned(values: Float32Array, rows: number): Float32Array {
  const columns = values.length / rows;
  return Float32Array.from(values, (_, index) => values[(index % rows) * columns + Math.floor(index / rows)] as number);
}

describe.each(['llama', 'gpt2'])('%s', (family) => {
  it.each([rank, 4 * rank])(
    'starts at alpha %d from the rest that PEFT decomposes, over the same base',
    async (alpha) => {
      const expected = await readFixture(join(topic, 'expected.safetensors'));
      const names = [...expected.keys()].filter((key) => key.startsWith(`${family}.`) && key.endsWith('.product'));
      const paths = names.map((key) => key.slice(family.length + 1, -'.product'.length));
      const { config, tensors, close } = await openModelFolder(join(fixtures, 'families', family));
      const method = lora({ rank, alpha, targetModules: paths, initLoraWeights: 'loftq' });
      const quantization = quantizationOf(quantizationSchema.parse({ type: 'nf4', doubleQuantization: false }));
      const built = familyFor(config);
      const model = buildModel({ family: built, config: built.parseConfig(config), methods: [method], quantization });
      const parameters = createParameterStore(createOnnxBackend().createStore());
      await loadWeights(model, tensors, parameters);
      await initialiseHandles(parameters, model.handles, 1, { readOriginal: originalWeights(model, tensors) });
      await close();
      const read = async (path: string): Promise<Float32Array> =>
        parameters.read(model.handles.find((handle) => handle.path === path) as Handle);
      expect(paths.length).toBeGreaterThan(0);
      for (const path of paths) {
        const base = expected.get(`${family}.${path}.base`) as Float32Array;
        const kept = await read(`${path}.weight`);
        const a = await read(`${path}.lora_A.weight`);
        expect(relativeError(family === 'gpt2' ? turned(kept, a.length / rank) : kept, base)).toBe(0);
        const product = productOf(await read(`${path}.lora_B.weight`), a).map((value) => (value * alpha) / rank);
        expect(relativeError(product, expected.get(`${family}.${path}.product`) as Float32Array)).toBeLessThan(1e-4);
      }
      parameters.tensors.dispose();
    },
  );
});
