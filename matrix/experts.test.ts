/** Mixtures of experts in training: what bounds an expert's load, what a step says of it, and which parts may be trained. */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { type Backend, buildModel, type Method, type StepEvent } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { mixtral } from '@tunesmith/models';
import { freeze, full } from '@tunesmith/selective';
import { describeMethod, type TinyTrainerOptions, tinyModel, trainTiny } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { tinyMixtral, tinySwitch } from './tiny-families.js';

const onnx = (): Backend => createOnnxBackend({ device: 'cpu' });

/** The steps of a training with changed keys of config.json. */
async function steps(
  changes: Record<string, unknown>,
  options: TinyTrainerOptions = {},
  { methods = [full()], backend = onnx() }: { methods?: Method[]; backend?: Backend | Promise<Backend> } = {},
): Promise<StepEvent[]> {
  const config = { ...tinyMixtral.config, ...changes };
  const tiny = await tinyModel({ family: mixtral, config }, methods, await backend);
  const events: StepEvent[] = [];
  const onEvent = async (event: unknown): Promise<void> => {
    if ((event as StepEvent).type === 'step') events.push(event as StepEvent);
  };
  await trainTiny(tiny, { steps: 3, ...options, onEvent });
  tiny.parameters.tensors.dispose();
  return events;
}

const losses = (events: readonly StepEvent[]): number[] => events.map(({ loss }) => loss);
const observed = (events: readonly StepEvent[], name: string): number[] =>
  events.map((event) => event.observed[`experts.${name}`] as number);

function expectSame(actual: number[], expected: number[]): void {
  for (const [index, each] of actual.entries())
    expect(Math.abs(each / (expected[index] as number) - 1)).toBeLessThan(1e-5);
}

describe('a capacity', () => {
  it('that all have room in changes nothing but the cost', async () => {
    const free = await steps({});
    const roomy = await steps({ expert_capacity_factor: 2 });
    expectSame(losses(roomy), losses(free));
    expect(observed(roomy, 'droppedShare')).toEqual([0, 0, 0]);
    expect(Object.keys(free[0]?.observed ?? {})).not.toContain('experts.droppedShare');
  });

  it('lets tokens above it pass by, and says how many', async () => {
    const free = await steps({});
    const tight = await steps({ expert_capacity_factor: 0.75 });
    for (const share of observed(tight, 'droppedShare')) expect(share).toBeGreaterThan(0.05);
    expect(Math.abs((tight[0]?.loss ?? 0) - (free[0]?.loss ?? 0))).toBeGreaterThan(1e-3);
  });

  it('is the same on both engines, with recomputed blocks and dropout, and however rows are accumulated', async () => {
    const config = { expert_capacity_factor: 0.75 };
    const methods = (): Method[] => [lora({ rank: 2, dropout: 0.1, targetModules: ['w1', 'w2', 'q_proj'] })];
    const whole = await steps(config, {}, { methods: methods() });
    const recomputed = await steps(config, { gradientCheckpointing: true }, { methods: methods() });
    const backend = createTfjsBackend({ prefer: 'cpu' });
    const eager = await steps(config, { gradientCheckpointing: true }, { methods: methods(), backend });
    const parts = await steps(config, { batchSize: 2, gradientAccumulation: 2 }, { methods: methods() });
    for (const other of [recomputed, eager, parts]) expectSame(losses(other), losses(whole));
    expectSame(observed(recomputed, 'droppedShare'), observed(whole, 'droppedShare'));
    expectSame(observed(eager, 'largestOverMean'), observed(whole, 'largestOverMean'));
  });
});

describe('what a step says of the experts', () => {
  it('is 1 where all have as much, and all experts where one has everything', async () => {
    const everywhere = await steps({ num_experts_per_tok: 4 });
    for (const each of observed(everywhere, 'largestOverMean')) expect(each).toBeCloseTo(1, 5);
    const some = await steps({ num_experts_per_tok: 1 });
    for (const each of observed(some, 'largestOverMean')) {
      expect(each).toBeGreaterThan(1);
      expect(each).toBeLessThanOrEqual(4);
    }
  });

  it('is the mean over micro-batches', async () => {
    const [first] = observed(await steps({}, { batchSize: 2, gradientAccumulation: 2, steps: 1 }), 'largestOverMean');
    expect(first).toBeGreaterThan(1);
    expect(first).toBeLessThan(2);
  });
});

describe("the routers' losses", () => {
  const balanced = { output_router_logits: true, router_aux_loss_coef: 1 };

  it('are refused where gradients are accumulated', async () => {
    await expect(steps(balanced, { batchSize: 2, gradientAccumulation: 2 })).rejects.toThrow(
      /CAPABILITY_MISSING at experts\.balance.*gradientAccumulation 1/s,
    );
  });

  it('even the load out', async () => {
    const late = async (weight: number): Promise<number> => {
      const events = await steps({ ...balanced, router_aux_loss_coef: weight }, { steps: 60 });
      return events.slice(-10).reduce((sum, { terms }) => sum + (terms['experts.balance'] as number) / 10, 0);
    };
    const [ignored, heeded] = [await late(1e-9), await late(1)];
    // 2, the experts of a token, is the least.
    expect(heeded - 2).toBeLessThan(0.5 * (ignored - 2));
  });

  it('keep the logits small', async () => {
    const [first, ...later] = await steps({ router_z_loss_coef: 1 }, { steps: 40 });
    expect(later.at(-1)?.terms['experts.z']).toBeLessThan(0.5 * (first?.terms['experts.z'] ?? 0));
  });
});

describe('parts of the experts', () => {
  const trainedBy = (method: Method): string[] =>
    buildModel({ family: mixtral, config: mixtral.parseConfig(tinyMixtral.config), methods: [method] })
      .trained.map(({ path }) => path)
      .sort();
  const paths = (layers: number[], ...inside: string[]): string[] =>
    layers.flatMap((layer) => inside.map((each) => `model.layers.${layer}.block_sparse_moe.${each}.weight`)).sort();
  const experts = [0, 1, 2, 3].flatMap((expert) => ['w1', 'w2', 'w3'].map((part) => `experts.${expert}.${part}`));
  const whole = { layers: 'all', top: false } as const;

  it.each([
    ['all experts', { modules: '.*\\.experts\\.\\d+\\..*' }, paths([0, 1], ...experts)],
    ['the router alone', { modules: ['block_sparse_moe.gate'] }, paths([0, 1], 'gate')],
    [
      'chosen experts',
      { modules: '.*\\.layers\\.1\\..*\\.experts\\.(0|2)\\..*' },
      paths([1], ...experts.filter((name) => /experts\.[02]/.test(name))),
    ],
  ])('train alone: %s', async (_, { modules }, expected) => {
    const method = freeze({ ...whole, modules });
    expect(trainedBy(method)).toEqual(expected);
    const [first, ...later] = losses(await steps({}, { steps: 10 }, { methods: [freeze({ ...whole, modules })] }));
    expect(later.at(-1)).not.toBe(first);
  });

  it('each have an adapter of their own', async () => {
    const method = lora({ rank: 2, targetModules: ['w1', 'w2', 'w3'] });
    expect(trainedBy(method)).toHaveLength(2 * 2 * experts.length);
    const some = lora({ rank: 2, targetModules: '.*\\.experts\\.3\\.w[13]' });
    expect(new Set(trainedBy(some).map((path) => path.replace(/\.lora_[AB].*/, '')))).toEqual(
      new Set(
        [0, 1].flatMap((layer) =>
          ['w1', 'w3'].map((part) => `model.layers.${layer}.block_sparse_moe.experts.3.${part}`),
        ),
      ),
    );
    expect(losses(await steps({}, { steps: 2 }, { methods: [some] }))).toHaveLength(2);
  });
});

describe("parts of a Switch Transformer's experts", () => {
  const parts = ['encoder.block.1.layer.1.mlp', 'decoder.block.1.layer.2.mlp'];
  const expert = (index: number): string[] => ['wi', 'wo'].map((name) => `experts.expert_${index}.${name}`);
  const paths = (inside: readonly string[], suffix = '.weight'): string[] =>
    parts.flatMap((part) => inside.map((each) => `${part}.${each}${suffix}`)).sort();

  async function trained(method: Method): Promise<{ paths: string[]; losses: number[] }> {
    const tiny = await tinyModel(tinySwitch, [method], onnx());
    const events: StepEvent[] = [];
    const onEvent = async (event: unknown): Promise<void> => {
      if ((event as StepEvent).type === 'step') events.push(event as StepEvent);
    };
    await trainTiny(tiny, { steps: 3, onEvent });
    const seen = { paths: tiny.model.trained.map(({ path }) => path).sort(), losses: losses(events) };
    tiny.parameters.tensors.dispose();
    return seen;
  }
  const freezeAllBut = (modules: string | string[]): Method => freeze({ layers: 'all', top: false, modules });

  it.each([
    ['all experts', freezeAllBut('.*\\.experts\\..*'), paths([0, 1, 2].flatMap(expert))],
    ['the routers alone', freezeAllBut(['router.classifier']), paths(['router.classifier'])],
    ['chosen experts', freezeAllBut('.*\\.expert_(0|2)\\..*'), paths([0, 2].flatMap(expert))],
    [
      'LoRA in one expert',
      lora({ rank: 2, targetModules: '.*\\.expert_1\\..*' }),
      ['A', 'B'].flatMap((factor) => paths(expert(1), `.lora_${factor}.weight`)).sort(),
    ],
  ])('train alone: %s', async (_, method, expected) => {
    const seen = await trained(method);
    expect(seen.paths).toEqual(expected);
    expect(seen.losses.at(-1)).not.toBe(seen.losses[0]);
  });
});

describeMethod(lora, {
  createBackend: onnx,
  extent: 'all',
  cases: [
    { ...tinyMixtral, name: "mixtral's experts", methodConfig: { rank: 2, targetModules: ['w1', 'w2', 'w3'] } },
    {
      ...tinyMixtral,
      name: "mixtral's experts and routers, by parameters",
      methodConfig: { rank: 2, targetModules: ['gate'], targetParameters: ['mlp.experts.down_proj'] },
    },
    {
      ...tinySwitch,
      name: "switch's experts and routers",
      methodConfig: { rank: 2, targetModules: ['wi', 'wo', 'classifier'] },
    },
  ],
});
