import { z } from 'zod';
import { TunesmithError } from '../errors/tunesmith-error.js';
import { createTokenGenerator, type TokenGenerator } from '../generate/token-generator.js';
import type { Model } from '../model/model.js';
import type { Objective } from '../objective/objective.js';
import type { Answer, Rollouts, RowValues } from '../objective/rollouts.js';
import type { Row } from '../objective/row.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import type { Backend } from '../program/backend.js';
import { randomBits, randomKey } from '../random/mixer.js';
import type { Json } from '../storage/json.js';
import { createExecutableCache } from './executable-cache.js';
import { measureAnswers } from './measure-answers.js';
import type { RowSource } from './ports.js';
import { decodeRolloutRow, encodeRolloutRow, rolloutRowSchema } from './rollout-row.js';
import { inGroups } from './row-groups.js';

export interface RolloutSourceOptions {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
  /** One with `rollouts`. */
  readonly objective: Objective;
  /** The prompts, as rows of which nothing weighs. */
  readonly prompts: RowSource;
  readonly eosTokens: readonly number[];
  readonly padToken: number;
  /** Prompt and answer together. */
  readonly maxLength: number;
  /** Rows at once of the pass that measures answers. */
  readonly batchSize: number;
  readonly seed: number;
  /** Ids as text, without special tokens. */
  text(ids: Int32Array): string;
  /** What the objective's judge says of prompts with their answers, in their order; required where it has one. */
  readonly judge?: (rows: readonly Row[]) => Promise<readonly number[]>;
  /** Told of signs that the training goes wrong. */
  readonly onWarning?: (warning: string) => void;
}

/** Rows that the model makes itself: a source for a trainer of the same model, and rows to evaluate it by. */
export interface RolloutSource extends RowSource {
  /** Answers to a split's prompts, one each, drawn alike every time. */
  evaluate(prompts: AsyncIterable<Row> | Iterable<Row>): AsyncGenerator<Row, void, void>;
  /** Frees the compiled programs. */
  dispose(): Promise<void>;
}

const positionSchema = z.object({
  prompts: z.json(),
  /** Rollouts so far. */
  rollouts: z.int(),
  memory: z.json(),
  /** The rollout in hand, and how many of its rows, times epochs, have been read. */
  rows: z.array(rolloutRowSchema),
  read: z.int(),
});

interface Position extends Readonly<Pick<z.output<typeof positionSchema>, 'rollouts' | 'rows' | 'read'>> {
  readonly prompts: Json;
  readonly memory: Json;
}

const atStart: Position = { prompts: null, rollouts: 0, memory: null, rows: [], read: 0 };

/**
 * Rollouts as a trainer's rows: prompts are answered by the model as it is when the rows are asked for, which is between two steps.
 * A position holds the rollout in hand, so that a run that is resumed in the middle of one goes on to the same bits (rule M of the plugin
 * contract). Create the trainer first: it packs the parameters.
 */
export function createRolloutSource(options: RolloutSourceOptions): RolloutSource {
  const { objective, prompts, seed, onWarning } = options;
  const rollouts = requireRollouts(objective);
  if (rollouts.judge !== undefined && options.judge === undefined) throw noJudge(objective);
  const { epochs, answersEach } = rollouts;
  const programs = createPrograms(options);

  async function answerAll(rows: readonly Row[], each: number, key: number, memory: Json) {
    const answers = await answerPrompts(options, programs, rollouts, rows, each, key);
    const { values, memory: next, warnings = [] } = await rollouts.learn(answers, memory);
    const learnt = answers.map(({ row }, index): Row => ({ ...row, values: values[index] as RowValues }));
    return { rows: learnt, memory: next, warnings };
  }

  return {
    ...(prompts.length === undefined ? {} : { length: prompts.length * answersEach * epochs }),

    async *read(position) {
      let at: Position = position === null ? atStart : positionSchema.parse(position);
      let rows = at.rows.map(decodeRolloutRow);
      const source = prompts.read(at.prompts)[Symbol.asyncIterator]();
      try {
        for (;;) {
          if (at.read >= rows.length * epochs) {
            const asked: Row[] = [];
            let last: Json = at.prompts;
            while (asked.length < rollouts.prompts) {
              const next = await source.next();
              if (next.done === true) return;
              asked.push(next.value.row);
              last = next.value.position;
            }
            const key = randomBits(randomKey(seed, 'rollout'), at.rollouts) >>> 0;
            const learnt = await answerAll(asked, answersEach, key, at.memory);
            for (const warning of learnt.warnings) onWarning?.(warning);
            rows = learnt.rows;
            const encoded = rows.map(encodeRolloutRow);
            at = { prompts: last, rollouts: at.rollouts + 1, memory: learnt.memory, rows: encoded, read: 0 };
          }
          const epoch = Math.floor(at.read / rows.length);
          const order = shuffled(rows.length, randomKey(seed, 'rollout order', at.rollouts, epoch));
          const row = rows[order[at.read % rows.length] as number] as Row;
          at = { ...at, read: at.read + 1 };
          yield { row, position: at as unknown as Json };
        }
      } finally {
        await source.return?.();
      }
    },

    after({ terms }, position) {
      if (rollouts.isSpent?.(terms) !== true) return position;
      const at = position as unknown as Position;
      return { ...at, read: at.rows.length * epochs } as unknown as Json;
    },

    async *evaluate(split) {
      let group = 0;
      for await (const asked of inGroups(split, rollouts.prompts * answersEach)) {
        const key = randomBits(randomKey(seed, 'evaluation'), group++) >>> 0;
        yield* (await answerAll(asked, 1, key, null)).rows;
      }
    },

    dispose: () => programs.dispose(),
  };
}

function requireRollouts({ name, rollouts }: Objective): Rollouts {
  if (rollouts !== undefined) return rollouts;
  throw new TunesmithError(
    'CAPABILITY_MISSING',
    `the objective ${name} does not learn from answers of the model's own`,
  );
}

function noJudge({ name }: Objective): TunesmithError {
  return new TunesmithError(
    'CAPABILITY_MISSING',
    `the rewards of ${name} are a reward model's, and none is loaded here`,
    {
      hint: 'Recipes load it for training. Evaluate with another reward: --set objective.reward=…',
    },
  );
}

/** What answers and what measures; compiled anew where a stage patches the model. */
interface RolloutPrograms {
  generator(): Promise<TokenGenerator>;
  readonly executables: ReturnType<typeof createExecutableCache>;
  dispose(): Promise<void>;
}

function createPrograms(options: RolloutSourceOptions): RolloutPrograms {
  const { model, parameters, backend, eosTokens, padToken, maxLength } = options;
  const executables = createExecutableCache(backend, parameters.tensors);
  let generator: TokenGenerator | undefined;
  let stage = model.stage;
  const dispose = async (): Promise<void> => {
    await generator?.dispose();
    generator = undefined;
    await executables.dispose();
  };
  return {
    executables,
    async generator() {
      if (stage !== model.stage) await dispose();
      stage = model.stage;
      generator ??= createTokenGenerator({ model, parameters, backend, eosTokens, padToken, maxLength });
      return generator;
    },
    dispose,
  };
}

/** The answers to prompts, those to one beside each other, measured. */
async function answerPrompts(
  options: RolloutSourceOptions,
  programs: RolloutPrograms,
  rollouts: Rollouts,
  prompts: readonly Row[],
  each: number,
  seed: number,
): Promise<Answer[]> {
  const { text } = options;
  const asked = prompts.flatMap((row, prompt) => Array.from({ length: each }, () => ({ row, prompt })));
  const given = asked.map(() => ({ tokens: [] as number[], ended: false }));
  const generator = await programs.generator();
  const steps = generator.generate(
    asked.map(({ row }) => row.tokens),
    { ...rollouts.sampling, seed },
  );
  for await (const { row, token, end } of steps) {
    given[row]?.tokens.push(token);
    if (end === 'eos') Object.assign(given[row] as object, { ended: true });
  }
  const rows = asked.map(({ row: prompt }, index): Row => {
    const tokens = Int32Array.from([...prompt.tokens, ...(given[index]?.tokens ?? [])]);
    const weights = new Float32Array(tokens.length).fill(1, prompt.tokens.length);
    return { ...prompt, tokens, weights };
  });
  const measured = await measureAnswers(options, programs.executables, rollouts, rows);
  const scores = rollouts.judge === undefined ? undefined : await options.judge?.(rows);
  return asked.map(({ row: { tokens, expected }, prompt }, index): Answer => {
    const own = given[index] as (typeof given)[number];
    return {
      prompt,
      row: rows[index] as Row,
      promptText: text(tokens),
      text: text(Int32Array.from(own.tokens)),
      expected: expected === undefined ? null : text(expected),
      length: own.tokens.length,
      ended: own.ended,
      score: scores?.[index] ?? null,
      measured: measured[index] as Answer['measured'],
    };
  });
}

/** Indices in an order that the key decides (Fisher and Yates). */
function shuffled(count: number, key: ReturnType<typeof randomKey>): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let left = count - 1; left > 0; left--) {
    const other = (randomBits(key, left) >>> 0) % (left + 1);
    [order[left], order[other]] = [order[other] as number, order[left] as number];
  }
  return order;
}
