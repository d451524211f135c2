import { z } from 'zod';
import { TunesmithError } from '../errors/tunesmith-error.js';
import { parseConfig } from '../method/define-method.js';
import type { ModelUnderStack } from '../model/model.js';
import { noHead } from '../model/task-head.js';
import { bucketLength } from '../objective/buckets.js';
import { type CollatedSources, collateSources } from '../objective/source-columns.js';
import type { Backend, HostTensor } from '../program/backend.js';
import { createExecutableCache } from '../trainer/executable-cache.js';
import { attentionSites, decodingProgram, type GenerationPlan, promptProgram } from './generation-programs.js';
import { createKeyValueCache } from './key-value-cache.js';
import { type AdapterChoice, type AdapterPlaces, ownAdapters, placeRows, type RowAdapters } from './row-adapters.js';
import { drawToken, logProbability, type Sampling, samplingSchema } from './sampling.js';

export interface TokenGeneratorOptions extends Omit<GenerationPlan, 'stacks'> {
  readonly backend: Backend;
  /** Tokens that end a row. */
  readonly eosTokens: readonly number[];
  /** What fills up short rows; any token of the vocabulary will do. */
  readonly padToken: number;
  /** Prompt and answer together; by default and at most what the model's positions allow. */
  readonly maxLength?: number;
  /** Where adapters are found and brought to; by default they are the model's own. */
  readonly adapters?: AdapterPlaces;
}

export const generationSchema = samplingSchema.extend({
  maxNewTokens: z.int().positive().default(128).describe('Ends a row after so many tokens.'),
});

export interface GenerateOptions extends z.input<typeof generationSchema> {
  /** Whether a row is to end after its newest token, by all that were generated for it: stop sequences. */
  readonly stop?: (tokens: readonly number[], row: number) => boolean;
  /** The adapter that acts, or several as a stack, first innermost; a function says it for each prompt. None if not said. */
  readonly adapters?: AdapterChoice | ((prompt: number) => AdapterChoice);
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
  /** Ids that its adapters and the model's methods put before the prompt; none where an encoder reads them with it. */
  readonly before: Int32Array;
  /** Prompt and answer; where an encoder reads the prompt, what every answer begins with and the answer. */
  readonly tokens: number[];
  readonly promptLength: number;
  /** What an encoder reads. */
  readonly source?: Int32Array;
  ended: boolean;
}

interface Continuation extends Pick<GenerateOptions, 'stop' | 'signal'> {
  readonly maxNewTokens: number;
  readonly sampling: Sampling;
}

/**
 * Generates with a key/value cache: one program reads the prompts, another one token a row at a time. Both are compiled
 * for a few lengths only, and kept: a trainer that packs the parameters is to be created before.
 */
export function createTokenGenerator(options: TokenGeneratorOptions): TokenGenerator {
  const { model, parameters, backend, eosTokens, padToken } = options;
  if (model.head.task !== 'causal-lm' && model.head.task !== 'seq2seq-lm') {
    throw noHead(model.head.task, 'next token, and so no text');
  }
  const { maxPositions, vocabularySize, answerStart } = model.shape;
  const maxLength = options.maxLength ?? maxPositions;
  if (maxLength > maxPositions) {
    throw invalid('maxLength', `at most the model's ${maxPositions} positions`, maxLength);
  }
  const places = options.adapters ?? ownAdapters(model);
  const eos = new Set(eosTokens);
  const executables = createExecutableCache(backend, parameters.tensors);
  const sites = attentionSites(model);

  async function* continuePrompts(
    prompts: readonly ArrayLike<number>[],
    { model: acting, stacks, rows: stackIndices }: RowAdapters,
    { maxNewTokens, sampling, stop, signal }: Continuation,
  ): AsyncGenerator<GenerationStep, void, void> {
    const under = stacks.map((stack) => acting.under(stack));
    const limit = Math.min(maxLength, ...under.map(({ maxPositions: most }) => most));
    const rows = prompts.map((prompt, index): Row => {
      const { virtualTokens } = under[stackIndices[index] as number] as ModelUnderStack;
      const row = openRow(prompt, { index, before: virtualTokens, limit, vocabularySize });
      return answerStart === undefined ? row : openAnswer(row, answerStart);
    });
    const mostBefore = Math.max(...rows.map(({ before }) => before.length));
    const plan = { model: acting, parameters, stacks };
    const stackOfRow = stacks.length === 1 ? {} : { stackOfRow: int32([rows.length], stackIndices) };
    const longest = Math.max(...rows.map(({ promptLength }) => promptLength));
    const source = sourcesOf(rows, padToken);
    const cache = createKeyValueCache(sites, rows.length, {
      tokens: mostBefore + bucketLength(Math.min(longest + maxNewTokens, limit), limit),
      source: source?.sourceIds.shape[1] ?? 0,
    });
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
      return tokens.length - promptLength === maxNewTokens || tokens.length === limit ? 'length' : null;
    }

    throwIfAborted(signal);
    const length = mostBefore + (source === undefined ? bucketLength(longest, limit) : longest);
    const prompt = await executables.get(promptProgram(plan, rows.length, length, cache.slots.source));
    const read = await prompt.run({ ...promptColumns(rows, length, padToken), ...source, ...stackOfRow });
    cache.writeSource(read);
    cache.write(
      read,
      rows.map(() => 0),
      rows.map(({ before, promptLength }) => before.length + promptLength),
    );
    yield* draw(read.logits as HostTensor);

    while (rows.some(({ ended }) => !ended)) {
      await breathe();
      throwIfAborted(signal);
      const decode = await executables.get(decodingProgram(plan, rows.length, cache.slots));
      const columns = tokenColumns(rows);
      const past = source === undefined ? {} : { sourceSegments: source.sourceSegments };
      const given = await decode.run({ ...columns, ...past, ...cache.inputs, ...stackOfRow });
      cache.write(
        given,
        [...columns.positions.data],
        rows.map(() => 1),
      );
      yield* draw(given.logits as HostTensor);
    }
  }

  return {
    async *generate(prompts, { stop, signal, adapters = null, ...values } = {}) {
      const { maxNewTokens, ...sampling } = parseConfig(generationSchema, values, 'generate');
      if (prompts.length === 0) return;
      const acting = placeRows(places, adapters, prompts.length);
      try {
        yield* continuePrompts(prompts, acting, {
          maxNewTokens,
          sampling,
          ...(stop && { stop }),
          ...(signal && { signal }),
        });
      } finally {
        acting.release();
      }
    },

    dispose: () => executables.dispose(),
  };
}

function openRow(
  prompt: ArrayLike<number>,
  { index, before, limit, vocabularySize }: Pick<Row, 'index' | 'before'> & { limit: number; vocabularySize: number },
): Row {
  const tokens = Array.from(prompt);
  const where = `prompt ${index}`;
  if (tokens.length === 0) throw invalid(where, 'at least one token, such as the one that begins a text', 0);
  if (tokens.length >= limit) throw invalid(where, `fewer than ${limit} tokens`, tokens.length);
  const stray = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabularySize));
  if (stray !== undefined) throw invalid(where, `tokens from 0 to ${vocabularySize - 1}`, stray);
  return { index, before, tokens, promptLength: tokens.length, ended: false };
}

/** The same row where an encoder reads the prompt: what is continued begins with a token of its own. */
function openAnswer({ index, before, tokens }: Row, start: number): Row {
  const source = Int32Array.from([...before, ...tokens]);
  return { index, source, before: new Int32Array(0), tokens: [start], promptLength: 1, ended: false };
}

/** What an encoder reads, if one does. */
function sourcesOf(rows: readonly Row[], padToken: number): CollatedSources | undefined {
  const sources = rows.flatMap(({ source }) => (source === undefined ? [] : [source]));
  if (sources.length === 0) return undefined;
  return collateSources(sources, { rows: rows.length, maxLength: Number.POSITIVE_INFINITY, padToken });
}

/** The prompts, each behind what belongs before it. Padding stays at the last position, which is sure to exist. */
function promptColumns(rows: readonly Row[], length: number, padToken: number) {
  const ids = new Int32Array(rows.length * length).fill(padToken);
  const positions = new Int32Array(rows.length * length);
  for (const { index, before, tokens } of rows) {
    const own = before.length + tokens.length;
    ids.set(before, index * length);
    ids.set(tokens, index * length + before.length);
    for (let at = 0; at < length; at++) positions[index * length + at] = Math.min(at, own - 1);
  }
  return {
    ids: int32([rows.length, length], ids),
    positions: int32([rows.length, length], positions),
    last: int32(
      [rows.length],
      Int32Array.from(rows, ({ index, before, promptLength }) => index * length + before.length + promptLength - 1),
    ),
  };
}

/** Each row's newest token; one that has ended repeats its last, for nobody. */
function tokenColumns(rows: readonly Row[]) {
  const column = [rows.length, 1];
  return {
    ids: int32(
      column,
      Int32Array.from(rows, ({ tokens }) => tokens.at(-1) as number),
    ),
    positions: int32(
      column,
      Int32Array.from(rows, ({ before, tokens }) => before.length + tokens.length - 1),
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
