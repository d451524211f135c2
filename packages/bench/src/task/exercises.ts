import { createRandom, type Random } from '@tunesmith/core';
import type { TaskDefinition, TaskRow } from './task.js';

export interface Exercise {
  readonly ask: string;
  readonly answer: string;
  /** An answer that could be taken for it, and is not. */
  wrong(random: Random): string;
}

/** More held out would leave few sums to learn from: there are three hundred questions for one. */
const sizes = { train: 3000, validation: 90, test: 200 } as const;

const things = [
  ...['apple', 'bread', 'chair', 'clock', 'coat', 'desk', 'fish', 'glass', 'hat', 'knife', 'lamp', 'milk'],
  ...['paper', 'pen', 'plate', 'rice', 'ring', 'rope', 'shoe', 'soap', 'spoon', 'stone', 'table', 'wine'],
];

/** In plain words of today, none of which the bundled model's training texts ask in. */
export const skills: Readonly<Record<string, (random: Random) => Exercise>> = {
  arithmetic(random) {
    const [a, b] = [random.between(0, 9), random.between(0, 9)];
    const ask = random.pick([
      `What is ${a} plus ${b}?`,
      `Add ${b} to ${a}.`,
      `Please compute the sum of ${a} and ${b}.`,
    ]);
    return { ask, answer: String(a + b), wrong: (draw) => String(a + b + draw.between(1, 4)) };
  },
  sorting(random) {
    const digits = random.sample([...Array(10).keys()], 3);
    const ask = random.pick([
      `Sort these numbers in ascending order: ${digits.join(' ')}`,
      `Arrange ${digits.join(' ')} from smallest to largest.`,
    ]);
    const answer = digits.toSorted((a, b) => a - b).join(' ');
    const orders = [
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ] as const;
    const sorted = answer.split(' ');
    return {
      ask,
      answer,
      wrong: (draw) =>
        draw
          .pick(orders)
          .map((at) => sorted[at])
          .join(' '),
    };
  },
  lookup(random) {
    const entries = random.sample(things, 3).map((name) => [name, random.between(10, 99)] as const);
    const [name, price] = random.pick(entries);
    const listed = entries.map(([thing, cost]) => `${thing} ${cost}`).join(', ');
    const ask = random.pick([
      `Price list: ${listed}. How much does the ${name} cost?`,
      `Given the prices ${listed}, what is the price of ${name}?`,
    ]);
    const others = entries.filter(([, cost]) => cost !== price);
    return {
      ask,
      answer: String(price),
      wrong: (draw) => String(others.length > 0 ? draw.pick(others)[1] : price + 1),
    };
  },
};

/**
 * Exercises with exact answers, made by a seed; no question is in two splits. There are only so many sums and orders: among
 * the rows that are trained on, a question may be there again, so that each skill has its third of them.
 */
export const exercises: TaskDefinition = {
  name: 'exercises',
  summary: 'Small sums, sorting three digits, looking up a price: answers right to the letter.',
  licence: 'Apache-2.0 (made by this project)',
  source: 'made by a seed',
  objective: { name: 'sft' },
  // Packed, four or so to a row: a step holds as many tokens as in the other tasks.
  data: { format: 'messages', maxLength: 128, promptLossWeight: 0, packing: true },
  metric: { name: 'exactMatch', chance: 0, ceiling: 1 },
  rows() {
    const kept = new Set<string>();
    const rows: TaskRow[] = [];
    const held = sizes.test + sizes.validation;
    for (let index = 0; rows.length < held + sizes.train; index++) {
      const random = createRandom(0, 'exercises', index);
      const { ask, answer } = random.pick(Object.values(skills))(random);
      if (kept.has(ask)) continue;
      if (rows.length < held) kept.add(ask);
      const messages = [
        { role: 'user', content: ask },
        { role: 'assistant', content: answer },
      ];
      rows.push({ messages });
    }
    return { test: rows.slice(0, sizes.test), validation: rows.slice(sizes.test, held), train: rows.slice(held) };
  },
};
