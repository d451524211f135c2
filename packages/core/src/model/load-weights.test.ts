import { describe, expect, it } from 'vitest';
import type { Handle } from '../parameters/handle.js';
import { createParameterStore } from '../parameters/parameter-store.js';
import type { HostTensor, TensorStore } from '../program/backend.js';
import { memoryTensor } from '../storage/memory-tensor.js';
import type { StoredDtype, TensorSource } from '../storage/stored-tensor.js';
import type { Family } from './family.js';
import { loadWeights } from './load-weights.js';
import { buildModel } from './model.js';

/** An embedding of three tokens, and a head that may be tied to it. */
const tiny: Family<{ tied: boolean }> = {
  name: 'tiny',
  modelTypes: ['tiny'],
  parseConfig: () => ({ tied: true }),
  describe: () => ({ vocabularySize: 3, hiddenSize: 2, layers: 0, maxPositions: 8 }),
  build(builder, { tied }) {
    const embed = builder.embedding('embed', { role: 'embedding.token', rows: 3, features: 2 });
    const tiedTo = tied ? { tiedTo: embed.weight } : {};
    const head = builder.linear('head', { role: 'head', inFeatures: 2, outFeatures: 3, ...tiedTo });
    return { head, hidden: (t, { ids }) => embed(t, ids) };
  },
  weightAliases: (path) => [`old.${path}`],
  ignoredTensors: /\.inv_freq$/,
  defaultTargets: {},
};

function memoryStore(): TensorStore & { readonly tensors: Map<string, HostTensor> } {
  const tensors = new Map<string, HostTensor>();
  return {
    tensors,
    set: (name, tensor) => void tensors.set(name, tensor),
    get: async (name) => tensors.get(name) as HostTensor,
    has: (name) => tensors.has(name),
    names: () => [...tensors.keys()],
    delete: (name) => void tensors.delete(name),
    dispose: () => tensors.clear(),
  };
}

type Entry = { shape: number[]; values: number[]; dtype?: StoredDtype };

function source(entries: Record<string, Entry>): TensorSource {
  const names = Object.keys(entries);
  return {
    names: () => names,
    get(name) {
      const entry = entries[name];
      return entry && memoryTensor(name, entry.shape, Float32Array.from(entry.values), entry.dtype);
    },
  };
}

const embed: Entry = { shape: [3, 2], values: [1, 2, 3, 4, 5, 6] };
const grownFrom: Entry = { shape: [2, 2], values: [1, 2, 4, 8] };
const head: Entry = { shape: [3, 2], values: [9, 8, 7, 6, 5, 4] };

async function load(tied: boolean, entries: Record<string, Entry>, dtype?: 'float16' | 'bfloat16') {
  const store = memoryStore();
  const model = buildModel({ family: tiny, config: { tied } });
  await loadWeights(model, source(entries), createParameterStore(store), dtype === undefined ? {} : { dtype });
  return store.tensors;
}

describe('loadWeights', () => {
  it('finds weights by path or by another name of the family, and passes over what the family ignores', async () => {
    const rotary = { shape: [1], values: [1] };
    const tensors = await load(false, { 'old.embed.weight': embed, 'head.weight': head, 'x.inv_freq': rotary });
    expect([...(tensors.get('embed.weight')?.data ?? [])]).toEqual(embed.values);
    expect([...(tensors.get('head.weight')?.data ?? [])]).toEqual(head.values);
    expect(tensors.size).toBe(2);
  });
  it('names a missing weight and the nearest tensor that is left', async () => {
    const loading = load(false, { 'embed.weight': embed, 'haed.weight': head });
    await expect(loading).rejects.toThrow(/NAME_UNKNOWN at head\.weight: .* lacks 1 weight.*Did you mean haed\.weight/);
  });
  it('refuses a tensor that has no place', async () => {
    const loading = load(true, { 'embed.weight': embed, 'embed.bias': { shape: [2], values: [0, 0] } });
    await expect(loading).rejects.toThrow(
      /NAME_UNKNOWN at embed\.bias: .* holds 1 tensor .*Did you mean embed\.weight/,
    );
  });
  it('refuses a wrong shape, naming both', async () => {
    const loading = load(true, { 'embed.weight': { shape: [2, 3], values: embed.values } });
    await expect(loading).rejects.toThrow(/SHAPE_MISMATCH at embed\.weight: .*expected \[3, 2\], got \[2, 3\]/);
  });
  it('takes a tied head that is in the file too only if it equals the embedding', async () => {
    const tensors = await load(true, { 'embed.weight': embed, 'head.weight': embed });
    expect([...tensors.keys()]).toEqual(['embed.weight']);
    await expect(load(true, { 'embed.weight': embed, 'head.weight': head })).rejects.toThrow(
      /FILE_INVALID at head\.weight: config\.json ties it to embed\.weight/,
    );
  });
  it('takes a tied embedding that is in the file under the name of the head alone', async () => {
    const tensors = await load(true, { 'head.weight': head });
    expect([...(tensors.get('embed.weight')?.data ?? [])]).toEqual(head.values);
  });
  it("finds a tied weight under the head's name alone", async () => {
    const tensors = await load(true, { 'head.weight': head });
    expect([...(tensors.get('embed.weight')?.data ?? [])]).toEqual(head.values);
  });
  it('stores 16-bit patterns, as they lie in the file or rounded to nearest even', async () => {
    const values = [1, -2, 0.333251953125, 4, 5, 6];
    for (const dtype of ['F32', 'F16'] as const) {
      const stored = (await load(true, { 'embed.weight': { shape: [3, 2], values, dtype } }, 'float16')).get(
        'embed.weight',
      );
      expect(stored?.dtype).toBe('float16');
      expect([...(stored?.data ?? [])].slice(0, 3)).toEqual([0x3c00, 0xc000, 0x3555]);
    }
    const brain = (await load(true, { 'embed.weight': { shape: [3, 2], values } }, 'bfloat16')).get('embed.weight');
    expect([...(brain?.data ?? [])].slice(0, 3)).toEqual([0x3f80, 0xc000, 0x3eab]);
  });
  it('can be read back as float32 however it is stored', async () => {
    const model = buildModel({ family: tiny, config: { tied: true } });
    for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
      const parameters = createParameterStore(memoryStore());
      await loadWeights(model, source({ 'embed.weight': embed }), parameters, { dtype });
      const [handle] = model.handles;
      expect([...(await parameters.read(handle as Handle))], dtype).toEqual(embed.values);
    }
  });
  it('keeps what is trained in float32', async () => {
    const store = memoryStore();
    const trainAll = {
      name: 'all',
      apiVersion: 1,
      config: {},
      capabilities: { mergeable: false, identityAtInit: true, trainsBase: true },
      patchModel: (patcher: Parameters<import('../method/method.js').Method['patchModel']>[0]) =>
        void patcher.train(({ path }) => path === 'head.weight'),
    };
    const model = buildModel({ family: tiny, config: { tied: false }, methods: [trainAll] });
    const parameters = createParameterStore(store);
    await loadWeights(model, source({ 'embed.weight': embed, 'head.weight': head }), parameters, { dtype: 'float16' });
    expect(store.tensors.get('embed.weight')?.dtype).toBe('float16');
    expect(store.tensors.get('head.weight')?.dtype).toBe('float32');
  });
  it('refuses float16 for what it cannot hold', async () => {
    const values = [1, 2, 3, 4, 5, 70_000];
    await expect(load(true, { 'embed.weight': { shape: [3, 2], values } }, 'float16')).rejects.toThrow(
      /DATA_INVALID at embed\.weight.*bfloat16/,
    );
  });
  it('does not share memory with its source', async () => {
    const values = Float32Array.from(embed.values);
    const store = memoryStore();
    const tensors: TensorSource = { names: () => ['embed.weight'], get: (name) => memoryTensor(name, [3, 2], values) };
    const model = buildModel({ family: tiny, config: { tied: true } });
    await loadWeights(model, tensors, createParameterStore(store));
    values.fill(0);
    expect([...(store.tensors.get('embed.weight')?.data ?? [])]).toEqual(embed.values);
  });

  it.each(['F32', 'F16', 'BF16'] as const)('grows a vocabulary of %s by the mean of its rows', async (stored) => {
    const entries = { 'embed.weight': { ...grownFrom, dtype: stored }, 'head.weight': { ...head, shape: [2, 3] } };
    const wide: Family<{ tied: boolean }> = {
      ...tiny,
      build(builder) {
        const embed = builder.embedding('embed', { role: 'embedding.token', rows: 3, features: 2 });
        const head = builder.linear('head', { role: 'head', inFeatures: 3, outFeatures: 2 });
        return { head, hidden: (t, { ids }) => embed(t, ids) };
      },
    };
    const store = memoryStore();
    const model = buildModel({ family: wide, config: { tied: false } });
    await loadWeights(model, source(entries), createParameterStore(store), { vocabularyBefore: 2 });
    expect([...(store.tensors.get('embed.weight')?.data ?? [])]).toEqual([1, 2, 4, 8, 2.5, 5]);
    expect([...(store.tensors.get('head.weight')?.data ?? [])]).toEqual(head.values);
  });
  it('grows a head that is tied, or one of its own, with the embedding', async () => {
    const grow = async (tied: boolean, entries: Record<string, Entry>) => {
      const store = memoryStore();
      const model = buildModel({ family: tiny, config: { tied } });
      await loadWeights(model, source(entries), createParameterStore(store), { vocabularyBefore: 2 });
      return Object.fromEntries([...store.tensors].map(([name, { data }]) => [name, [...data]]));
    };
    const smaller: Entry = { shape: [2, 2], values: [0, -4, 6, 2] };
    expect(await grow(true, { 'embed.weight': grownFrom, 'head.weight': grownFrom })).toEqual({
      'embed.weight': [1, 2, 4, 8, 2.5, 5],
    });
    expect(await grow(false, { 'embed.weight': grownFrom, 'head.weight': smaller })).toEqual({
      'embed.weight': [1, 2, 4, 8, 2.5, 5],
      'head.weight': [0, -4, 6, 2, 3, -1],
    });
    await expect(
      grow(false, { 'embed.weight': grownFrom, 'head.weight': { shape: [1, 2], values: [1, 2] } }),
    ).rejects.toThrow(/SHAPE_MISMATCH at head\.weight/);
  });
});
