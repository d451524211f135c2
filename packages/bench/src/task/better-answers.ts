import { createRandom } from '@tunesmith/core';
import { type Exercise, skills } from './exercises.js';
import type { TaskDefinition, TaskRow } from './task.js';

const sizes = { train: 1600, validation: 80, test: 240 } as const;

/**
 * Preferences without anybody to ask: of two answers to an exercise the right one, and in a quarter of the rows, where both
 * are right, the one in a whole sentence. Questions of the test split are in no other.
 */
export const betterAnswers: TaskDefinition = {
  name: 'better-answers',
  summary: 'Of two answers to an exercise the right one is preferred, and of two right ones the whole sentence.',
  licence: 'Apache-2.0 (made by this project)',
  source: 'made by a seed',
  // What the model itself said before, computed once: methods that train the model's own weights have no other reference.
  objective: { name: 'dpo', reference: 'cached' },
  data: { format: 'preference', maxLength: 96 },
  metric: { name: 'rewards/accuracies', chance: 0.5, ceiling: 1 },
  rows() {
    const kept = new Set<string>();
    const rows: TaskRow[] = [];
    const held = sizes.test + sizes.validation;
    for (let index = 0; rows.length < held + sizes.train; index++) {
      const random = createRandom(0, 'better answers', index);
      const isOfManner = random.between(0, 3) === 0;
      const exercise = random.pick(Object.values(skills))(random);
      if (kept.has(exercise.ask)) continue;
      if (rows.length < held) kept.add(exercise.ask);
      rows.push(isOfManner ? preferManner(exercise) : preferTruth(exercise, exercise.wrong(random)));
    }
    return { test: rows.slice(0, sizes.test), validation: rows.slice(sizes.test, held), train: rows.slice(held) };
  },
};

function preferTruth({ ask, answer }: Exercise, wrong: string): TaskRow {
  return preference(ask, answer, wrong);
}

function preferManner({ ask, answer }: Exercise): TaskRow {
  return preference(ask, `The answer is ${answer}.`, answer);
}

function preference(ask: string, chosen: string, rejected: string): TaskRow {
  const said = (role: string, content: string): object[] => [{ role, content }];
  return { prompt: said('user', ask), chosen: said('assistant', chosen), rejected: said('assistant', rejected) };
}
