import { TunesmithError } from '@tunesmith/core';
import type { Suite } from './suite-schema.js';

/** One place of a suite's product: what is compared over its seeds. */
export interface Cell {
  readonly model: string;
  readonly task: string;
  readonly method: string;
  readonly budget: string;
}

/** A task by name, and the methods that run on it. */
export interface TaskMethods {
  readonly name: string;
  readonly methods: readonly string[];
}

/** Every cell of a suite, in its order. */
export function cellsOf(suite: Suite, tasks: readonly TaskMethods[]): Cell[] {
  const [models, budgets] = [suite.models, suite.budgets].map(Object.keys) as [string[], string[]];
  return models.flatMap((model) =>
    tasks.flatMap(({ name: task, methods }) =>
      budgets.flatMap((budget) => methods.map((method): Cell => ({ model, task, method, budget }))),
    ),
  );
}

/** `model/task/method/budget`. */
export function cellName({ model, task, method, budget }: Cell): string {
  return [model, task, method, budget].join('/');
}

/** One of several machines' share of a suite. */
export interface Shard {
  /** Counted from 1. */
  readonly index: number;
  readonly count: number;
}

/** `i/n`. @throws CONFIG_INVALID */
export function parseShard(text: string): Shard {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text)?.map(Number) ?? [];
  if (index !== undefined && count !== undefined && index >= 1 && index <= count) return { index, count };
  throw new TunesmithError('CONFIG_INVALID', 'a shard is written i/n', {
    where: `--shard ${text}`,
    expected: 'for instance --shard 1/4, the first of four',
  });
}

/** The cells of a shard: every nth, so that each has some of every task. A cell's trials stay together. */
export function cellsOfShard(cells: readonly Cell[], { index, count }: Shard): Cell[] {
  return cells.filter((_, at) => at % count === index - 1);
}
