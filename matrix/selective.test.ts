/** What freezing saves, what options select, and what is saved of it. */
import {
  adamw,
  buildModel,
  estimateTraining,
  exportAdapter,
  type Handle,
  type Method,
  type Model,
  mergedWeights,
  sft,
} from '@tunesmith/core';
import {
  type BitfitOptions,
  biasGroups,
  bitfit,
  type FreezeOptions,
  far,
  freeze,
  full,
  gradualUnfreezing,
  llrd,
} from '@tunesmith/selective';
import { tinyModel, tinyTrainer } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { type TinyFamily, tinyBert, tinyFamilies, tinyGpt2, tinyLlama } from './tiny-families.js';

const deepLlama: TinyFamily = { ...tinyLlama, config: { ...tinyLlama.config, num_hidden_layers: 4 } };

function build({ family, config, objective = sft }: TinyFamily, method: Method): Model {
  const { task = 'causal-lm', labels = 0 } = objective;
  return buildModel({ family, config: family.parseConfig(config), methods: [method], task, labels });
}

describe('freeze', () => {
  const trained = (family: TinyFamily, options: FreezeOptions): string[] =>
    build(family, freeze(options)).trained.map(({ path }) => path);
  const withoutWeight = (paths: readonly string[]): string[] => paths.map((path) => path.replace(/\.weight$/, ''));

  it('ends the backward pass at the lowest trained layer', async () => {
    const estimate = (method: Method) => {
      const [model, backend] = [build(deepLlama, method), backends['onnx-cpu']()];
      return estimateTraining({ model, backend, objective: sft, optimizer: adamw(), batchSize: 4, length: 16 });
    };
    const everything = await estimate(full());
    const last: Awaited<ReturnType<typeof estimate>>[] = [];
    for (const layers of [4, 3, 2, 1]) last.push(await estimate(freeze({ layers, top: false })));
    const saved = last.slice(1).map(({ flopsPerStep }, index) => (last[index]?.flopsPerStep ?? 0) - flopsPerStep);
    expect(new Set(saved).size).toBe(1); // a block's backward pass each
    const [one] = last.slice(-1);
    expect(one?.flopsPerStep).toBeLessThan(0.51 * everything.flopsPerStep);
    expect(one?.activationBytes).toBeLessThan(0.4 * everything.activationBytes);
    expect(one?.optimizerBytes).toBe(8 * (one?.trainedParameters ?? 0)); // Adam's two moments of what is trained alone
  });

  it('computes a head no second time to train it', async () => {
    const [batchSize, length] = [4, 16];
    const flops = async (method: Method): Promise<number> => {
      const [model, backend] = [build(deepLlama, method), backends['onnx-cpu']()];
      const run = { model, backend, objective: sft, optimizer: adamw(), batchSize, length };
      return (await estimateTraining(run)).flopsPerStep;
    };
    const trained = await flops(freeze({ layers: 'all' }));
    const frozen = await flops(freeze({ layers: 'all', frozenModules: ['lm_head'] }));
    const { vocab_size: vocabulary, hidden_size: width } = deepLlama.config;
    // Its gradient is one product of the size of its logits.
    expect(trained - frozen).toBe(2 * batchSize * length * Number(vocabulary) * Number(width));
  });

  it('trains the last layers and what follows them, but no tied head', () => {
    const last = trained(tinyLlama, { layers: 1 });
    expect(last.every((path) => /^model\.layers\.1\.|^model\.norm|^lm_head/.test(path))).toBe(true);
    expect(last).toHaveLength(9 + 2);
    expect(trained(tinyGpt2, { layers: 0 })).toEqual(['transformer.ln_f.weight', 'transformer.ln_f.bias']);
    expect(trained(tinyLlama, { layers: 'all' })).toEqual(build(tinyLlama, full()).trained.map(({ path }) => path));
  });

  it("trains an encoder's pooler with its last layer; the classifier is the engine's", () => {
    const last = trained(tinyBert, { layers: 0 });
    expect(withoutWeight(last).sort()).toEqual([
      'bert.pooler.dense',
      'bert.pooler.dense.bias',
      'classifier',
      'classifier.bias',
    ]);
  });

  it('takes modules by name and by expression, adds some and leaves some out', () => {
    const modules = trained(tinyLlama, { layers: 1, top: false, modules: ['self_attn'], frozenModules: ['q_proj'] });
    expect(withoutWeight(modules)).toEqual(
      ['k_proj', 'v_proj', 'o_proj'].map((each) => `model.layers.1.self_attn.${each}`),
    );
    const extra = trained(tinyLlama, { layers: 0, top: false, extraModules: '.*\\.0\\.mlp\\.(up|down)_proj' });
    expect(withoutWeight(extra)).toEqual(['model.layers.0.mlp.up_proj', 'model.layers.0.mlp.down_proj']);
  });

  it('refuses names that match nothing, too many layers, and a choice of nothing', () => {
    expect(() => trained(tinyLlama, { modules: ['self_attn', 'q_porj'] })).toThrow(/freeze.modules.*q_proj/);
    expect(() => trained(tinyLlama, { extraModules: '(' })).toThrow('not a regular expression');
    expect(() => trained(tinyLlama, { layers: 3 })).toThrow('at most 2');
    expect(() => trained(tinyLlama, { layers: 0, top: false })).toThrow('selects no weight');
  });

  it('saves four bytes for each weight that it trains', async () => {
    const tiny = await tinyModel(tinyLlama, [freeze({ layers: 1 })], backends['onnx-cpu']());
    const { tensors } = await exportAdapter(tiny.model, tiny.model.methods[0] as Method, tiny.parameters);
    expect(tensors.map(({ name }) => name)).toEqual(tiny.model.trained.map(({ path }) => `base_model.model.${path}`));
    tiny.parameters.tensors.dispose();
  });
});

describe('bitfit', () => {
  const trained = (family: TinyFamily, options: BitfitOptions) =>
    build(family, bitfit(options)).trained.map(({ path, shape }) => `${path} ${shape.join()}`);

  it('trains all biases as copies of their own', () => {
    const { trained: copies } = build(tinyGpt2, bitfit());
    expect(copies).toHaveLength(2 * 6 + 1);
    expect(copies.every(({ path, owner, decay }) => path.endsWith('.bias') && owner === 'bitfit' && !decay)).toBe(true);
  });

  it("trains the paper's groups, of a fused bias the part", () => {
    const all = biasGroups.filter((group) => !['query', 'key', 'value'].includes(group));
    expect(trained(tinyGpt2, { biases: ['key'] })).toEqual(
      [0, 1].map((block) => `transformer.h.${block}.attn.c_attn.bias.key 16`),
    );
    expect(trained(tinyGpt2, { biases: ['query', 'value', 'key'] })).toEqual(
      [0, 1].map((block) => `transformer.h.${block}.attn.c_attn.bias 48`),
    );
    const names = ['ln_1', 'attn.c_proj', 'ln_2', 'mlp.c_fc', 'mlp.c_proj'];
    expect(
      trained(tinyGpt2, { biases: [...all] })
        .map((path) => path.replace(/\.bias .*/, ''))
        .sort(),
    ).toEqual([0, 1].flatMap((block) => names.map((name) => `transformer.h.${block}.${name}`)).sort());
    expect(trained(tinyGpt2, { biases: ['attentionNorm'] })[0]).toContain('ln_1');
    expect(trained(tinyGpt2, { biases: ['intermediate'] })[0]).toContain('c_fc');
  });

  it("finds the paper's eight groups in BERT, and leaves the classifier to the engine", () => {
    const block = (path: string): string => path.replace(/^.*layer\.\d\.(.*)\.bias .*$/, '$1');
    const perGroup = biasGroups.map((group) => block(trained(tinyBert, { biases: [group] })[0] as string));
    expect(perGroup).toEqual([
      ...['query', 'key', 'value'].map((name) => `attention.self.${name}`),
      ...['attention.output.dense', 'attention.output.LayerNorm'],
      ...['intermediate.dense', 'output.dense', 'output.LayerNorm'],
    ]);
    const { trained: all } = build(tinyBert, bitfit());
    expect(all.filter(({ owner }) => owner === 'bitfit')).toHaveLength(2 * 8 + 2);
    expect(all.filter(({ owner }) => owner !== 'bitfit').map(({ path }) => path)).toEqual([
      'classifier.weight',
      'classifier.bias',
    ]);
  });

  it('says where a model has none, or none of a group', () => {
    expect(() => trained(tinyLlama, {})).toThrow(/no biases to train.*ia3/s);
    expect(() => trained(tinyLlama, { biases: ['query'] })).toThrow('no biases to train');
    expect(() => trained(tinyFamilies.qwen2, { biases: ['query', 'output'] })).toThrow(
      /no biases of output.*query, key, value/s,
    );
  });
});

describe('layer-wise rates', () => {
  const scales = (family: TinyFamily, method: Method): Record<string, number | undefined> => {
    const { trained, hooks } = build(family, method);
    const groups = hooks.flatMap((each) => each.hooks.groups ?? []);
    return Object.fromEntries(trained.map((handle) => [handle.path, groups.find(({ match }) => match(handle))?.scale]));
  };

  it('fall by a factor a layer, to the embeddings; a tied head goes with them', () => {
    expect(scales(tinyLlama, llrd({ decay: 0.5 }))).toMatchObject({
      'lm_head.weight': 1,
      'model.norm.weight': 1,
      'model.layers.1.mlp.up_proj.weight': 1,
      'model.layers.0.mlp.up_proj.weight': 0.5,
      'model.embed_tokens.weight': 0.25,
    });
    expect(scales(tinyGpt2, llrd({ decay: 0.5 }))).toMatchObject({
      'transformer.h.0.ln_1.bias': 0.5,
      'transformer.wte.weight': 0.25,
      'transformer.wpe.weight': 0.25,
    });
    expect(scales(tinyLlama, freeze({ layers: 2, top: false, layerDecay: 0.1 }))).toMatchObject({
      'model.layers.1.mlp.up_proj.weight': 1,
      'model.layers.0.mlp.up_proj.weight': 0.1,
    });
  });
});

describe('gradual unfreezing', () => {
  it('trains from the top down, each stage what the next one goes on with', async () => {
    for (const [family, expected] of [
      [tinyLlama, ['top', 'layer 1', 'layer 0', 'embeddings']],
      [tinyGpt2, ['layer 1', 'layer 0', 'embeddings']],
      [tinyBert, ['top', 'layer 1', 'layer 0', 'embeddings']],
    ] as const) {
      const method = gradualUnfreezing({ every: 1, unit: 'step' });
      const tiny = await tinyModel(family, [method], backends['onnx-cpu']());
      const trainer = await tinyTrainer(tiny, { steps: expected.length });
      const stages: string[] = [];
      const trained: string[][] = [];
      for await (const event of trainer.run()) {
        if (event.type === 'stage') stages.push(event.name);
        if (event.type === 'step') trained.push(tiny.model.trained.map(({ path }) => path));
      }
      await trainer.dispose();
      tiny.parameters.tensors.dispose();
      expect(stages).toEqual(expected);
      expect(trained.slice(1).every((now, index) => trained[index]?.every((path) => now.includes(path)))).toBe(true);
      expect(trained.at(-1)).toHaveLength(tiny.model.handles.filter(({ owner }) => owner === 'base').length);
    }
  });

  it('refuses a run that ends before the last group thaws', async () => {
    const tiny = await tinyModel(tinyLlama, [gradualUnfreezing({ unit: 'step' })], backends['onnx-cpu']());
    await expect(tinyTrainer(tiny, { steps: 3 })).rejects.toThrow(/more than 3 steps for 4 groups/);
    tiny.parameters.tensors.dispose();
  });
});

describe('far', () => {
  /** Every weight of the model, merged, by path. */
  async function weightsOf({ model, parameters }: Awaited<ReturnType<typeof tinyModel>>) {
    const weights = new Map<string, Float32Array>();
    for await (const { handle, values } of mergedWeights(model, parameters)) weights.set(handle.path, values.slice());
    return weights;
  }

  it.each([
    ['llama', tinyLlama, 1 + 2 * 6 + 2, 0],
    ['gpt2', tinyGpt2, 2 + 2 * 8 + 2, 4],
    ['bert', tinyBert, 5 + 2 * 12 + 4, 4],
  ] as const)(
    'trains all of a %s, then the nodes that moved most and what is outside',
    async (_, family, outside, biases) => {
      const tiny = await tinyModel(family, [far({ priming: 0.5, keep: 0.25 })], backends['onnx-cpu']());
      const start = await weightsOf(tiny);
      let primed = new Map<string, Float32Array>();
      const trainer = await tinyTrainer(tiny, { steps: 4 });
      for await (const event of trainer.run())
        if (event.type === 'stage' && event.name === 'learners') primed = await weightsOf(tiny);
      await trainer.dispose();
      const end = await weightsOf(tiny);
      const { model } = tiny;

      const learners = model.stage?.memory as Record<string, number[]>;
      const layers = model.sites.filter((site) => site.kind === 'linear').filter(({ role }) => role.startsWith('mlp.'));
      expect(Object.keys(learners).sort()).toEqual(layers.map(({ path }) => path).sort());
      const base = model.trained.filter(({ owner }) => owner === 'base' || owner === 'head');
      expect(base).toHaveLength(outside);
      expect(model.trained.length - base.length).toBe(layers.length + biases);

      for (const { path, outFeatures, inFeatures, layout, weightHandle, biasHandle } of layers) {
        const at = (node: number, column: number) =>
          layout === 'out-in' ? node * inFeatures + column : column * outFeatures + node;
        /** The L1 distance of every node between two states. */
        const distances = (from: Map<string, Float32Array>, to: Map<string, Float32Array>) =>
          Array.from({ length: outFeatures }, (_, node) => {
            const difference = ({ path: name }: Handle, index: number) =>
              Math.abs((to.get(name)?.[index] as number) - (from.get(name)?.[index] as number));
            const columns = Array.from({ length: inFeatures }, (_, column) =>
              difference(weightHandle, at(node, column)),
            );
            return columns.reduce((sum, each) => sum + each, biasHandle === null ? 0 : difference(biasHandle, node));
          });
        const [moved, own] = [distances(start, primed), learners[path] as number[]];
        expect(own).toHaveLength(Math.round(outFeatures / 4));
        const least = Math.min(...own.map((node) => moved[node] as number));
        const others = moved.filter((_, node) => !own.includes(node));
        expect(Math.max(...others)).toBeLessThanOrEqual(least * (1 + 1e-5));
        // What was not chosen stays where priming left it, to the bit; the rest goes on.
        for (const [node, distance] of distances(primed, end).entries())
          expect(distance > 0, `${path} ${node}`).toBe(own.includes(node));
      }
      tiny.parameters.tensors.dispose();
    },
  );

  it('costs the backward pass of what it trains', async () => {
    const estimate = async (keep: number) => {
      const [method, backend] = [far({ keep, rest: 'freeze' }), backends['onnx-cpu']()];
      const learners = Object.fromEntries(
        build(deepLlama, method).sites.flatMap((site) =>
          site.kind === 'linear' && site.role.startsWith('mlp.')
            ? [[site.path, Array.from({ length: Math.round(keep * site.outFeatures) }, (_, node) => node)]]
            : [],
        ),
      );
      const config = deepLlama.family.parseConfig(deepLlama.config);
      const stage = { name: 'learners', memory: learners, moved: [] };
      const model = buildModel({ family: deepLlama.family, config, methods: [method], stage });
      return estimateTraining({ model, backend, objective: sft, optimizer: adamw(), batchSize: 4, length: 16 });
    };
    const [few, half, most] = [await estimate(0.125), await estimate(0.5), await estimate(0.875)];
    expect(half.flopsPerStep - few.flopsPerStep).toBe(most.flopsPerStep - half.flopsPerStep);
    expect(few.optimizerBytes).toBe(8 * few.trainedParameters);
    expect(few.trainedParameters).toBe(0.125 * 4 * 3 * 16 * 24);
  });

  it('refuses a run without a step after priming', async () => {
    const tiny = await tinyModel(tinyLlama, [far()], backends['onnx-cpu']());
    await expect(tinyTrainer(tiny, { steps: 1 })).rejects.toThrow(/far.priming.*got 1 of 1/);
    tiny.parameters.tensors.dispose();
  });
});
