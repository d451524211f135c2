import {
  buildModel,
  createParameterStore,
  exportAdapter,
  type Family,
  type Handle,
  type HostTensor,
  importAdapter,
  initialiseHandles,
  type Model,
  memoryTensor,
  type ParameterStore,
  randomKey,
  randomNormal,
  type TensorSource,
  type TensorStore,
} from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { lora } from './lora.js';
import { preconditionerOf } from './lora-fa.js';
import { fromPeft } from './peft-config.js';

type Options = Parameters<typeof lora>[0];

/** An embedding, a norm, two linear layers with biases, and a head, which may be the embedding's. */
const family = (tied = false): Family<null> => ({
  name: 'little',
  modelTypes: ['little'],
  parseConfig: () => null,
  describe: () => ({ vocabularySize: 200, hiddenSize: 120, layers: 0, maxPositions: 8 }),
  build(builder) {
    const embed = builder.embedding('embed', { role: 'embedding.token', rows: 200, features: 120 });
    const norm = builder.norm('norm', { kind: 'layer', features: 120, epsilon: 1e-5 });
    const square = { role: 'mlp', inFeatures: 120, outFeatures: 120, bias: true } as const;
    const [first, second] = [builder.linear('first', square), builder.linear('second', square)];
    const head = builder.linear('lm_head', {
      role: 'head',
      inFeatures: 120,
      outFeatures: 200,
      ...(tied ? { tiedTo: embed.weight } : {}),
    });
    return { head, hidden: (t, { ids }) => second(t, first(t, norm(t, embed(t, ids)))) };
  },
  defaultTargets: { lora: ['first', 'second'] },
});

const build = (options: Options, tied = false): Model =>
  buildModel({ family: family(tied), config: null, methods: [lora(options)] });

function hostStore(): TensorStore {
  const tensors = new Map<string, HostTensor>();
  return {
    set: (name, tensor) => tensors.set(name, tensor),
    get: async (name) => tensors.get(name) as HostTensor,
    has: (name) => tensors.has(name),
    names: () => [...tensors.keys()],
    delete: (name) => tensors.delete(name),
    dispose: () => tensors.clear(),
  };
}

async function start(model: Model, seed = 1): Promise<ParameterStore> {
  const parameters = createParameterStore(hostStore());
  for (const handle of model.handles.filter(({ init }) => init === undefined)) {
    const key = randomKey(7, handle.key);
    const size = handle.shape.reduce((product, each) => product * each, 1);
    await parameters.write(
      handle,
      Float32Array.from({ length: size }, (_, index) => randomNormal(key, index)),
    );
  }
  await initialiseHandles(parameters, model.handles, seed);
  return parameters;
}

function named(model: Model, ending: string): Handle {
  return model.handles.find(({ path }) => path.endsWith(ending)) as Handle;
}

function spreadOf(values: Float32Array): { deviation: number; largest: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return { deviation, largest: Math.max(...values.map(Math.abs)) };
}

describe('first values', () => {
  it('are uniform for A and zero for B', async () => {
    const model = build({ rank: 100 });
    const parameters = await start(model);
    const a = spreadOf(await parameters.read(named(model, 'first.lora_A.weight')));
    const bound = 1 / Math.sqrt(120);
    expect(a.largest).toBeLessThanOrEqual(bound);
    expect(a.largest).toBeGreaterThan(0.99 * bound);
    // A uniform distribution's deviation is its bound / √3; a normal one with this bound's would be far smaller.
    expect(Math.abs(a.deviation / (bound / Math.sqrt(3)) - 1)).toBeLessThan(0.03);
    expect(new Set(await parameters.read(named(model, 'first.lora_B.weight')))).toEqual(new Set([0]));
  });

  it('are normal with deviation 1 / rank for a Gaussian A', async () => {
    const model = build({ rank: 100, initLoraWeights: 'gaussian' });
    const a = spreadOf(await (await start(model)).read(named(model, 'first.lora_A.weight')));
    expect(Math.abs(a.deviation * 100 - 1)).toBeLessThan(0.03);
    expect(a.largest / a.deviation).toBeGreaterThan(3);
  });

  it("are zero for an embedding's A and N(0, 1) for its B", async () => {
    const model = build({ rank: 100, targetModules: ['embed'] });
    const parameters = await start(model);
    expect(new Set(await parameters.read(named(model, 'lora_embedding_A')))).toEqual(new Set([0]));
    const b = spreadOf(await parameters.read(named(model, 'lora_embedding_B')));
    expect(Math.abs(b.deviation - 1)).toBeLessThan(0.03);
  });

  it.each(['pissa', 'olora'] as const)(
    'start %s alike for every seed, with what is taken away',
    async (initLoraWeights) => {
      const model = build({ rank: 3, initLoraWeights });
      const [one, other] = [await start(model, 1), await start(model, 2)];
      for (const factor of ['lora_A', 'lora_B']) {
        const trained = await one.read(named(model, `first.${factor}.weight`));
        expect(await one.read(named(model, `first.${factor}.start`))).toEqual(trained);
        const same = await other.read(named(model, `first.${factor}.weight`));
        expect(Math.max(...same.map((value, index) => Math.abs(value - (trained[index] as number))))).toBeLessThan(
          1e-6,
        );
      }
    },
  );
});

it('says that LoftQ needs a base that was quantised as it was loaded', async () => {
  const model = build({ rank: 3, initLoraWeights: 'loftq' });
  await expect(start(model)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    hint: expect.stringContaining('model.quantization'),
  });
});

it("takes a file whose values PEFT's LoftQ started, whatever it was told", () => {
  const peft = { peft_type: 'LORA', r: 4, init_lora_weights: 'loftq', loftq_config: { loftq_bits: 4, loftq_iter: 3 } };
  expect(fromPeft(peft)).toEqual({ rank: 4 });
  expect(() => fromPeft({ ...peft, init_lora_weights: true })).toThrow(/loftq_config/);
});

describe('files', () => {
  it("takes a targeted embedding that PEFT saved whole, if it is the base's", async () => {
    const method = lora({ rank: 2, targetModules: ['embed', 'first'] });
    const model = buildModel({ family: family(), config: null, methods: [method] });
    const parameters = await start(model);
    const { tensors } = await exportAdapter(model, method, parameters);
    const whole = await parameters.read(named(model, 'embed.weight'));
    const file = (data: Float32Array): TensorSource => {
      const name = 'base_model.model.embed.base_layer.weight';
      const stored = [...tensors, { name, shape: [200, 120], data }].map((each) =>
        memoryTensor(each.name, each.shape, each.data),
      );
      return {
        names: () => stored.map((each) => each.name),
        get: (wanted) => stored.find((each) => each.name === wanted),
      };
    };
    await importAdapter(model, method, parameters, file(whole));
    const other = whole.map((value, index) => (index === 7 ? value + 1 : value));
    await expect(importAdapter(model, method, parameters, file(other))).rejects.toThrow('another weight');
  });
});

describe('LoRA+', () => {
  /** PEFT's case (tests/test_loraplus.py): rate 5e-5, ratio 1.2. */

  it('refuses a tensor that has no place, with the nearest names, and says which it lacks', async () => {
    const method = lora({ rank: 2 });
    const model = buildModel({ family: family(), config: null, methods: [method] });
    const parameters = await start(model);
    const { tensors } = await exportAdapter(model, method, parameters);
    const file = (rename: (name: string) => string | null): TensorSource => {
      const stored = tensors.flatMap(({ name, shape, data }) => {
        const renamed = rename(name);
        return renamed === null ? [] : [memoryTensor(renamed, shape, data)];
      });
      return { names: () => stored.map(({ name }) => name), get: (name) => stored.find((each) => each.name === name) };
    };
    const name = 'base_model.model.first.lora_A.weight';
    const misspelt = file((each) => each.replace('first', 'frist'));
    await expect(importAdapter(model, method, parameters, misspelt)).rejects.toThrow(
      /NAME_UNKNOWN at base_model\.model\.frist\.lora_A\.weight.*holds 2 tensors .*Did you mean base_model\.model\.first\.lora_A\.weight/,
    );
    const short = file((each) => (each === name ? null : each));
    await expect(importAdapter(model, method, parameters, short)).rejects.toThrow(
      /FILE_INVALID at base_model\.model\.first\.lora_A\.weight: the adapter lacks a tensor.*Did you mean/,
    );
  });
  it('divides the parameters as PEFT does', () => {
    const model = build({
      loraPlusRatio: 1.2,
      targetModules: ['embed', 'first'],
      bias: 'all',
      modulesToSave: ['lm_head'],
    });
    const groups = model.hooks.flatMap(({ hooks }) => hooks.groups ?? []);
    const rate = (handle: Handle): number => {
      const group = groups.find(({ match }) => match(handle));
      return group?.learningRate ?? 5e-5 * (group?.scale ?? 1);
    };
    const rates = Object.fromEntries(model.trained.map((handle) => [handle.path, [rate(handle), handle.decay]]));
    expect(rates).toEqual({
      'embed.lora_embedding_A': [1e-6, true],
      'embed.lora_embedding_B': [1e-6, true],
      'first.lora_A.weight': [5e-5, true],
      'first.lora_B.weight': [5e-5 * 1.2, true],
      'first.bias': [5e-5 * 1.2, false],
      'second.bias': [5e-5 * 1.2, false],
      'norm.bias': [5e-5 * 1.2, false],
      'lm_head.weight': [5e-5, true],
    });
  });
});

describe('LoRA-FA', () => {
  it('trains B alone', () => {
    const model = build({ useLoraFa: true, targetModules: ['first'] });
    expect(model.trained.map(({ path }) => path)).toEqual(['first.lora_B.weight']);
  });

  it('corrects with the inverse of A·Aᵀ', () => {
    // A = [[1, 2], [2, 2]], A·Aᵀ = [[5, 6], [6, 8]], whose inverse is [[8, −6], [−6, 5]] / 4.
    const inverse = [...preconditionerOf(Float32Array.of(1, 2, 2, 2), 2)];
    for (const [index, value] of [2, -1.5, -1.5, 1.25].entries()) expect(inverse[index]).toBeCloseTo(value, 6);
  });
});

describe('refusals', () => {
  it.each<[string, Options, boolean]>([
    ['larger than that of the weight', { rank: 121, initLoraWeights: 'pissa' }, false],
    ['DoRA', { useLoraFa: true, useDora: true }, false],
    ['LoRA-FA would leave it', { useLoraFa: true, targetModules: ['embed'] }, false],
    ['no token 200', { trainableTokenIndices: [3, 200] }, false],
    ['named twice', { trainableTokenIndices: [3, 3] }, false],
    ['no embedding or linear module', { trainableTokenIndices: { embedding: [3] } }, false],
    ['tokens of its own', { targetModules: ['embed'], trainableTokenIndices: [3] }, false],
    ['tokens of its own', { targetModules: ['lm_head'], trainableTokenIndices: [3] }, true],
    ['name different tokens', { trainableTokenIndices: { embed: [3], lm_head: [4] } }, true],
  ])('%s', (message, options, tied) => {
    expect(() => build(options, tied)).toThrow(message);
  });

  it('lets a tied head follow the embedding, and trains an untied one by itself', () => {
    const rows = (model: Model): string[] =>
      model.trained.map(({ path }) => path).filter((path) => path.includes('token_adapter'));
    const indices = { targetModules: ['first'], trainableTokenIndices: { embed: [3], lm_head: [3] } };
    expect(rows(build(indices, true))).toEqual(['embed.token_adapter.trainable_tokens_delta']);
    expect(rows(build(indices))).toEqual([
      'embed.token_adapter.trainable_tokens_delta',
      'lm_head.token_adapter.trainable_tokens_delta',
    ]);
  });
});
