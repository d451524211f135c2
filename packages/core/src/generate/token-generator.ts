import { z } from 'zod';
import { TunesmithError } from '../errors/tunesmith-error.js';
import { parseConfig } from '../method/define-method.js';
import { bucketLength } from '../objective/buckets.js';
import type { Backend, HostTensor } from '../program/backend.js';
import { createExecutableCache } from '../trainer/executable-cache.js';
import { attentionSites, decodingProgram, type GenerationPlan, promptProgram } from './generation-programs.js';
import { createKeyValueCache } from './key-value-cache.js';
import { drawToken, logProbability, samplingSchema } from './sampling.js';

export interface TokenGeneratorOptions extends GenerationPlan {
  readonly backend: Backend;
  /** Tokens that end a row. */
  readonly eosTokens: readonly number[];
  /** What fills up short rows; any token of the vocabulary will do. */
  readonly padToken: number;
  /** Prompt and answer together; by default and at most what the model's positions allow. */
  readonly maxLength?: number;
}

export const generationSchema = samplingSchema.extend({
  maxNewTokens: z.int().positive().default(128).describe('Ends a row after so many tokens.'),
});

export interface GenerateOptions extends z.input<typeof generationSchema> {
  /** Whether a row is to end after its newest token, by all that were generated for it: stop sequences. */
  readonly stop?: (tokens: readonly number[], row: number) => boolean;
  readonly signal?: AbortSignal;
}

/** One new token of one row. */
export interface GenerationStep {
  /** The prompt's index. */
  readonly row: number;
  readonly token: number;
  /** The model's log-probability of it, untouched by temperature and the like. */
  readonly logProb: number;
  /** Why it is the row's last: an end-of-sequence token, which is among the tokens; `stop`; or a length limit. */
  readonly end: 'eos' | 'stop' | 'length' | null;
}

export interface TokenGenerator {
  /**
   * Continues token prompts of any lengths together, yielding tokens as they come.
   * @throws CONFIG_INVALID, or ABORTED when the signal fires
   */
  generate(
    prompts: readonly ArrayLike<number>[],
    options?: GenerateOptions,
  ): AsyncGenerator<GenerationStep, void, void>;
  /** Frees the compiled programs; the parameters stay. */
  dispose(): Promise<void>;
}

interface Row {
  readonly index: number;
  /** Prompt and answer. */
  readonly tokens: number[];
  readonly promptLength: number;
  ended: boolean;
}

/**
 * Generates with a key/value cache: one program reads the prompts, another one token a row at a time. Both are compiled
 * for a few lengths only, and kept: a trainer that packs the parameters is to be created before.
 */
export function createTokenGenerator(options: TokenGeneratorOptions): TokenGenerator {
  const { model, parameters, backend, eosTokens, padToken } = options;
  const { maxPositions, vocabularySize } = model.shape;
  const maxLength = options.maxLength ?? maxPositions;
  if (maxLength > maxPositions) {
    throw invalid('maxLength', `at most the model's ${maxPositions} positions`, maxLength);
  }
  const before = model.virtualTokens;
  const eos = new Set(eosTokens);
  const executables = createExecutableCache(backend, parameters.tensors);
  const sites = attentionSites(model);

  return {
    async *generate(prompts, { stop, signal, ...values } = {}) {
      const { maxNewTokens, ...sampling } = parseConfig(generationSchema, values, 'generate');
      const rows = prompts.map((prompt, index) => openRow(prompt, index, maxLength, vocabularySize));
      if (rows.length === 0) return;
      const longest = Math.max(...rows.map(({ promptLength }) => promptLength));
      const cache = createKeyValueCache(
        sites,
        rows.length,
        before.length + bucketLength(Math.min(longest + maxNewTokens, maxLength), maxLength),
      );
      const breathe = createBreather();

      /** Draws each open row's next token from its logits. */
      function* draw(logits: HostTensor): Generator<GenerationStep> {
        for (const row of rows) {
          if (row.ended) continue;
          const { index, tokens } = row;
          const own = (logits.data as Float32Array).subarray(index * vocabularySize, (index + 1) * vocabularySize);
          const token = drawToken(own, tokens, sampling, { row: index, position: tokens.length });
          const logProb = logProbability(own, token);
          if (Number.isNaN(logProb)) throw notNumbers(index, tokens.length);
          tokens.push(token);
          const end = ending(row, token);
          row.ended = end !== null;
          yield { row: index, token, logProb, end };
        }
      }

      function ending({ tokens, promptLength, index }: Row, token: number): GenerationStep['end'] {
        if (eos.has(token)) return 'eos';
        if (stop?.(tokens.slice(promptLength), index) === true) return 'stop';
        return tokens.length - promptLength === maxNewTokens || tokens.length === maxLength ? 'length' : null;
      }

      throwIfAborted(signal);
      const length = bucketLength(longest, maxLength);
      const prompt = await executables.get(promptProgram(options, rows.length, before.length + length));
      const read = await prompt.run(promptColumns(rows, before, length, padToken));
      cache.write(
        read,
        rows.map(() => 0),
        rows.map(({ promptLength }) => before.length + promptLength),
      );
      yield* draw(read.logits as HostTensor);

      while (rows.some(({ ended }) => !ended)) {
        await breathe();
        throwIfAborted(signal);
        const decode = await executables.get(decodingProgram(options, rows.length, cache.slots));
        const columns = tokenColumns(rows, before.length);
        const given = await decode.run({ ...columns, ...cache.inputs });
        cache.write(
          given,
          [...columns.positions.data],
          rows.map(() => 1),
        );
        yield* draw(given.logits as HostTensor);
      }
    },

    dispose: () => executables.dispose(),
  };
}

function openRow(prompt: ArrayLike<number>, index: number, maxLength: number, vocabularySize: number): Row {
  const tokens = Array.from(prompt);
  const where = `prompt ${index}`;
  if (tokens.length === 0) throw invalid(where, 'at least one token, such as the one that begins a text', 0);
  if (tokens.length >= maxLength) throw invalid(where, `fewer than ${maxLength} tokens`, tokens.length);
  const stray = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabularySize));
  if (stray !== undefined) throw invalid(where, `tokens from 0 to ${vocabularySize - 1}`, stray);
  return { index, tokens, promptLength: tokens.length, ended: false };
}

/** The prompts, each behind the virtual tokens. */
function promptColumns(rows: readonly Row[], before: Int32Array, textLength: number, padToken: number) {
  const length = before.length + textLength;
  const ids = new Int32Array(rows.length * length).fill(padToken);
  for (const { index, tokens } of rows) {
    ids.set(before, index * length);
    ids.set(tokens, index * length + before.length);
  }
  const last = Int32Array.from(rows, ({ index, promptLength }) => index * length + before.length + promptLength - 1);
  return {
    ids: int32([rows.length, length], ids),
    positions: int32(
      [rows.length, length],
      ids.map((_, index) => index % length),
    ),
    last: int32([rows.length], last),
  };
}

/** Each row's newest token; one that has ended repeats its last, for nobody. */
function tokenColumns(rows: readonly Row[], before: number) {
  const column = [rows.length, 1];
  return {
    ids: int32(
      column,
      Int32Array.from(rows, ({ tokens }) => tokens.at(-1) as number),
    ),
    positions: int32(
      column,
      Int32Array.from(rows, ({ tokens }) => before + tokens.length - 1),
    ),
  };
}

function int32(shape: readonly number[], data: Int32Array) {
  return { dtype: 'int32', shape, data } as const;
}

/** Lets timers and input in from time to time: engines compute synchronously. */
function createBreather(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < 10) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    last = performance.now();
  };
}

function notNumbers(row: number, position: number): TunesmithError {
  return new TunesmithError('DIVERGED', "the model's logits are no numbers", {
    where: `prompt ${row}, position ${position}`,
    hint: 'Its weights or adapter hold NaN or infinite values, or values that overflow.',
  });
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new TunesmithError('ABORTED', 'the generation was aborted', { cause: signal.reason });
}

function invalid(where: string, expected: string, got: number): TunesmithError {
  return new TunesmithError('CONFIG_INVALID', 'this cannot be generated from', { where, expected, got: String(got) });
}
