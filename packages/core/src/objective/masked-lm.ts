import { type RandomKey, randomKey, randomUniform } from '../random/mixer.js';
import { type Tensor, tf } from '../tensor/tfjs.js';
import type { Objective } from './objective.js';
import type { Row } from './row.js';
import { targetColumns } from './target-columns.js';
import { collateTokens, tokenColumns } from './token-columns.js';

export interface MaskedLmOptions {
  /** The id that stands for a hidden token. */
  readonly maskToken: number;
  /** Ids below it are drawn as false tokens; those from it on are virtual, and never hidden. */
  readonly vocabularySize: number;
  /** Ids that are never hidden. */
  readonly specialTokens: ReadonlySet<number>;
  /** Share of the tokens that are to be found; 0.15 if not said (Devlin et al. 2018, §3.1). */
  readonly share?: number;
}

/** Of the tokens to be found, how many are hidden and how many are replaced by another; the rest stands as it is. */
const [hiddenShare, falseShare] = [0.8, 0.1];

/**
 * Masked language modelling: −Σ log p(tokenᵢ | the row with some tokens hidden) / count, over 15 % of the tokens, of which
 * 80 % are hidden, 10 % are false and 10 % stand as they are (Devlin et al. 2018, §3.1; DataCollatorForLanguageModeling
 * of transformers). Which ones is drawn for each row by (seed, step, row), so that a resumed run hides the same; in
 * evaluation by the row's own tokens, so that every evaluation hides the same. Each row has at least one.
 *
 * Columns: `ids` (with what is hidden), `positions`, `segments` int32 `[rows, length]`, `tokenTypes` where rows have them;
 * `targetPositions` (flat indices) and `targets` int32 `[count]`, `targetWeights` float32 `[count]`.
 */
export function maskedLm(options: MaskedLmOptions): Objective {
  return {
    name: 'masked-lm',
    task: 'masked-lm',

    collate(rows, collate) {
      const { random } = collate;
      const drawn = rows.map((row, index) => {
        const key =
          random === undefined
            ? randomKey(row.tokens.length, ...row.tokens)
            : randomKey(random.seed, random.step, random.firstRow + index, 'masked-lm');
        return hide(row, key, options);
      });
      const { length, columns } = collateTokens(
        drawn.map(({ row }) => row),
        collate,
      );
      const targets = drawn.flatMap(({ places }, row) =>
        places.map((place) => ({
          row,
          position: row * length + place,
          token: rows[row]?.tokens[place] as number,
          weight: 1,
        })),
      );
      const { targetRows: _, ...targetColumn } = targetColumns(targets, collate.rows * length);
      return {
        columns: {
          ...columns,
          ...targetColumn,
        },
        rows: rows.length,
        tokens: rows.reduce((sum, { tokens }) => sum + tokens.length, 0),
        normalizers: { targets: targets.length },
      };
    },

    losses(model, columns, t) {
      const run = model.run(t, tokenColumns(columns));
      const [positions, labels, weights] = [
        columns.targetPositions,
        columns.targets,
        columns.targetWeights,
      ] as Tensor[];
      return [{ name: 'loss', sum: tf.neg(run.sumLogProbs(positions!, labels!, weights!)), per: 'targets' }];
    },
  };
}

/** A row with some tokens hidden, and their places. Each token takes three draws of its own, whatever the others do. */
function hide(
  row: Row,
  key: RandomKey,
  { maskToken, vocabularySize, specialTokens, share = 0.15 }: MaskedLmOptions,
): { row: Row; places: number[] } {
  const candidates = [...row.tokens.keys()].filter((place) => {
    const token = row.tokens[place] as number;
    return token < vocabularySize && !specialTokens.has(token);
  });
  const draw = (place: number, which: number): number => randomUniform(key, 3 * place + which);
  const chosen = candidates.filter((place) => draw(place, 0) < share);
  const places = chosen.length > 0 ? chosen : leastBy(candidates, (place) => draw(place, 0));
  const tokens = row.tokens.slice();
  for (const place of places) {
    const what = draw(place, 1);
    if (what < hiddenShare) tokens[place] = maskToken;
    else if (what < hiddenShare + falseShare) tokens[place] = Math.floor(draw(place, 2) * vocabularySize);
  }
  return { row: { ...row, tokens }, places };
}

function leastBy(places: readonly number[], value: (place: number) => number): number[] {
  const [first, ...rest] = places;
  if (first === undefined) return [];
  return [rest.reduce((least, place) => (value(place) < value(least) ? place : least), first)];
}
