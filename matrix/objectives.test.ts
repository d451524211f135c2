/** Every objective of the alignment package with every method: what is trained, over which base, how it is divided, and what is refused. */
import {
  computePriors,
  createExecutableCache,
  createRolloutSource,
  fourBit,
  type Method,
  type Objective,
  type Row,
  type RowSource,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import {
  cpo,
  dpo,
  grpo,
  grpoWith,
  kto,
  orpo,
  ppo,
  ppoWith,
  type RewardFunction,
  reward,
  rloo,
  rlooWith,
  simpo,
} from '@tunesmith/rlhf-dpo';
import { parseRecipe } from '@tunesmith/runtime';
import { bitfit } from '@tunesmith/selective';
import {
  relativeError,
  rowSource,
  type TinyModel,
  type TinyModelCase,
  type TinyTrainerOptions,
  tinyModel,
  tinyRows,
  tinyTrainer,
} from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { beside, inPlace } from './learners.js';
import { tinyGpt2, tinyLlama } from './tiny-families.js';
import { tinyPairs } from './tiny-pairs.js';

/** No two answers are worth the same. */
const judge: RewardFunction = ({ text }) =>
  text.split(' ').reduce((sum, id, at) => sum + (Number(id) / 48) * (1 + at / 7), 0);
const few = { prompts: 2, maxNewTokens: 3 };
const [grpoOf, rlooOf, ppoOf] = [grpoWith, rlooWith, ppoWith].map((define, index) =>
  define({ name: ['grpo', 'rloo', 'ppo'][index] as string, reward: judge }),
) as [ReturnType<typeof grpoWith>, ReturnType<typeof rlooWith>, ReturnType<typeof ppoWith>];

type Rows = (tiny: TinyModel) => RowSource | Promise<RowSource>;

const pairs: Rows = (tiny) => rowSource(tinyPairs(tiny));
const rated: Rows = async (tiny) => {
  const rows = tinyRows(tiny.model).map((row, index) => ({ ...row, labels: Float32Array.of(index % 2) }));
  return rowSource(tiny.objective.prior === undefined ? rows : await withPriors(tiny, rows));
};
const prompts: Rows = (tiny) => {
  const rows = tinyRows(tiny.model, 16, 6).map((row) => ({ ...row, weights: new Float32Array(row.tokens.length) }));
  return createRolloutSource({
    ...tiny,
    ...{ prompts: rowSource(rows), eosTokens: [0], padToken: 0, maxLength: 16, batchSize: 4, seed: 3 },
    text: (ids) => [...ids].join(' '),
  });
};

interface Learner {
  readonly rows: Rows;
  readonly create: () => Objective;
  /** With methods that train the checkpoint's weights; null where it needs the checkpoint at every step. */
  readonly inPlace: (() => Objective) | null;
  /** Whether `create`'s is refused there. */
  readonly needsReference?: true;
  /** Methods that it does not go with. */
  readonly refused?: Readonly<Record<string, RegExp>>;
  /** Why it does not accumulate, where it does not. */
  readonly coupled?: RegExp;
  readonly definition: { readonly name: string };
  readonly unpackable: string;
}

const ofPairs = { rows: pairs, unpackable: 'a row holds a prompt with one answer, and its pair another' };
const ofPrompts = { rows: prompts, unpackable: 'a row holds one answer of the model’s', needsReference: true } as const;
const learners: Record<string, Learner> = {
  kto: {
    ...{ rows: rated, create: () => kto(), inPlace: () => kto({ reference: 'cached' }), needsReference: true },
    refused: { 'fish-mask': /CAPABILITY_MISSING.*"kto" has no gradient of a row alone: z0 is a mean/ },
    coupled: /"kto" cannot accumulate gradients: z0 is a mean/,
    ...{
      definition: kto.definition,
      unpackable: 'a row holds one prompt, and is computed with another row’s answer too',
    },
  },
  orpo: { ...ofPairs, create: () => orpo(), inPlace: () => orpo(), definition: orpo.definition },
  simpo: { ...ofPairs, create: () => simpo(), inPlace: () => simpo(), definition: simpo.definition },
  reward: {
    ...ofPairs,
    ...{ create: () => reward(), inPlace: () => reward(), definition: reward.definition },
    refused: { 'a saved module': /NAME_UNKNOWN.*"lm_head" matches no site/ },
  },
  grpo: {
    ...ofPrompts,
    create: () => grpoOf({ ...few, answers: 2, beta: 0.1 }),
    ...{ inPlace: () => grpoOf({ ...few, answers: 2 }), definition: grpo.definition },
  },
  rloo: {
    ...ofPrompts,
    create: () => rlooOf(few),
    ...{ inPlace: () => rlooOf({ ...few, beta: 0 }), definition: rloo.definition },
  },
  ppo: { ...ofPrompts, create: () => ppoOf({ ...few, prompts: 4 }), inPlace: null, definition: ppo.definition },
};
const alike: Record<string, Learner> = {
  dpo: { ...ofPairs, create: () => dpo(), inPlace: null, definition: dpo.definition },
  cpo: { ...ofPairs, create: () => cpo(), inPlace: null, definition: cpo.definition },
};

const tiny: TinyModelCase = { ...tinyLlama, config: { ...tinyLlama.config, num_hidden_layers: 1 } };
const tinyBiased: TinyModelCase = { ...tinyGpt2, config: { ...tinyGpt2.config, n_layer: 1 } };

function prepare(method: Method, objective: Objective, family: TinyModelCase = tiny): Promise<TinyModel> {
  return tinyModel({ ...family, objective }, [method, ...(objective.methods ?? [])], backends['onnx-cpu']());
}

async function withPriors(tiny: TinyModel, rows: readonly Row[]): Promise<Row[]> {
  const executables = createExecutableCache(tiny.backend, tiny.parameters.tensors);
  const found: Row[] = [];
  for await (const prior of computePriors(rows, {
    ...tiny,
    executables,
    collate: { rows: 4, maxLength: 16, padToken: 0 },
  })) {
    found.push({ ...(rows[found.length] as Row), prior });
  }
  await executables.dispose();
  return found;
}

type Division = Pick<
  TinyTrainerOptions,
  'steps' | 'batchSize' | 'gradientAccumulation' | 'accumulateApart' | 'learningRate'
>;

async function train(
  model: TinyModel,
  rows: Rows,
  division: Division = { steps: 2, batchSize: 4 },
  onStep: () => Promise<void> = async () => {},
): Promise<Float32Array> {
  const source = await rows(model);
  const losses: number[] = [];
  const trainer = await tinyTrainer(model, { rows: source, ...division });
  try {
    for await (const event of trainer.run()) {
      if (event.type !== 'step') continue;
      if (losses.push(event.loss) === 1) await onStep();
    }
  } finally {
    await (source as { dispose?(): Promise<void> }).dispose?.();
    await trainer.dispose();
  }
  return Float32Array.from(losses);
}

/** Trains, and holds what the method trains, beside heads of the objective's own, to having moved at the first step. */
async function expectMoved(
  method: Method,
  { rows }: Learner,
  objective: Objective,
  family?: TinyModelCase,
): Promise<void> {
  const tiny = await prepare(method, objective, family);
  const read = async () => {
    const own = tiny.model.trained.filter(({ owner, path }) => owner !== 'value-head' && !path.startsWith('score'));
    return Promise.all(own.map(async (handle) => [handle.key, await tiny.parameters.read(handle)] as const));
  };
  const before = new Map(await read());
  let moved = 0;
  const losses = await train(tiny, rows, undefined, async () => {
    for (const [key, values] of await read()) {
      // What a stage has added since began at 0.
      moved = Math.max(moved, ...values.map((value, index) => Math.abs(value - (before.get(key)?.[index] ?? 0))));
    }
  });
  expect(losses).toHaveLength(2);
  expect(losses.every(Number.isFinite)).toBe(true);
  // Adam's first step is as long as the rate, whatever the gradient, and next to nothing without one.
  expect(moved).toBeGreaterThan(1e-3);
}

describe.each(Object.entries(learners))('%s', (_, learner) => {
  // GPT-2 has biases.
  it.each([...Object.entries(beside), ['bitfit', () => bitfit()] as const])('trains %s', async (name, method) => {
    const run = expectMoved(method(), learner, learner.create(), name === 'bitfit' ? tinyBiased : tiny);
    const refusal = learner.refused?.[name];
    if (refusal === undefined) await run;
    else await expect(run).rejects.toThrow(refusal);
  });

  it.each(Object.entries(inPlace))('trains %s, or says that the checkpoint is gone', async (name, method) => {
    const refusal = learner.refused?.[name];
    if (refusal !== undefined) {
      const run = expectMoved(method(), learner, (learner.inPlace as () => Objective)());
      await expect(run).rejects.toThrow(refusal);
      return;
    }
    if (learner.inPlace !== null) await expectMoved(method(), learner, learner.inPlace());
    if (!learner.needsReference) return;
    const run = prepare(method(), learner.create()).then((model) => train(model, learner.rows));
    await expect(run).rejects.toThrow(/CAPABILITY_MISSING.*as it was before training/s);
  });

  it('trains LoRA over codes', async () => {
    const quantization = { codec: fourBit({ type: 'nf4' as const, blockSize: 16, doubleQuantization: true }) };
    await expectMoved(lora({ rank: 2 }), learner, learner.create(), { ...tiny, quantization });
  });
});

describe.each(Object.entries({ ...learners, ...alike }))('%s', (_, learner) => {
  const made = () => prepare(lora({ rank: 2, dropout: 0.1 }), learner.create());

  it('is one batch however it is divided, or says why not', async () => {
    const parts = made().then((model) =>
      train(model, learner.rows, { steps: 2, batchSize: 2, gradientAccumulation: 2 }),
    );
    if (learner.coupled !== undefined) return expect(parts).rejects.toThrow(learner.coupled);
    expect(relativeError(await parts, await train(await made(), learner.rows))).toBeLessThan(1e-4);
  });

  it('is not packed, and says why', () => {
    const { name } = learner.definition;
    const value = {
      model: { path: '/m' },
      data: { train: '/d.jsonl', packing: true },
      method: 'lora',
      objective: name,
    };
    const factories = [cpo, dpo, grpo, kto, orpo, ppo, reward, rloo, simpo];
    expect(() => parseRecipe({ value, where: 'r.yaml' }, [lora], factories)).toThrow(
      `data.packing: not for ${name}: ${learner.unpackable}`,
    );
  });
});

const coupled = Object.entries(learners).filter(([, learner]) => learner.coupled !== undefined);
describe.each(coupled)('%s, whose loss is of a batch', (_, learner) => {
  it('takes each micro-batch for a batch of its own where that is asked for', async () => {
    const model = await prepare(lora({ rank: 2 }), learner.create());
    await train(model, learner.rows);
    const still = { batchSize: 2, learningRate: 0 };
    const halves = await train(model, learner.rows, { ...still, steps: 2 });
    const [apart = 0] = await train(model, learner.rows, {
      ...{ ...still, steps: 1, gradientAccumulation: 2, accumulateApart: true },
    });
    expect(apart).toBeCloseTo(((halves[0] as number) + (halves[1] as number)) / 2, 5);
    const [whole = 0] = await train(model, learner.rows, { steps: 1, batchSize: 4, learningRate: 0 });
    expect(Math.abs(apart - whole)).toBeGreaterThan(1e-7);
  });
});
