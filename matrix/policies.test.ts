/** Learning from answers of the model's own, with methods of every kind: what is drawn, how it is divided, and how it goes on. */
import {
  type CheckpointStore,
  computePriors,
  createExecutableCache,
  createRolloutSource,
  createTokenGenerator,
  fourBit,
  type Method,
  type Objective,
  type Prior,
  type Rollouts,
  type Row,
  type StepEvent,
  type Tensor,
  type TrainerCheckpoint,
} from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { lora } from '@tunesmith/lora';
import { promptTuning } from '@tunesmith/prefix';
import { grpoWith, ppoWith, type RewardFunction, rlooWith } from '@tunesmith/rlhf-dpo';
import { freeze, full, gradualUnfreezing } from '@tunesmith/selective';
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
import { tinyGpt2, tinyLlama } from './tiny-families.js';

/** The share of ids below 16, of 48: there is one best policy. */
const reward: RewardFunction = ({ text }) => {
  const ids = text.split(' ').map(Number);
  return ids.filter((id) => id < 16).length / ids.length;
};
const [maxNewTokens, prompts] = [6, 2];
const common = { maxNewTokens, prompts };
const grpo = grpoWith({ name: 'grpo-low', reward });
const rloo = rlooWith({ name: 'rloo-low', reward });
const ppo = ppoWith({ name: 'ppo-low', reward });
const policies: Record<string, () => Objective> = {
  grpo: () => grpo({ ...common, answers: 4, beta: 0.1, epochs: 2 }),
  rloo: () => rloo({ ...common, answers: 4, epochs: 2 }),
  ppo: () => ppo({ ...common, prompts: 8, epochs: 2, temperature: 1 }),
  'ppo, scores after ends': () => ppo({ ...common, prompts: 8, epochs: 2, temperature: 1, scoreAfterEnd: true }),
};

function prepare(methods: readonly Method[], objective: Objective, family: TinyModelCase = tinyLlama) {
  return tinyModel({ ...family, objective }, [...methods, ...(objective.methods ?? [])], backends['onnx-cpu']());
}

function sourceOf(tiny: TinyModel, seed = 3, onWarning?: (warning: string) => void) {
  const rows = tinyRows(tiny.model, 16, 6).map(
    (row): Row => ({ ...row, weights: new Float32Array(row.tokens.length) }),
  );
  return createRolloutSource({
    ...tiny,
    ...{ prompts: rowSource(rows), eosTokens: [0], padToken: 0, maxLength: 16, batchSize: 4, seed },
    text: (ids) => [...ids].join(' '),
    ...(onWarning && { onWarning }),
  });
}

interface Run {
  readonly events: readonly StepEvent[];
  readonly saved: readonly TrainerCheckpoint[];
}

async function train(tiny: TinyModel, options: TinyTrainerOptions = {}, from?: TrainerCheckpoint): Promise<Run> {
  const saved: TrainerCheckpoint[] = [];
  const checkpoints: CheckpointStore = { save: async (checkpoint) => void saved.push(checkpoint) };
  const source = sourceOf(tiny);
  const trainer = await tinyTrainer(tiny, { rows: source, steps: 4, checkpoints, ...options });
  const events: StepEvent[] = [];
  try {
    if (from !== undefined) await trainer.restore(JSON.parse(JSON.stringify(from), revive(from)) as TrainerCheckpoint);
    for await (const event of trainer.run()) if (event.type === 'step') events.push(event);
  } finally {
    await source.dispose();
    await trainer.dispose();
  }
  return { events, saved };
}

/** A checkpoint's state goes through JSON, as on disk; its tensors do not. */
function revive({ tensors }: TrainerCheckpoint): (key: string, value: unknown) => unknown {
  return (key, value) => (key === 'tensors' ? tensors : value);
}

const losses = ({ events }: Run): Float32Array => Float32Array.from(events, ({ loss }) => loss);
const terms = ({ events }: Run, name: string): number[] => events.map((event) => event.terms[name] as number);

describe('rollouts', () => {
  const method = (): Method => lora({ rank: 2, dropout: 0.1, initLoraWeights: 'gaussian' });

  it.each(Object.entries(policies))(
    'of %s are one batch however they are divided, dropout and all',
    async (_, create) => {
      const whole = await train(await prepare([method()], create()), { batchSize: 8 });
      const parts = await train(await prepare([method()], create()), { batchSize: 2, gradientAccumulation: 4 });
      expect(relativeError(losses(parts), losses(whole))).toBeLessThan(1e-4);
      expect(
        relativeError(Float32Array.from(terms(parts, 'reward')), Float32Array.from(terms(whole, 'reward'))),
      ).toBeLessThan(1e-6);
    },
  );

  it.each(Object.entries(policies))('of %s go on to the same bits from the middle of one', async (_, create) => {
    const whole = await train(await prepare([method()], create()), { steps: 6 });
    // Batches of four of a rollout of eight answers, gone through twice: step 3 is within the first.
    const rest = await train(await prepare([method()], create()), { steps: 6 }, whole.saved[2]);
    expect(losses(rest)).toEqual(losses(whole).slice(3));
    expect(rest.saved.at(-1)?.tensors).toEqual(whole.saved.at(-1)?.tensors);
  });

  it.each([tinyLlama, tinyGpt2])(
    'are drawn with a fresh forward pass’s log-probabilities: $family.name',
    async (family) => {
      const objective = policies.grpo?.() as Objective & { rollouts: Rollouts };
      const tiny = await prepare([method()], objective, family);
      const generator = createTokenGenerator({ ...tiny, eosTokens: [0], padToken: 0, maxLength: 16 });
      const asked = tinyRows(tiny.model, 6, 9).map(({ tokens }) => tokens);
      const drawn = asked.map(() => ({ tokens: [] as number[], logProbs: [] as number[] }));
      for await (const { row, token, logProb } of generator.generate(asked, {
        maxNewTokens,
        temperature: 1,
        seed: 7,
      })) {
        drawn[row]?.tokens.push(token);
        drawn[row]?.logProbs.push(logProb);
      }
      await generator.dispose();
      const rows = asked.map((prompt, index): Row => {
        const tokens = Int32Array.from([...prompt, ...(drawn[index]?.tokens ?? [])]);
        return { tokens, weights: new Float32Array(tokens.length).fill(1, prompt.length) };
      });
      const compute: Prior['compute'] = (...args) => objective.rollouts.measure(...args).old as Tensor;
      const executables = createExecutableCache(tiny.backend, tiny.parameters.tensors);
      const measured: Float32Array[] = [];
      const parts = { ...tiny, objective: { ...objective, prior: { key: 'log-probs', compute } }, executables };
      for await (const each of computePriors(rows, { ...parts, collate: { rows: 3, maxLength: 16, padToken: 0 } })) {
        measured.push(each);
      }
      await executables.dispose();
      for (const [index, { logProbs }] of drawn.entries()) {
        expect(logProbs.length).toBeGreaterThan(0);
        for (const [at, logProb] of logProbs.entries())
          expect(Math.abs(logProb - (measured[index]?.[at] as number))).toBeLessThan(1e-4);
      }
    },
  );

  it('begin at the model that answered: nothing is clipped, and nothing moved', async () => {
    const objective = grpo({ ...common, answers: 4, beta: 0.1 });
    const run = await train(await prepare([lora({ rank: 2 })], objective), { batchSize: 8, steps: 1 });
    expect(terms(run, 'kl_old')[0]).toBeLessThan(1e-9);
    expect(terms(run, 'clipped')).toEqual([0]);
    // LoRA starts as the reference itself.
    expect(Math.abs(terms(run, 'kl')[0] as number)).toBeLessThan(1e-5);
  });

  it('are given up where the model has moved too far', async () => {
    const create = (mostKl?: number) =>
      ppo({ ...common, prompts: 4, epochs: 8, temperature: 1, ...(mostKl && { mostKl }) });
    const options = { steps: 8, learningRate: 3e-2 };
    const patient = await train(await prepare([method()], create()), options);
    expect(new Set(terms(patient, 'reward')).size).toBe(1);
    const hasty = await train(await prepare([method()], create(1e-6)), options);
    expect(new Set(terms(hasty, 'reward')).size).toBeGreaterThan(3);
  });
});

describe('policies', () => {
  const learners: Record<string, Objective> = {
    grpo: grpo({ maxNewTokens, prompts: 4, answers: 8 }),
    rloo: rloo({ maxNewTokens, prompts: 4, answers: 8, beta: 0.01, normalise: true }),
    ppo: ppo({ maxNewTokens, prompts: 32, epochs: 2, temperature: 1, klCoefficient: 0.01, mostKl: 0.1 }),
  };
  it.each(Object.entries(learners))('learn by %s what is rewarded', async (_, objective) => {
    const run = await train(await prepare([lora({ rank: 4, targetModules: 'all-linear' })], objective), {
      ...{ batchSize: 32, steps: 30, learningRate: 3e-2 },
    });
    const rewards = terms(run, 'reward');
    const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(meanOf(rewards.slice(-4))).toBeGreaterThan(meanOf(rewards.slice(0, 4)) + 0.15);
  });

  const cases: readonly [string, () => Method, TinyModelCase][] = [
    ['ia3', () => ia3(), tinyLlama],
    ['prompt tuning', () => promptTuning({ virtualTokens: 3 }), tinyLlama],
    [
      'lora over codes',
      () => lora({ rank: 2 }),
      { ...tinyLlama, quantization: { codec: fourBit({ type: 'nf4', blockSize: 16, doubleQuantization: true }) } },
    ],
  ];
  it.each(cases)('are trained by %s', async (_, method, family) => {
    for (const create of Object.values(policies)) {
      const run = await train(await prepare([method()], create(), family), { steps: 2, batchSize: 8 });
      expect(losses(run).every(Number.isFinite)).toBe(true);
    }
  });

  it('train the model’s own weights where they need no reference, in stages too', async () => {
    const free = () => grpo({ ...common, answers: 4 });
    for (const method of [full(), freeze({ layers: 1 }), gradualUnfreezing({ every: 'even' })]) {
      const run = await train(await prepare([method], free()), { steps: 4 });
      expect(losses(run).every(Number.isFinite)).toBe(true);
    }
    const referred = train(await prepare([full()], policies.grpo?.() as Objective));
    await expect(referred).rejects.toThrow(/CAPABILITY_MISSING.*as it was before training/);
  });

  it('are evaluated by the reward of held-out prompts, drawn alike each time', async () => {
    const tiny = await prepare([lora({ rank: 2 })], policies.grpo?.() as Objective);
    const [one, other] = [sourceOf(tiny), sourceOf(tiny)];
    const read = async (source: ReturnType<typeof sourceOf>): Promise<Row[]> => {
      const rows: Row[] = [];
      const asked = tinyRows(tiny.model, 5, 6).map((row) => ({ ...row, weights: new Float32Array(row.tokens.length) }));
      for await (const row of source.evaluate(asked)) rows.push(row);
      await source.dispose();
      return rows;
    };
    const rows = await read(one);
    expect(rows).toHaveLength(5);
    expect(await read(other)).toEqual(rows);
  });
});

it('objectives without rollouts have no answers to learn from', async () => {
  const tiny = await prepare([lora({ rank: 2 })], policies.grpo?.() as Objective);
  const { rollouts: _, ...plain } = tiny.objective;
  expect(() => sourceOf({ ...tiny, objective: plain })).toThrow(/CAPABILITY_MISSING.*does not learn from answers/);
});
