import { createRandom } from '@tunesmith/core';
import type { TaskRow, TaskSplits } from './task.js';

/**
 * The task with what is to be learnt exchanged among its rows: labels, answers, or the words of a text among themselves.
 * The test split stays: whoever learns from this learns nothing that the test asks.
 */
export function shuffleLabels({ train, validation, test }: TaskSplits): TaskSplits {
  return { train: shuffled(train), validation: shuffled(validation), test };
}

function shuffled(rows: readonly TaskRow[]): TaskRow[] {
  const random = createRandom(0, 'shuffled labels');
  const others = random.sample([...rows.keys()], rows.length);
  return rows.map((row, index) => {
    const other = rows[others[index] as number] as TaskRow;
    if ('label' in row) return { ...row, label: other.label };
    if (Array.isArray(row.messages)) return { messages: [...row.messages.slice(0, -1), lastOf(other.messages)] };
    const words = String(row.text).split(/(?<=\s)/);
    const order = random.sample([...words.keys()], words.length);
    return { text: order.map((at) => words[at]).join('') };
  });
}

function lastOf(messages: unknown): unknown {
  return Array.isArray(messages) ? messages.at(-1) : undefined;
}
