import { describe, expect, it } from 'vitest';
import type { Family } from '../model/family.js';
import { buildModel } from '../model/model.js';
import { createParameterStore } from '../parameters/parameter-store.js';
import type { Backend, HostTensor } from '../program/backend.js';
import type { Named } from '../tensor/tfjs.js';
import { createTokenGenerator, type GenerateOptions, type GenerationStep } from './token-generator.js';

const vocabulary = 8;

/** A model of which only its shape is looked at: the backend below computes nothing. */
const family: Family<null> = {
  name: 'counting',
  modelTypes: ['counting'],
  parseConfig: () => null,
  describe: () => ({ vocabularySize: vocabulary, hiddenSize: 2, layers: 1, maxPositions: 64 }),
  build(builder) {
    const embed = builder.embedding('embed', { role: 'embedding.token', rows: vocabulary, features: 2 });
    builder.child('block', 0).attention('attention', { heads: 1, keyHeads: 1, headDim: 2, causal: true });
    const head = builder.linear('head', { role: 'head', inFeatures: 2, outFeatures: vocabulary });
    return { head, hidden: (t, { ids }) => embed(t, ids) };
  },
  defaultTargets: {},
};

/** After a token comes the next one, modulo the vocabulary; keys hold their token, so that the cache can be looked at. */
function countingBackend(height = 5) {
  const compiled: string[] = [];
  const runs: Named<HostTensor>[] = [];
  const backend: Backend = {
    name: 'counting',
    createStore: () => ({
      set: () => {},
      get: () => Promise.reject(new Error('nothing is stored')),
      has: () => false,
      names: () => [],
      delete: () => {},
      dispose: () => {},
    }),
    async compile(program) {
      compiled.push(program.name);
      return {
        info: {},
        async run(inputs) {
          runs.push(inputs);
          const ids = inputs.ids as HostTensor;
          const [rows = 0, length = 0] = ids.shape;
          const logits = new Float32Array(rows * vocabulary);
          for (let row = 0; row < rows; row++) {
            const last = inputs.last === undefined ? row : (inputs.last.data[row] as number);
            logits[row * vocabulary + (((ids.data[last] as number) + 1) % vocabulary)] = height;
          }
          const keys = Float32Array.from({ length: rows * length * 2 }, (_, index) => ids.data[index >> 1] as number);
          const spread: HostTensor = { dtype: 'float32', shape: [rows, 1, length, 2], data: keys };
          return {
            logits: { dtype: 'float32', shape: [rows, vocabulary], data: logits },
            'key.block.attention': spread,
            'value.block.attention': spread,
          };
        },
        dispose: async () => {},
      };
    },
  };
  return { backend, compiled, runs };
}

function open(eosTokens: number[] = [], maxLength?: number, height?: number) {
  const { backend, compiled, runs } = countingBackend(height);
  const generator = createTokenGenerator({
    model: buildModel({ family, config: null }),
    parameters: createParameterStore(backend.createStore()),
    backend,
    eosTokens,
    padToken: 0,
    ...(maxLength === undefined ? {} : { maxLength }),
  });
  return { generator, compiled, runs };
}

async function collect(
  generator: ReturnType<typeof open>['generator'],
  prompts: number[][],
  options?: GenerateOptions,
): Promise<GenerationStep[][]> {
  const rows: GenerationStep[][] = prompts.map(() => []);
  for await (const step of generator.generate(prompts, options)) rows[step.row]?.push(step);
  return rows;
}
const tokens = (rows: GenerationStep[][]): number[][] => rows.map((steps) => steps.map(({ token }) => token));
const ends = (rows: GenerationStep[][]): (string | null | undefined)[] => rows.map((steps) => steps.at(-1)?.end);

describe('createTokenGenerator', () => {
  it('continues rows of different lengths, each to its own end', async () => {
    const { generator } = open([7]);
    const rows = await collect(generator, [[5], [0, 1, 2], [0, 7, 6]], { maxNewTokens: 3 });
    expect(tokens(rows)).toEqual([[6, 7], [3, 4, 5], [7]]);
    expect(ends(rows)).toEqual(['eos', 'length', 'eos']);
    expect(rows[0]?.[0]?.end).toBeNull();
    expect(rows[0]?.[0]?.logProb).toBeCloseTo(5 - Math.log(Math.exp(5) + 7), 6);
  });
  it('keeps each token in the slot of its position, whatever the other rows do', async () => {
    const { generator, runs } = open();
    await collect(generator, [[5], [0, 1, 2]], { maxNewTokens: 4 });
    const { shape, data } = (runs.at(-1) as Named<HostTensor>)['key.block.attention'] as HostTensor;
    const slots = shape[2] as number;
    expect(slots).toBe(16);
    const row = (index: number, count: number): number[] =>
      Array.from({ length: count }, (_, slot) => data[(index * slots + slot) * 2] as number);
    expect(row(0, 4)).toEqual([5, 6, 7, 0]);
    expect(row(1, 6)).toEqual([0, 1, 2, 3, 4, 5]);
  });
  it('stops where the caller says, seeing only what was generated', async () => {
    const { generator } = open();
    const seen: number[][] = [];
    const rows = await collect(generator, [[0, 1], [5]], {
      maxNewTokens: 5,
      stop(generated, row) {
        seen.push([row, ...generated]);
        return generated.slice(-2).join() === '2,3';
      },
    });
    expect(tokens(rows)).toEqual([
      [2, 3],
      [6, 7, 0, 1, 2],
    ]);
    expect(ends(rows)).toEqual(['stop', 'length']);
    expect(seen.slice(0, 2)).toEqual([
      [0, 2],
      [1, 6],
    ]);
  });
  it('ends at the longest length', async () => {
    const { generator } = open([], 4);
    expect(tokens(await collect(generator, [[1], [1, 2, 3]], { maxNewTokens: 50 }))).toEqual([[2, 3, 4], [4]]);
  });
  it('compiles few programs and uses them again', async () => {
    const { generator, compiled } = open();
    for (const length of [1, 5, 14]) await collect(generator, [Array(length).fill(1)], { maxNewTokens: 2 });
    expect(compiled).toEqual(['prompt[1×16]', 'decode[1×16]']);
  });
  it('draws the same for a row whatever comes after it in the batch', async () => {
    const options = { maxNewTokens: 20, temperature: 3, seed: 4 };
    const { generator } = open();
    const [alone] = tokens(await collect(generator, [[1]], options));
    const [together, other] = tokens(await collect(generator, [[1], [1]], options));
    expect(together).toEqual(alone);
    expect(other).not.toEqual(alone);
  });
  it('ends with ABORTED when the signal fires', async () => {
    const { generator } = open();
    const controller = new AbortController();
    const received: number[] = [];
    const run = async (): Promise<void> => {
      for await (const { token } of generator.generate([[0]], { maxNewTokens: 20, signal: controller.signal })) {
        received.push(token);
        if (token === 3) controller.abort();
      }
    };
    await expect(run()).rejects.toThrow('ABORTED');
    expect(received).toEqual([1, 2, 3]);
  });
  it('refuses logits that are no numbers', async () => {
    const { generator } = open([], 64, Number.NaN);
    await expect(collect(generator, [[1]])).rejects.toThrow('DIVERGED at prompt 0, position 1');
  });
  it.each([
    ['an empty prompt', [[]], {}, 'at least one token'],
    ['a prompt that fills everything', [Array(64).fill(1)], {}, 'fewer than 64 tokens'],
    ['a token beyond the vocabulary', [[1], [8]], {}, 'prompt 1: .*tokens from 0 to 7, got 8'],
    ['a temperature below 0', [[1]], { temperature: -1 }, 'generate: temperature'],
    ['an unknown option', [[1]], { topQ: 1 }, 'unknown key "topQ". Did you mean topK or topP'],
  ])('refuses %s', async (_, prompts, options, message) => {
    const { generator } = open();
    await expect(collect(generator, prompts as number[][], options as GenerateOptions)).rejects.toThrow(
      new RegExp(`CONFIG_INVALID.*${message}`),
    );
  });
  it('refuses lengths beyond the positions of the model', () => {
    expect(() => open([], 65)).toThrow("at most the model's 64 positions");
  });
});
