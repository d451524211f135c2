import {
  type Backend,
  createTokenGenerator,
  type Family,
  type GenerationStep,
  type HostTensor,
  type Method,
  TunesmithError,
  type WeightDtype,
} from '@tunesmith/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { suiteOptions } from '../suite-options.js';
import { type Disturbance, type FamilyCase, type FamilyFixture, patchOnly, withoutMask } from './family-case.js';
import {
  type FamilyInputs,
  forwardProgram,
  type LoadedModel,
  largestMagnitude,
  loadModel,
  probe,
  recorded,
  recordedInputs,
  recordedIntegers,
  relativeError,
  rounded,
  runOnce,
  withoutPadding,
} from './family-run.js';
import { gradients, slopes } from './finite-differences.js';

/** Of float32 results computed in another order: max |difference| / max |expected|. */
const tolerance = 1e-4;
/** What a disturbance must move the logits by at least, so that the comparison above would see it. */
const visible = 10 * tolerance;

export interface DescribeFamilyOptions {
  readonly family: Family;
  /** Names the backend in the tests' titles. */
  readonly on: string;
  readonly createBackend: () => Backend | Promise<Backend>;
  readonly cases: readonly FamilyCase[];
}

/**
 * What every family must do, on any backend: compute the recorded logits and hidden states; move visibly when anything
 * is disturbed; keep packed examples apart; and have gradients that finite differences confirm, recomputed or not.
 */
export function describeFamily({ family, on, createBackend, cases }: DescribeFamilyOptions): void {
  describe.each(cases.map((each) => [each.name, each] as const))(
    `the ${family.name} family on ${on}: %s`,
    suiteOptions,
    (_, each) => {
      let backend: Backend;
      let fixture: FamilyFixture;
      let inputs: FamilyInputs;
      let logits: Float32Array;
      const opened: LoadedModel[] = [];
      const task = each.head?.task ?? family.tasks?.[0] ?? 'causal-lm';

      const load = async ({ methods, dtype, ...changes }: LoadChanges = {}): Promise<LoadedModel> => {
        const loaded = await loadModel(
          family,
          backend,
          { ...fixture, ...changes },
          { methods, dtype, head: each.head },
        );
        opened.push(loaded);
        return loaded;
      };

      beforeAll(async () => {
        backend = await createBackend();
        fixture = await each.load();
        inputs = await recordedInputs(fixture.expected);
        logits = await recorded(fixture.expected, 'logits');
      });
      afterAll(() => {
        for (const { parameters } of opened) parameters.tensors.dispose();
      });

      it('computes the recorded logits and hidden states', async () => {
        const loaded = await load({ methods: [probe] });
        const outputs = await runOnce(loaded, forwardProgram(loaded, inputs), { ...inputs });
        const names = fixture.expected.names().filter((name) => name === 'logits' || name.startsWith('hidden.'));
        expect(Object.keys(outputs).sort()).toEqual(names.sort());
        for (const name of names) {
          const error = relativeError(withoutPadding(outputs[name], inputs), await recorded(fixture.expected, name));
          expect(error, name).toBeLessThanOrEqual(tolerance);
        }
      });

      const disturbances: [string, Disturbance][] = [['mask', withoutMask], ...Object.entries(each.disturbances)];
      it.each(disturbances)(
        'shows in the logits when this is wrong: %s',
        async (name, { config, patch, columns = (same) => same }) => {
          const loaded = await load({
            methods: patch === undefined ? [] : [patchOnly(name, patch)],
            config: config?.(fixture.config) ?? fixture.config,
          });
          const outputs = await runOnce(loaded, forwardProgram(loaded, inputs), { ...columns(inputs) });
          expect(relativeError(withoutPadding(outputs.logits, inputs), logits)).toBeGreaterThan(visible);
        },
      );

      it.each([
        ['float16', 'F16'],
        ['bfloat16', 'BF16'],
      ] as const)('computes with weights stored as %s as with their values in float32', async (dtype, stored) => {
        const logitsOf = async (loaded: LoadedModel): Promise<HostTensor> =>
          withoutPadding(
            (await runOnce(loaded, forwardProgram(loaded, inputs), { ...inputs })).logits,
            inputs,
          ) as HostTensor;
        const expected = await logitsOf(await load({ weights: rounded(fixture.weights, stored) }));
        const actual = await logitsOf(await load({ dtype }));
        expect(relativeError(actual, expected.data as Float32Array)).toBeLessThanOrEqual(tolerance);
        expect(relativeError(actual, logits)).toBeGreaterThan(tolerance);
      });

      // Rows that are classified as a whole hold one text each, and so do answers to a source.
      if (task !== 'sequence-classification' && task !== 'seq2seq-lm')
        it('gives packed examples the logits that they have alone', async () => {
          const packed = await packedInputs(fixture, inputs, logits);
          const loaded = await load();
          const outputs = await runOnce(loaded, forwardProgram(loaded, packed.inputs), { ...packed.inputs });
          expect(relativeError(withoutPadding(outputs.logits, packed.inputs), packed.logits)).toBeLessThanOrEqual(
            tolerance,
          );
          const { segments: _, ...unsegmented } = packed.inputs;
          const mixed = await runOnce(loaded, forwardProgram(loaded, unsegmented), { ...unsegmented });
          expect(relativeError(withoutPadding(mixed.logits, packed.inputs), packed.logits)).toBeGreaterThan(visible);
        });

      if (task === 'causal-lm' || task === 'seq2seq-lm')
        it('generates with a cache what it would without', async () => {
          const loaded = await load();
          const prompts = promptsOf(inputs);
          const answers = await greedyAnswers(loaded, prompts);
          // One pass without a cache must find each token the most likely after all before it, and as likely.
          for (const [row, prompt] of prompts.entries()) {
            const answer = answers[row] as GenerationStep[];
            const tokens = answer.map(({ token }) => token);
            const { answerStart } = loaded.model.shape;
            const start = answerStart === undefined ? prompt : [answerStart];
            const whole = singleRow([...start, ...tokens], answerStart === undefined ? undefined : prompt);
            const outputs = await runOnce(loaded, forwardProgram(loaded, whole), { ...whole });
            const expected = mostLikelyEach(outputs.logits).slice(start.length - 1, -1);
            expect(expected.map(({ token }) => token)).toEqual(tokens);
            const apart = answer.map(({ logProb }, index) =>
              Math.abs(logProb - (expected[index]?.logProb ?? Number.NaN)),
            );
            expect(Math.max(...apart)).toBeLessThanOrEqual(tolerance);
          }
        });

      it('has gradients that finite differences confirm', async () => {
        const loaded = await load();
        const measured = await slopes(loaded, inputs, someOfEachKind(loaded));
        // A slope of 0, as along attention's key biases, which cancel in the softmax, is rounding either way.
        const rounding = 1e-3 * Math.max(...measured.map(({ byGradient }) => Math.abs(byGradient)));
        for (const { path, byGradient, byDifference } of measured) {
          const error = Math.abs(byGradient - byDifference) / Math.max(rounding, Math.abs(byGradient));
          expect(error, path).toBeLessThan(0.02);
        }
      });

      it('has the same gradients when blocks are recomputed', async () => {
        const loaded = await load({ methods: [patchOnly('everything', (patcher) => void patcher.train(() => true))] });
        const handles = loaded.model.trained;
        const kept = await gradients(loaded, inputs, handles, false);
        const recomputed = await gradients(loaded, inputs, handles, true);
        const largest = Math.max(...handles.map(({ key }) => largestMagnitude(kept[key]?.data as Float32Array)));
        for (const { key } of handles) {
          const error = relativeError(recomputed[key], kept[key]?.data as Float32Array, 0.02 * largest);
          expect(error, key).toBeLessThanOrEqual(1e-5);
        }
      });
    },
  );
}

/** Another config, other weights or methods than a case has by itself. */
interface LoadChanges extends Partial<FamilyFixture> {
  readonly methods?: readonly Method[];
  readonly dtype?: WeightDtype;
}

const answerLength = 12;

/** Beginnings of the recorded rows, or of what an encoder reads for them, of 3, 7 and 11 tokens. */
function promptsOf({ ids: tokens, sourceIds: ids = tokens }: FamilyInputs): number[][] {
  const length = ids.shape[1] as number;
  return [3, 7, 11].map((count, index) => {
    const start = (index % (ids.shape[0] as number)) * length;
    return Array.from(ids.data.slice(start, start + count));
  });
}

async function greedyAnswers(
  { model, parameters, backend }: LoadedModel,
  prompts: number[][],
): Promise<GenerationStep[][]> {
  const generator = createTokenGenerator({ model, parameters, backend, eosTokens: [], padToken: 0 });
  const answers: GenerationStep[][] = prompts.map(() => []);
  for await (const step of generator.generate(prompts, { maxNewTokens: answerLength })) answers[step.row]?.push(step);
  await generator.dispose();
  return answers;
}

function singleRow(tokens: readonly number[], source?: readonly number[]): FamilyInputs {
  const row = (data: Iterable<number>): HostTensor => {
    const values = Int32Array.from(data);
    return { dtype: 'int32', shape: [1, values.length], data: values };
  };
  const read = source && { sourceIds: row(source), sourceSegments: row(source.map(() => 1)) };
  return { ids: row(tokens), positions: row(tokens.keys()), ...read };
}

/** The most likely token at each position and its log-probability, from logits [1, seq, vocabulary]. */
function mostLikelyEach(logits: HostTensor | undefined): { token: number; logProb: number }[] {
  const [, length = 0, vocabulary = 0] = logits?.shape ?? [];
  return Array.from({ length }, (_, position) => {
    const own = Array.from((logits as HostTensor).data.slice(position * vocabulary, (position + 1) * vocabulary));
    const largest = Math.max(...own);
    const sum = own.reduce((total, each) => total + Math.exp(each - largest), 0);
    return { token: own.indexOf(largest), logProb: -Math.log(sum) };
  });
}

/** The weights of the first and the last block and of what is around them, and the first of a kind that none of those is. */
function someOfEachKind({ model }: LoadedModel): Model['handles'] {
  const depths = new Map(model.sites.map(({ path, depth }) => [path, depth]));
  const last = Math.max(...model.sites.map(({ depth }) => depth ?? 0));
  const kindOf = ({ path }: Model['handles'][number]): string => path.replace(/\d+/, '*');
  const some = model.handles.filter(({ path }) => {
    const depth = depths.get(path.slice(0, path.lastIndexOf('.'))) ?? null;
    return depth === null || depth === 0 || depth === last;
  });
  const kinds = new Set(some.map(kindOf));
  const missed = model.handles.filter((handle) => !kinds.has(kindOf(handle)));
  return [...some, ...missed.filter((handle) => missed.find((other) => kindOf(other) === kindOf(handle)) === handle)];
}

type Model = LoadedModel['model'];

/** The recorded packed row, or else the recorded rows side by side in one. */
async function packedInputs(
  { packed }: FamilyFixture,
  { ids, positions, segments: filled, tokenTypes }: FamilyInputs,
  logits: Float32Array,
): Promise<{ inputs: FamilyInputs; logits: Float32Array }> {
  if (packed !== undefined) {
    const inputs = {
      ids: await recordedIntegers(packed, 'input_ids'),
      positions: await recordedIntegers(packed, 'position_ids'),
      segments: await recordedIntegers(packed, 'segments'),
    };
    return { inputs, logits: await recorded(packed, 'logits') };
  }
  const [rows = 0, length = 0] = ids.shape;
  if (rows < 2) throw new TunesmithError('FILE_INVALID', 'the fixture needs two rows or more');
  const row = (data: HostTensor['data']): HostTensor => ({
    dtype: 'int32',
    shape: [1, rows * length],
    data: Int32Array.from(data),
  });
  const segments = row(ids.data.map((_, index) => (filled?.data[index] === 0 ? 0 : 1 + Math.floor(index / length))));
  const types = tokenTypes === undefined ? {} : { tokenTypes: row(tokenTypes.data) };
  return { inputs: { ids: row(ids.data), positions: row(positions.data), segments, ...types }, logits };
}
