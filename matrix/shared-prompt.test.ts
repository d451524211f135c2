/** Two answers in one row behind their prompt, which is computed once: the numbers of two rows. */
import { houlsby } from '@tunesmith/adapter';
import type { Method, Objective, Row } from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { lora } from '@tunesmith/lora';
import { prefixTuning, promptTuning } from '@tunesmith/prefix';
import { cpo, dpo, orpo, reward, simpo } from '@tunesmith/rlhf-dpo';
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
import { tinyBert, tinyFamilies, tinyGpt2, tinyLlama } from './tiny-families.js';

/** Answers of several lengths, which in some pairs begin alike, to prompts of three tokens. */
function pairs({ model }: Pick<TinyModel, 'model'>): Row[] {
  const texts = tinyRows(model, 24);
  return texts.slice(0, 12).map((row, pair): Row => {
    const prompt = row.tokens.subarray(0, pair % 3 === 0 ? 4 : 3);
    const answer = (of: Row): Row => {
      const tokens = Int32Array.from([...prompt, ...of.tokens.subarray(3)]);
      return { tokens, weights: new Float32Array(tokens.length).fill(1, 3) };
    };
    return { ...answer(row), rejected: answer(texts[12 + pair] as Row) };
  });
}

async function losses(
  family: TinyModelCase,
  method: Method,
  options: object,
  given: TinyTrainerOptions = {},
  create: (options: object) => Objective = dpo,
): Promise<Float32Array> {
  const objective = create(options);
  const tiny = await tinyModel({ ...family, objective }, [method], backends['onnx-cpu']());
  const trainer = await tinyTrainer(tiny, { rows: rowSource(pairs(tiny)), steps: 4, batchSize: 3, ...given });
  const found: number[] = [];
  try {
    for await (const event of trainer.run()) if (event.type === 'step') found.push(event.loss, event.gradientNorm);
  } finally {
    await trainer.dispose();
  }
  return Float32Array.from(found);
}

describe('a shared prompt', () => {
  const methods: Record<string, () => Method> = {
    lora: () => lora({ rank: 2, targetModules: 'all-linear' }),
    ia3: () => ia3(),
    houlsby: () => houlsby({ reductionFactor: 4 }),
    prefix: () => prefixTuning({ virtualTokens: 3 }),
    'prompt tuning': () => promptTuning({ virtualTokens: 3 }),
  };
  const cases = [tinyLlama, tinyGpt2].flatMap((family) =>
    Object.entries(methods).map(([name, method]) => ({ family, name, method })),
  );
  it.each(cases)('changes no loss and no gradient: $family.family.name, $name', async ({ family, method }) => {
    const apart = await losses(family, method(), { beta: 1 });
    expect(relativeError(await losses(family, method(), { beta: 1, sharedPrompt: true }), apart)).toBeLessThan(2e-5);
  });

  // ORPO learns the prompt as well, and CPO answers alone, with normalisers of their own; a reward is read at each text's last token.
  const free: Record<string, (options: object) => Objective> = {
    orpo: (options) => orpo({ beta: 1, ...options }),
    'orpo, answers': (options) => orpo({ beta: 1, nllOver: 'answer', ...options }),
    cpo,
    'cpo, ipo': (options) => cpo({ loss: 'ipo', ...options }),
    simpo: (options) => simpo({ nllWeight: 0.5, ...options }),
    reward: (options) => reward({ centering: 0.1, ...options }),
  };
  it.each(Object.entries(free))('changes none of an objective without a reference: %s', async (_, create) => {
    for (const [family, method] of [
      [tinyLlama, () => lora({ rank: 2, targetModules: 'all-linear' })],
      [tinyGpt2, () => prefixTuning({ virtualTokens: 3 })],
    ] as const) {
      const run = (options: object, given?: TinyTrainerOptions) => losses(family, method(), options, given, create);
      const apart = await run({});
      expect(relativeError(await run({ sharedPrompt: true }), apart)).toBeLessThan(2e-5);
      const parts = { batchSize: 1, gradientAccumulation: 3 };
      expect(relativeError(await run({ sharedPrompt: true }, parts), apart)).toBeLessThan(2e-5);
    }
  });

  it('is computed again in recomputed blocks', async () => {
    const run = (options: object, given: TinyTrainerOptions) => losses(tinyLlama, lora({ rank: 2 }), options, given);
    const apart = await run({}, {});
    expect(relativeError(await run({ sharedPrompt: true }, { gradientCheckpointing: true }), apart)).toBeLessThan(2e-5);
    const parts = { batchSize: 1, gradientAccumulation: 3 };
    expect(relativeError(await run({ sharedPrompt: true }, parts), apart)).toBeLessThan(2e-5);
  });

  it.each(['mistral', 'qwen2'])('is refused where attention has a window: %s', async (name) => {
    const family = Object.values(tinyFamilies).find(({ family: { name: each } }) => each === name) as TinyModelCase;
    for (const create of [dpo, orpo, cpo, simpo, reward]) {
      const run = losses(family, lora({ rank: 2 }), { sharedPrompt: true }, {}, create);
      await expect(run).rejects.toThrow(/CAPABILITY_MISSING.*share a prompt.*a window of 5 keys/s);
    }
  });

  it('is refused where every token sees every other', async () => {
    const run = losses(tinyBert, lora({ rank: 2 }), { sharedPrompt: true }, {}, reward);
    await expect(run).rejects.toThrow(/CAPABILITY_MISSING.*share a prompt.*no causality/s);
  });
});
