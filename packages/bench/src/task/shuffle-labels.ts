import { createRandom } from '@tunesmith/core';
import type { TaskRow, TaskSplits } from './task.js';

/** What a task is called in results once its labels are shuffled. */
export function shuffledName(name: string): string {
  return `${name}, labels shuffled`;
}

/**
 * The task with what is to be learnt exchanged among its rows: labels, answers, the pieces of a text among themselves, or of
 * two answers which is preferred, by the toss of a coin.
 * The test split stays: whoever learns from this learns nothing that the test asks.
 */
export function shuffleLabels({ train, validation, test }: TaskSplits): TaskSplits {
  return { train: shuffled(train), validation: shuffled(validation), test };
}

/**
 * What stands for a token of a text, whatever tokenizer a model has: `get`, `Element` and `HTML` of getHTMLElement, numbers, blanks,
 * any other character. Whole words would leave what is in them, of which a name in a program has much.
 */
const piece = /\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{L}|\d+|\s+|./gsu;

function shuffled(rows: readonly TaskRow[]): TaskRow[] {
  const random = createRandom(0, 'shuffled labels');
  const others = random.sample([...rows.keys()], rows.length);
  return rows.map((row, index) => {
    const other = rows[others[index] as number] as TaskRow;
    if ('label' in row) return { ...row, label: other.label };
    if ('rejected' in row) {
      const { chosen, rejected } = row;
      return random.between(0, 1) === 0 ? row : { ...row, chosen: rejected, rejected: chosen };
    }
    if ('completion' in row) return { ...row, completion: other.completion };
    if ('output' in row) return { ...row, output: other.output };
    if (Array.isArray(row.messages)) return { messages: [...row.messages.slice(0, -1), lastOf(other.messages)] };
    const pieces = String(row.text).match(piece) ?? [];
    const order = random.sample([...pieces.keys()], pieces.length);
    return { text: order.map((at) => pieces[at]).join('') };
  });
}

function lastOf(messages: unknown): unknown {
  return Array.isArray(messages) ? messages.at(-1) : undefined;
}
