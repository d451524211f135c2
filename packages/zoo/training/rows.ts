import type { Row, RowSource } from '@tunesmith/core';
import { createRandom } from '@tunesmith/core';
import { loadChatTemplate, type Tokenizer, tokenizeExample } from '@tunesmith/data';
import { commonWords } from './common-words.js';
import type { Document } from './corpus.js';
import { recipe } from './recipe.js';
import { conversation } from './synthetic.js';

/** A document as bos, its tokens, eos. */
export function documentTokens(tokenizer: Tokenizer, { text }: Document): number[] {
  return [tokenizer.bosId as number, ...tokenizer.encode(text), tokenizer.eosId as number];
}

/**
 * The training rows without end: windows of the documents in a new order every epoch, and among them, as the recipe's stages
 * say, rows of conversations that never come twice. The position is the number of rows read.
 */
export function trainingRows(tokenizer: Tokenizer, documents: readonly Document[]): RowSource {
  const windows = documentWindows(tokenizer, documents);
  const words = commonWords(
    documents.map(({ text }) => text),
    recipe.words,
  );
  return {
    async *read(position) {
      let order: number[] = [];
      let orderOf = -1;
      for (let index = Number(position ?? 0); ; index++) {
        const { synthetic, before, longCopies } = placeOf(index);
        if (synthetic) {
          yield { row: conversationRow(tokenizer, before, words, longCopies), position: index + 1 };
          continue;
        }
        const read = index - before;
        const epoch = Math.floor(read / windows.length);
        if (epoch !== orderOf) {
          order = createRandom(recipe.seed, 'epoch', epoch).sample([...windows.keys()], windows.length);
          orderOf = epoch;
        }
        yield { row: textRow(windows[order[read % windows.length] as number] as Int32Array), position: index + 1 };
      }
    },
  };
}

interface RowPlace {
  readonly synthetic: boolean;
  /** How many synthetic rows come before it. */
  readonly before: number;
  readonly longCopies: LongCopies;
}

type LongCopies = (typeof recipe.stages)[number]['longCopies'];

function placeOf(index: number): RowPlace {
  let before = 0;
  let place: RowPlace = { synthetic: false, before: 0, longCopies: 'none' };
  for (const [stage, { firstStep, rowsPerSynthetic, longCopies }] of recipe.stages.entries()) {
    const first = firstStep * recipe.rowsPerStep;
    if (index < first) break;
    const next = (recipe.stages[stage + 1]?.firstStep ?? Number.POSITIVE_INFINITY) * recipe.rowsPerStep;
    const since = Math.min(index, next) - first;
    before += Math.floor(since / rowsPerSynthetic);
    place = { synthetic: since % rowsPerSynthetic === rowsPerSynthetic - 1, before, longCopies };
  }
  return place;
}

/** The documents one after another, cut every `rowLength` tokens; the last piece is left out. */
function documentWindows(tokenizer: Tokenizer, documents: readonly Document[]): Int32Array[] {
  const stream = Int32Array.from(documents.flatMap((document) => documentTokens(tokenizer, document)));
  const count = Math.floor(stream.length / recipe.rowLength);
  return Array.from({ length: count }, (_, index) =>
    stream.slice(index * recipe.rowLength, (index + 1) * recipe.rowLength),
  );
}

/** Every token but the first is predicted. */
export function textRow(tokens: Int32Array): Row {
  const weights = new Float32Array(tokens.length).fill(1);
  weights[0] = 0;
  return { tokens, weights };
}

/** Conversations one after another until the row is full; the last is cut. */
function conversationRow(tokenizer: Tokenizer, index: number, words: readonly string[], longCopies: LongCopies): Row {
  const template = loadChatTemplate(tokenizer);
  const tokens: number[] = [];
  const weights: number[] = [];
  for (let next = 0; tokens.length < recipe.rowLength; next++) {
    // 64 conversations fill any row, so that no two rows share one.
    const messages = conversation(recipe.seed, index * 64 + next, words, { longCopies });
    const { rows } = tokenizeExample(
      { kind: 'chat', messages, promptMessages: 0 },
      { tokenizer, template, maxLength: recipe.rowLength, promptLossWeight: recipe.questionWeight },
    );
    for (const row of rows) {
      tokens.push(...row.tokens);
      weights.push(...row.weights);
    }
  }
  return {
    tokens: Int32Array.from(tokens.slice(0, recipe.rowLength)),
    weights: Float32Array.from(weights.slice(0, recipe.rowLength)),
  };
}
