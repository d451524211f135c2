/** References that are a named adapter, frozen beside the one that is trained; and what is computed of references before training. */
import { houlsby } from '@tunesmith/adapter';
import {
  computePriors,
  createExecutableCache,
  createRolloutSource,
  elementCount,
  type Handle,
  type Method,
  type Objective,
  type Prior,
  type Row,
  type StepEvent,
  type Tensor,
  tf,
  tokenColumns,
} from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { lora } from '@tunesmith/lora';
import { prefixTuning, promptTuning } from '@tunesmith/prefix';
import { dpo, grpoWith, kto, ppoWith, rlooWith } from '@tunesmith/rlhf-dpo';
import { full } from '@tunesmith/selective';
import {
  relativeError,
  rowSource,
  type TinyModel,
  type TinyModelCase,
  tinyModel,
  tinyRows,
  tinyTrainer,
} from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyGpt2, tinyLlama } from './tiny-families.js';

const collate = { rows: 4, maxLength: 16, padToken: 0 };

function prepare(
  objective: Objective,
  methods: readonly Method[],
  adapters: Record<string, Method> = {},
  family: TinyModelCase = tinyLlama,
): Promise<TinyModel> {
  const named = Object.fromEntries(Object.entries(adapters).map(([name, method]) => [name, [method]]));
  return tinyModel({ ...family, objective }, methods, backends['onnx-cpu'](), 1, null, named);
}

/** Gives a method values that depend on nothing but the parameter's path. */
async function move({ model, parameters }: TinyModel, method: Method): Promise<void> {
  for (const handle of model.ownedBy(method)) {
    const values = await parameters.read(handle);
    await parameters.write(
      handle,
      values.map((_, index) => 0.2 * Math.sin(index + seedOf(handle))),
    );
  }
}

function seedOf({ path, shape }: Handle): number {
  return [...path].reduce((sum, letter) => sum + letter.charCodeAt(0), elementCount(shape));
}

/** Answers that begin after the second token. */
function answersOf({ model }: Pick<TinyModel, 'model'>, count: number): Row[] {
  return tinyRows(model, count).map(({ tokens }) => ({
    tokens,
    weights: new Float32Array(tokens.length).fill(1, 2),
  }));
}

function pairs(tiny: TinyModel): Row[] {
  const texts = answersOf(tiny, 16);
  return texts.slice(0, 8).map((row, index) => ({ ...row, rejected: texts[8 + index] as Row }));
}

async function priorsOf(tiny: TinyModel, rows: readonly Row[], objective = tiny.objective): Promise<Float32Array[]> {
  const executables = createExecutableCache(tiny.backend, tiny.parameters.tensors);
  const priors: Float32Array[] = [];
  for await (const each of computePriors(rows, { ...tiny, objective, executables, collate })) priors.push(each);
  await executables.dispose();
  return priors;
}

const withPriors = (rows: readonly Row[], priors: readonly Float32Array[]): Row[] =>
  rows.map((row, index) => ({ ...row, prior: priors[index] as Float32Array }));

async function train(tiny: TinyModel, rows: readonly Row[]): Promise<StepEvent[]> {
  const trainer = await tinyTrainer(tiny, { rows: rowSource(rows), steps: 3 });
  const events: StepEvent[] = [];
  try {
    for await (const event of trainer.run()) if (event.type === 'step') events.push(event);
  } finally {
    await trainer.dispose();
  }
  return events;
}

const losses = (events: readonly StepEvent[]): Float32Array => Float32Array.from(events, ({ loss }) => loss);
const flat = (values: readonly Float32Array[]): Float32Array => Float32Array.from(values.flatMap((each) => [...each]));

/** Σ log p of each text's answer by the model as its methods make it, which is no reference's own path. */
const asTrained: Prior = {
  key: 'as-trained',
  compute(model, columns, t) {
    const { targetPositions, targets, targetRows, targetWeights } = columns as Record<string, Tensor>;
    const each = model.run(t, tokenColumns(columns)).logProbs(targetPositions as Tensor, targets as Tensor);
    const rows = columns.answerTokens?.shape[0] as number;
    const isOf = tf.equal(tf.expandDims(targetRows as Tensor, 0), tf.reshape(tf.range(0, rows, 1, 'int32'), [rows, 1]));
    const weighted = tf.expandDims(tf.mul(each, targetWeights as Tensor), 1);
    return tf.reshape(tf.matMul(tf.cast(isOf, 'float32'), weighted), [-1, 2]);
  },
};

describe('a reference that is an adapter', () => {
  const referenceAdapter = 'sft';
  const cases: [string, () => Method, TinyModelCase][] = [
    ['lora, whose dropout is off', () => lora({ rank: 2, dropout: 0.5 }), tinyLlama],
    ['lora of GPT-2', () => lora({ rank: 2 }), tinyGpt2],
    ['a saved module', () => lora({ rank: 2, modulesToSave: ['lm_head'] }), tinyLlama],
    ['dora', () => lora({ rank: 2, useDora: true }), tinyLlama],
    ['ia3', () => ia3(), tinyLlama],
    ['houlsby', () => houlsby({ reductionFactor: 4 }), tinyLlama],
    ['prefix', () => prefixTuning({ virtualTokens: 3 }), tinyLlama],
  ];

  it.each(cases)('gives what a model with it gives: %s', async (_, method, family) => {
    const alone = method();
    const separate = await prepare(dpo(), [alone], {}, family);
    await move(separate, alone);
    const rows = pairs(separate);
    const priors = await priorsOf(separate, rows, { ...dpo(), prior: asTrained });

    const run = async (objective: Objective, given: readonly Row[]): Promise<Float32Array> => {
      const adapter = method();
      const tiny = await prepare(objective, [lora({ rank: 2 })], { sft: adapter }, family);
      await move(tiny, adapter);
      const before = await Promise.all(tiny.model.ownedBy(adapter).map((handle) => tiny.parameters.read(handle)));
      if (objective.prior) expect(relativeError(flat(await priorsOf(tiny, rows)), flat(priors))).toBeLessThan(1e-5);
      const found = losses(await train(tiny, given));
      const after = await Promise.all(tiny.model.ownedBy(adapter).map((handle) => tiny.parameters.read(handle)));
      expect(after).toEqual(before);
      return found;
    };
    const cached = await run(dpo({ reference: 'cached', referenceAdapter }), withPriors(rows, priors));
    expect(relativeError(await run(dpo({ referenceAdapter }), rows), cached)).toBeLessThan(1e-5);
    // The base alone says something else.
    expect(relativeError(await run(dpo(), rows), cached)).toBeGreaterThan(1e-3);
  });

  it('is where training starts, if what is trained starts as it does', async () => {
    const made = (): Method => lora({ rank: 2 });
    const [policy, adapter] = [promptTuning({ virtualTokens: 3 }), made()];
    // Virtual tokens of what is trained are none of the reference's.
    const beside = await prepare(dpo({ referenceAdapter }), [policy], { sft: adapter });
    await move(beside, adapter);
    expect(losses(await train(beside, pairs(beside)))[0]).not.toBeCloseTo(Math.LN2, 3);

    const [trained, frozen] = [made(), made()];
    const tiny = await prepare(dpo({ referenceAdapter }), [trained], { sft: frozen });
    await move(tiny, trained);
    await move(tiny, frozen);
    expect(losses(await train(tiny, pairs(tiny)))[0]).toBeCloseTo(Math.LN2, 6);
  });

  const policies = {
    grpo: (given: object) =>
      grpoWith({ name: 'grpo-own', reward: ({ length }) => length })({ ...given, beta: 0.1, answers: 2 }),
    rloo: (given: object) => rlooWith({ name: 'rloo-own', reward: ({ length }) => length })({ ...given, answers: 2 }),
    ppo: (given: object) => ppoWith({ name: 'ppo-own', reward: ({ length }) => length })({ ...given, temperature: 1 }),
  };
  it.each(Object.entries(policies))('is what %s is held to', async (_, create) => {
    const kl = async (options: object): Promise<number> => {
      const [trained, frozen] = [lora({ rank: 2 }), lora({ rank: 2 })];
      const objective = create({ prompts: 2, maxNewTokens: 4, ...options });
      const tiny = await prepare(objective, [trained, ...(objective.methods ?? [])], { sft: frozen });
      await move(tiny, trained);
      await move(tiny, frozen);
      const prompts = answersOf(tiny, 8).map(({ tokens }) => ({ tokens, weights: new Float32Array(tokens.length) }));
      const source = createRolloutSource({
        ...{ ...tiny, prompts: rowSource(prompts), eosTokens: [0], padToken: 0, maxLength: 20, batchSize: 2, seed: 3 },
        text: (ids) => [...ids].join(' '),
      });
      const trainer = await tinyTrainer(tiny, { rows: source, steps: 1, batchSize: 2 });
      try {
        for await (const event of trainer.run()) if (event.type === 'step') return event.terms.kl as number;
      } finally {
        await source.dispose();
        await trainer.dispose();
      }
      throw new Error('no step');
    };
    expect(Math.abs(await kl({ referenceAdapter }))).toBeLessThan(1e-5);
    expect(Math.abs(await kl({}))).toBeGreaterThan(1e-2);
  });

  it('must be there, and can act alone', async () => {
    const misspelt = await prepare(dpo({ referenceAdapter: 'stf' }), [lora({ rank: 2 })], { sft: lora({ rank: 2 }) });
    await expect(train(misspelt, pairs(misspelt))).rejects.toThrow(/NAME_UNKNOWN.*no adapter "stf".*sft/);
    const virtual = await prepare(dpo({ referenceAdapter }), [lora({ rank: 2 })], { sft: promptTuning() });
    await expect(train(virtual, pairs(virtual))).rejects.toThrow(/CAPABILITY_MISSING.*puts tokens of its own/);
    expect(() => dpo({ reference: 'none', loss: 'hinge', referenceAdapter })).toThrow(/CONFIG_INVALID/);
    expect(() => grpoWith({ name: 'free', reward: () => 0 })({ referenceAdapter })).toThrow(/beta above 0/);
  });
});

describe('rated answers by a reference that was asked before training', () => {
  const rated = (tiny: TinyModel): Row[] =>
    answersOf(tiny, 8).map((row, index) => ({ ...row, labels: Float32Array.of(index % 2) }));

  it.each([
    ['lora', () => lora({ rank: 2 })],
    ['prompt tuning', () => promptTuning({ virtualTokens: 3 })],
  ] as const)('are as by one that is asked at every step: %s', async (_, method) => {
    const live = await prepare(kto(), [method()]);
    const expected = await train(live, rated(live));
    const tiny = await prepare(kto({ reference: 'cached' }), [method()]);
    const rows = withPriors(rated(tiny), await priorsOf(tiny, rated(tiny)));
    const found = await train(tiny, rows);
    expect(relativeError(losses(found), losses(expected))).toBeLessThan(1e-5);
    for (const term of ['kl', 'rewards/chosen', 'logps/rejected']) {
      const of = (events: readonly StepEvent[]) => Float32Array.from(events, ({ terms }) => terms[term] as number);
      expect(relativeError(of(found), of(expected)), term).toBeLessThan(1e-5);
    }
  });

  it('keep the other answer that they were asked with, in whatever order rows come', async () => {
    const tiny = await prepare(kto({ reference: 'cached' }), [lora({ rank: 2 })]);
    const rows = withPriors(rated(tiny), await priorsOf(tiny, rated(tiny)));
    const [first] = await train(tiny, [...rows].reverse());
    // LoRA starts as its reference: z0 is of the same answers only if it is 0.
    expect(first?.terms.kl).toBeCloseTo(0, 6);
    expect(first?.loss).toBeCloseTo(0.5, 6);
  });

  it('train the model’s own weights', async () => {
    const tiny = await prepare(kto({ reference: 'cached' }), [full()]);
    const rows = withPriors(rated(tiny), await priorsOf(tiny, rated(tiny)));
    const found = losses(await train(tiny, rows));
    expect(found[0]).toBeCloseTo(0.5, 6);
    expect(found[2]).not.toBeCloseTo(0.5, 4);
  });
});
