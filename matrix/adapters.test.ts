/** Adapters of several methods on one base: alone, stacked, mixed row by row, merged. */
import {
  apiVersion,
  buildModel,
  createExecutableCache,
  defineMethod,
  evaluate,
  type Method,
  mergeInPlace,
  sft,
  type Tensor,
  tf,
  zeros,
} from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { adalora, lora } from '@tunesmith/lora';
import { bitfit, full } from '@tunesmith/selective';
import { relativeError, tinyRows } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { backends } from './backends.js';
import { answers, logitsUnder, type TinyAdapters, tinyAdapters } from './tiny-adapters.js';
import { tinyBert, tinyGpt2, tinyLlama } from './tiny-families.js';

const backend = backends['onnx-cpu']();

const prompts = [
  [3, 14, 15, 9, 26],
  [5, 35, 8, 9, 7],
  [9, 3, 2, 38, 4],
  [6, 2, 6, 43, 3],
  [33, 8, 32, 7, 9],
];
const ragged = [[3, 14, 15, 9, 26], [5, 35], [9, 3, 2, 38, 4, 6, 26, 4], [33], [8, 32, 7]];

/** The adapters of the tests, each made anew: a method object belongs to one of them. */
const makers: Readonly<Record<string, () => Method[]>> = {
  french: () => [lora({ rank: 2, targetModules: 'all-linear' })],
  german: () => [lora({ rank: 3, alpha: 16, modulesToSave: ['lm_head'] })],
  terse: () => [ia3()],
  both: () => [lora({ rank: 2 }), ia3()],
};

function adaptersOf(names: readonly string[]): Record<string, Method[]> {
  return Object.fromEntries(names.map((name) => [name, makers[name]?.() as Method[]]));
}

describe.each([tinyLlama])('on $family.name', (tiny) => {
  const names = Object.keys(makers);
  const shared = tinyAdapters(tiny, backend, { adapters: adaptersOf(names) });

  /** The same base, with what a stack holds as methods. */
  async function asMethods(stack: readonly string[]) {
    const made = stack.map((name) => ({ name, methods: makers[name]?.() as Method[] }));
    return tinyAdapters(tiny, backend, {
      methods: made.flatMap(({ methods }) => methods),
      valuesOf: (owner) => {
        const adapter = made.find(({ methods }) => methods.some((method) => method.name === owner));
        return adapter === undefined ? owner : `${adapter.name}/${owner}`;
      },
    });
  }

  it.each([[[]], [['french']], [['german']], [['terse']], [['both']], [['french', 'terse']], [['terse', 'german']]])(
    'the stack %j acts as a model built with it does',
    async (stack) => {
      const [together, alone] = [await shared, await asMethods(stack)];
      const got = await logitsUnder(together, prompts, [stack]);
      const want = await logitsUnder(alone, prompts, [[]]);
      got.forEach((logits, row) => {
        expect(relativeError(logits, want[row] as Float32Array)).toBeLessThan(1e-6);
      });
      expect(await answers(together, ragged, { adapters: stack })).toEqual(await answers(alone, ragged));
    },
  );

  it('rows of a batch have adapters of their own, and each is as it would be alone', async () => {
    const together = await shared;
    const stacks = [[], ['french'], ['german'], ['terse'], ['both'], ['terse', 'french']];
    const stackOfRow = [4, 1, 0, 2, 3];
    const mixed = await logitsUnder(together, prompts, stacks, stackOfRow);
    const seen = new Set<string>();
    for (const [row, stack] of stackOfRow.entries()) {
      const [alone] = await logitsUnder(together, [prompts[row] as number[]], [stacks[stack] as string[]]);
      expect(relativeError(mixed[row] as Float32Array, alone as Float32Array)).toBeLessThan(1e-5);
      const [base] = await logitsUnder(together, [prompts[row] as number[]], [[]]);
      seen.add(stack === 0 || relativeError(alone as Float32Array, base as Float32Array) > 1e-2 ? 'differs' : 'same');
    }
    expect([...seen]).toEqual(['differs']);
  });

  it('knows whose a position is where only some positions have logits', async () => {
    const together = await shared;
    const stacks = [[], ['german']];
    const whole = await logitsUnder(together, prompts, stacks, [0, 1, 0, 1, 1]);
    const positions = [23, 7, 2, 5, 14, 24, 0];
    const picked = await logitsUnder(together, prompts, stacks, [0, 1, 0, 1, 1], positions);
    const { vocabularySize } = together.model.shape;
    for (const [index, position] of positions.entries()) {
      const [row, at] = [Math.floor(position / 5), position % 5];
      const want = whole[row]?.subarray(at * vocabularySize, (at + 1) * vocabularySize) as Float32Array;
      expect(relativeError(picked[index] as Float32Array, want)).toBeLessThan(1e-5);
    }
  });

  it('gives rows of a batch the tokens that each would get alone', async () => {
    const together = await shared;
    const choices = ['german', null, ['terse', 'french'], 'both', 'french'];
    const mixed = await answers(together, ragged, { adapters: (row) => choices[row] as string });
    for (const [row, adapters] of choices.entries()) {
      expect(mixed[row]).toEqual((await answers(together, [ragged[row] as number[]], { adapters }))[0]);
    }
    const base = await answers(together, ragged);
    expect(mixed.filter((tokens, row) => tokens.join() !== base[row]?.join()).length).toBeGreaterThanOrEqual(3);
  });

  it.each([[['french']], [['terse']], [['both']], [['terse', 'french']]])(
    'merged into the base, %j gives the tokens that it gives beside it, and is taken out again',
    async (stack) => {
      const together = await tinyAdapters(tiny, backend, { adapters: adaptersOf(names) });
      const [separate, base] = [await answers(together, ragged, { adapters: stack }), await answers(together, ragged)];
      const { unmerge } = await mergeInPlace(together.model, together.parameters, { adapters: stack });
      expect(await answers(together, ragged)).toEqual(separate);
      await unmerge();
      expect(await answers(together, ragged)).toEqual(base);
      expect(separate).not.toEqual(base);
    },
  );
});

it('two methods of one kind act one around the other, as adapters of the same values do', async () => {
  const makeBoth = () => [lora({ rank: 2 }), lora({ rank: 3 })] as const;
  const valuesOf = (owner: string): string => ({ lora: 'one/lora', 'lora#2': 'two/lora' })[owner] ?? owner;
  const methods = await tinyAdapters(tinyLlama, backend, { methods: makeBoth(), valuesOf });
  const [one, two] = makeBoth();
  const stacked = await tinyAdapters(tinyLlama, backend, { adapters: { one: [one], two: [two] } });
  const separate = await answers(methods, ragged);
  expect(separate).toEqual(await answers(stacked, ragged, { adapters: ['one', 'two'] }));
  expect(separate).not.toEqual(await answers(stacked, ragged, { adapters: 'one' }));
  await mergeInPlace(methods.model, methods.parameters);
  expect(await answers(stackedBase(methods), ragged)).toEqual(separate);
});

describe('every kind of adapter', () => {
  it.each<[string, typeof tinyLlama | typeof tinyGpt2, () => Method]>([
    ['rsLoRA', tinyLlama, () => lora({ rank: 2, useRslora: true })],
    ['DoRA', tinyLlama, () => lora({ rank: 2, useDora: true })],
    ['PiSSA', tinyLlama, () => lora({ rank: 2, initLoraWeights: 'pissa' })],
    ['LoRA of embedding and head', tinyLlama, () => lora({ rank: 2, targetModules: ['embed_tokens', 'lm_head'] })],
    ['tokens', tinyLlama, () => lora({ rank: 2, trainableTokenIndices: [3, 14] })],
    ['AdaLoRA', tinyLlama, () => adalora({ initRank: 4, targetRank: 2 })],
    ['biases', tinyGpt2, () => bitfit()],
    ['IA³ of a fused layer', tinyGpt2, () => ia3()],
    ['LoRA of a fused layer', tinyGpt2, () => lora({ rank: 2 })],
  ])('is mixed by row with the base and another, and stacked: %s', async (_, tiny, make) => {
    const adapters = { own: [make()], other: [lora({ rank: 2, targetModules: 'all-linear' })] };
    const together = await tinyAdapters(tiny, backend, { adapters });
    const stacks = [['own'], [], ['other'], ['other', 'own']];
    const mixed = await logitsUnder(together, prompts, stacks, [0, 1, 2, 0, 3]);
    const seen = await Promise.all(stacks.map((stack) => logitsUnder(together, prompts, [stack])));
    for (const [row, stack] of [0, 1, 2, 0, 3].entries()) {
      expect(relativeError(mixed[row] as Float32Array, seen[stack]?.[row] as Float32Array)).toBeLessThan(1e-5);
      if (stack === 1) continue;
      const [base] = [seen[1]?.[row] as Float32Array];
      expect(relativeError(seen[stack]?.[row] as Float32Array, base)).toBeGreaterThan(1e-3);
    }
    const tokens = await answers(together, ragged, { adapters: (row) => (row % 2 === 0 ? 'own' : 'other') });
    expect(tokens[2]).toEqual((await answers(together, [ragged[2] as number[]], { adapters: 'own' }))[0]);
    // As a method it says the same.
    const valuesOf = (owner: string): string => (owner === 'base' ? owner : `own/${owner}`);
    const alone = await tinyAdapters(tiny, backend, { methods: [make()], valuesOf });
    const [want] = await logitsUnder(alone, prompts, [[]]);
    expect(relativeError(seen[0]?.[0] as Float32Array, want as Float32Array)).toBeLessThan(1e-6);
  });

  it('brings a head of its own to an encoder', async () => {
    const adapters = { one: [lora({ rank: 2 })], two: [ia3()] };
    const together = await tinyAdapters(tinyBert, backend, { adapters });
    const heads = together.model.handles.filter(({ owner }) => owner.endsWith('/head'));
    expect([...new Set(heads.map(({ owner }) => owner))]).toEqual(['one/head', 'two/head']);
    const scores = (stacks: string[][], stackOfRow?: number[]) =>
      logitsUnder(together, prompts, stacks, stackOfRow, [4, 9, 14, 19, 24], (run, last) => run.scores(last as Tensor));
    const mixed = await scores([['one'], ['two'], []], [0, 1, 2, 1, 0]);
    const each = [await scores([['one']]), await scores([['two']]), await scores([[]])];
    for (const [row, stack] of [0, 1, 2, 1, 0].entries()) {
      expect(relativeError(mixed[row] as Float32Array, each[stack]?.[row] as Float32Array)).toBeLessThan(1e-5);
    }
    expect(relativeError(each[0]?.[0] as Float32Array, each[2]?.[0] as Float32Array)).toBeGreaterThan(1e-2);
    expect(together.model.ownedBy(adapters.one[0] as Method).filter((handle) => heads.includes(handle))).toHaveLength(
      heads.length / 2,
    );
  });
});

describe('what takes places before a text', () => {
  const capabilities = { mergeable: false, identityAtInit: false, trainsBase: false };
  /** Three virtual tokens. */
  const prompt = defineMethod({
    ...{ name: 'prompt', apiVersion, summary: 'virtual tokens', config: z.object({}), capabilities },
    create: () => ({
      patchModel(patcher) {
        const { features } = patcher.sites('embedding')[0] as { features: number };
        patcher.reserve(3, patcher.parameter('rows', { shape: [3, features], init: zeros }));
      },
    }),
  });
  /** Two keys and values before all others, which take two positions. */
  const prefix = defineMethod({
    ...{ name: 'prefix', apiVersion, summary: 'keys and values', config: z.object({}), capabilities },
    create: () => ({
      patchModel(patcher) {
        patcher.shiftPositions(2);
        patcher.wrap('attention', { include: '.*' }, ({ parameter, keyHeads, headDim }) => {
          const shape = [1, keyHeads, 2, headDim];
          const [key, value] = [parameter('key', { shape, init: zeros }), parameter('value', { shape, init: zeros })];
          return (call, next, t) => {
            const inRows = (x: Tensor): Tensor => tf.tile(x, [call.query.shape[0] as number, 1, 1, 1]);
            return next({ ...call, prefix: { key: inRows(t.value(key)), value: inRows(t.value(value)) } });
          };
        });
      },
    }),
  });

  it.each([tinyLlama, tinyGpt2])('is mixed by row too: $family.name', async (tiny) => {
    const make: Record<'two' | 'three' | 'four', () => Method[]> = {
      two: () => [prompt()],
      three: () => [prefix()],
      four: () => [lora({ rank: 2 }), prompt()],
    };
    const adapters = { two: make.two(), three: make.three(), four: make.four() };
    const together = await tinyAdapters(tiny, backend, { adapters });
    const choices = ['four', 'two', null, 'three', ['two', 'three']];
    const mixed = await answers(together, ragged, { adapters: (row) => choices[row] as string });
    const plain = await answers(together, ragged);
    for (const [row, choice] of choices.entries()) {
      const alone = await answers(together, [ragged[row] as number[]], { adapters: choice as string });
      expect(mixed[row], JSON.stringify(choice)).toEqual(alone[0]);
      if (choice !== null) expect(mixed[row]).not.toEqual(plain[row]);
    }
    // Up to the last position that there is.
    const long = [Array.from({ length: 58 }, (_, index) => index % 48), [5]];
    const last = { adapters: (row: number) => (row === 0 ? 'two' : 'three'), maxNewTokens: 2 };
    const [, short] = await answers(together, long, last);
    expect(short).toEqual((await answers(together, [[5]], { ...last, adapters: 'three' }))[0]);
    // As methods of a model they say the same.
    for (const name of ['two', 'three'] as const) {
      const valuesOf = (owner: string): string => (owner === 'base' ? owner : `${name}/${owner}`);
      const built = await tinyAdapters(tiny, backend, { methods: make[name](), valuesOf });
      expect(await answers(built, ragged)).toEqual(await answers(together, ragged, { adapters: name }));
      expect(await lossOf(built)).toBeCloseTo(await lossOf(together, [name]), 5);
      expect(await lossOf(built)).not.toBeCloseTo(await lossOf(together), 3);
    }
  });

  it('is refused where rows would need other keys and values of the same tokens', async () => {
    const turned = defineMethod({
      ...{ name: 'turned', apiVersion, summary: 'keys of its own', config: z.object({}), capabilities },
      create: () => ({
        patchModel(patcher) {
          patcher.wrap('attention', { include: '.*' }, ({ parameter, headDim }) => {
            const scale = parameter('scale', { shape: [headDim], init: zeros });
            return (call, next, t) => next({ ...call, key: tf.mul(call.key, t.value(scale)) });
          });
        },
      }),
    });
    const together = await tinyAdapters(tinyLlama, backend, { adapters: { turned: [turned()] } });
    await expect(answers(together, ragged, { adapters: (row) => (row === 0 ? 'turned' : null) })).rejects.toThrow(
      'CAPABILITY_MISSING at model.layers.0.self_attn: these adapters cannot be mixed row by row',
    );
    // For all rows alike, and without a cache, it is no trouble.
    expect(await answers(together, ragged, { adapters: 'turned' })).not.toEqual(await answers(together, ragged));
    const [alone] = await logitsUnder(together, [prompts[0] as number[]], [['turned']]);
    const [mixed] = await logitsUnder(together, prompts.slice(0, 2), [['turned'], []], [0, 1]);
    expect(relativeError(mixed as Float32Array, alone as Float32Array)).toBeLessThan(1e-5);
  });
});

/** The loss over a few rows with some of the adapters. */
async function lossOf({ model, parameters }: TinyAdapters, adapters: string[] = []): Promise<number> {
  const executables = createExecutableCache(backend, parameters.tensors);
  const collate = { rows: 4, maxLength: 16, padToken: 0 };
  const options = { model, parameters, objective: sft, executables, collate, adapters };
  const { loss } = await evaluate(tinyRows(model, 6), options);
  await executables.dispose();
  return loss;
}

/** The merged values, run without the methods. */
function stackedBase({ parameters }: Awaited<ReturnType<typeof tinyAdapters>>) {
  const { family, config } = tinyLlama;
  return { model: buildModel({ family, config: family.parseConfig(config) }), parameters, backend };
}

describe('what cannot stand together is refused', () => {
  const models = (adapters: Record<string, Method[]>) => tinyAdapters(tinyLlama, backend, { adapters });

  it('a name that is none, with the nearest', async () => {
    const together = await models(adaptersOf(['french', 'terse']));
    await expect(answers(together, ragged, { adapters: 'frensh' })).rejects.toThrow('french');
    await expect(answers(together, ragged, { adapters: ['terse', 'terse'] })).rejects.toThrow('stacked on itself');
    await expect(answers(together, ragged, { adapters: (row) => (row === 3 ? 'torse' : null) })).rejects.toThrow(
      'there is no adapter "torse"',
    );
  });

  it('two adapters that each bring a whole head', async () => {
    const makeOne = () => [lora({ modulesToSave: ['lm_head'] })];
    const together = await models({ one: makeOne(), two: makeOne() });
    await expect(answers(together, ragged, { adapters: ['one', 'two'] })).rejects.toThrow(
      'METHOD_CONFLICT at one, two: each of one and two brings a whole "lm_head.weight"',
    );
    // Side by side they are no trouble.
    const mixed = await answers(together, ragged, { adapters: (row) => (row % 2 === 0 ? 'one' : 'two') });
    expect(mixed[1]).toEqual((await answers(together, [ragged[1] as number[]], { adapters: 'two' }))[0]);
  });

  it("what trains the base's own weights, in part or whole", async () => {
    await expect(models({ whole: [full()] })).rejects.toThrow('"full" cannot be an adapter beside others');
    const biased = tinyAdapters(tinyGpt2, backend, { adapters: { biased: [lora({ bias: 'all' })] } });
    await expect(biased).rejects.toThrow("it trains the base's own weights");
  });

  it('whole copies of one module by two methods that both act always', async () => {
    const saving = () => lora({ modulesToSave: ['lm_head'] });
    await expect(tinyAdapters(tinyLlama, backend, { methods: [saving(), saving()] })).rejects.toThrow(
      'lora and lora#2 each bring a whole "lm_head.weight"',
    );
  });

  it('a choice for each of several examples that are packed into one row', async () => {
    const together = await models(adaptersOf(['french']));
    await expect(logitsUnder(together, prompts, [['french'], []], [0, 1, 0, 1, 1, 0])).rejects.toThrow(
      'Examples of several adapters cannot be packed into one row',
    );
  });

  it('one method object in two adapters', async () => {
    const method = lora();
    await expect(models({ one: [method], two: [method] })).rejects.toThrow('one lora object is given twice');
  });

  it('nothing of a stack that is merged and cannot be', async () => {
    const together = await models(adaptersOf(['french']));
    await expect(mergeInPlace(together.model, together.parameters, { adapters: ['fran'] })).rejects.toThrow('french');
  });
});
