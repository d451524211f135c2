/** DoRA on a start from the weight, with dropout: what peft/tuners/lora/dora.py computes on a base that PiSSA changed. */
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import {
  buildModel,
  createParameterStore,
  createTrace,
  elementCount,
  type Family,
  initialiseHandles,
  type Program,
  randomKey,
  randomNormal,
  tf,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { expect, it } from 'vitest';

const [rows, inFeatures, outFeatures, tokens] = [16, 6, 5, 8];
const family: Family<null> = {
  name: 'one-layer',
  modelTypes: ['one-layer'],
  parseConfig: () => null,
  describe: () => ({ vocabularySize: rows, hiddenSize: outFeatures, layers: 0, maxPositions: tokens }),
  build(builder) {
    const embed = builder.embedding('embed', { role: 'embedding.token', rows, features: inFeatures });
    const layer = builder.linear('layer', { role: 'mlp', inFeatures, outFeatures, bias: true });
    const head = builder.linear('head', { role: 'head', inFeatures: outFeatures, outFeatures: rows });
    return { head, hidden: (t, { ids }) => layer(t, embed(t, ids)) };
  },
  defaultTargets: {},
};

it('sends the dropped-out input through the changed base once more', async () => {
  const dropout = 0.5;
  const config = {
    rank: 2,
    alpha: 3,
    dropout,
    useDora: true,
    initLoraWeights: 'pissa' as const,
    targetModules: ['layer'],
  };
  const model = buildModel({ family, config: null, methods: [lora(config)] });
  const backend = await createTfjsBackend({ prefer: 'cpu' });
  const parameters = createParameterStore(backend.createStore());
  const random = (name: string, size: number): Float32Array =>
    Float32Array.from({ length: size }, (_, index) => randomNormal(randomKey(1, name), index));
  for (const { path, shape, ...handle } of model.handles.filter(({ owner }) => owner === 'base')) {
    await parameters.write({ ...handle, path, shape }, random(path, elementCount(shape)));
  }
  await initialiseHandles(parameters, model.handles, 1);
  const named = (path: string) =>
    model.handles.find((handle) => handle.path === `layer.${path}`) as (typeof model.handles)[number];
  for (const path of ['lora_A.weight', 'lora_B.weight', 'lora_magnitude_vector']) {
    await parameters.write(named(path), random(path, elementCount(named(path).shape)));
  }

  const program: Program = {
    name: 'dropout',
    inputs: { ids: { shape: [1, tokens], dtype: 'int32' }, positions: { shape: [1, tokens], dtype: 'int32' } },
    body(io) {
      const t = createTrace(io, { training: true, read: (handle) => parameters.readIn(io, handle) });
      const { hidden } = model.run(t, { ids: io.input('ids'), positions: io.input('positions') });
      const mask = tf.cast(io.keepMask('linear layer', [1, tokens, inFeatures], dropout), 'float32');
      return { outputs: { hidden, mask } };
    },
  };
  const executable = await backend.compile(program, parameters.tensors);
  const ids = Int32Array.from({ length: tokens }, (_, index) => (index * 5 + 2) % rows);
  const column = (data: Int32Array) => ({ dtype: 'int32' as const, shape: [1, tokens], data });
  const positions = Int32Array.from(ids.keys());
  const where = { random: { seed: 3, step: 0, firstRow: 0 } };
  const { hidden, mask } = await executable.run({ ids: column(ids), positions: column(positions) }, where);

  const read = (path: string) => parameters.read(named(path));
  const [w, bias, m] = [await read('weight'), await read('bias'), await read('lora_magnitude_vector')];
  const factors = async (suffix: string) => product(await read(`lora_B.${suffix}`), await read(`lora_A.${suffix}`));
  const [update, start] = [await factors('weight'), await factors('start')];
  const scale = 3 / 2;
  const embedding = await parameters.read(model.handles.find(({ path }) => path === 'embed.weight') as never);
  for (const [token, id] of ids.entries()) {
    const x = embedding.slice(id * inFeatures, (id + 1) * inFeatures);
    const kept = mask?.data.slice(token * inFeatures, (token + 1) * inFeatures) as Float32Array;
    const dropped = x.map((value, index) => (value * (kept[index] as number)) / (1 - dropout));
    for (let out = 0; out < outFeatures; out++) {
      const row = (values: Float32Array) => values.slice(out * inFeatures, (out + 1) * inFeatures);
      const residual = row(w).map((value, index) => value - scale * (row(start)[index] as number));
      const moved = residual.map((value, index) => value + scale * (row(update)[index] as number));
      const ratio = (m[out] as number) / Math.hypot(...moved);
      const expected =
        dot(residual, x) +
        (bias[out] as number) +
        (ratio - 1) * dot(residual, dropped) +
        ratio * scale * dot(row(update), dropped);
      expect(hidden?.data[token * outFeatures + out]).toBeCloseTo(expected, 4);
    }
  }
  expect(new Set(mask?.data)).toEqual(new Set([0, 1]));
  await executable.dispose();
});

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);
}

/** B·A: B [out, 2], A [2, in] → [out, in]. */
function product(b: Float32Array, a: Float32Array): Float32Array {
  return Float32Array.from({ length: outFeatures * inFeatures }, (_, index) => {
    const [row, column] = [Math.floor(index / inFeatures), index % inFeatures];
    return (
      (b[2 * row] as number) * (a[column] as number) + (b[2 * row + 1] as number) * (a[inFeatures + column] as number)
    );
  });
}
