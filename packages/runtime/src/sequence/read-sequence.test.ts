import { describe, expect, it } from 'vitest';
import { readSequence } from './read-sequence.js';

const folder = '/data';
const task = (name: string, rest: object = {}) => ({ name, train: `${name}.jsonl`, validation: 'held.jsonl', ...rest });
const read = (value: object) =>
  readSequence({ value: { model: { path: '/m' }, method: 'lora', ...value }, where: 's.yaml' }, folder);
const folders = ['/out/1-a', '/out/2-b', '/out/3-c'];
const measure = { data: 'held.jsonl' };

describe('readSequence', () => {
  it('has a task begin with its own model, or with what the one before left', () => {
    const { tasks, recipeOf, hasMatrix } = read({
      model: { name: 'org/model', dtype: 'float32' },
      tasks: [task('a'), task('b', { model: { path: 'small', layers: 2 } }), task('c')],
    });
    expect(hasMatrix).toBe(false);
    expect(tasks.map(({ model }) => model)).toEqual([null, { settings: { path: 'small' }, layers: 2 }, null]);
    const modelOf = (count: number, model?: string) => recipeOf(folders.slice(0, count), { model }).value.model;
    expect(modelOf(1)).toEqual({ name: 'org/model', dtype: 'float32' });
    expect(modelOf(2)).toEqual({ path: '/data/small', dtype: 'float32' });
    expect(modelOf(2, '/out/models/small-2')).toEqual({ path: '/out/models/small-2', dtype: 'float32' });
    expect(modelOf(3, '/out/2-b/merged')).toEqual({ path: '/out/2-b/merged', dtype: 'float32' });
  });

  it('has the rows of earlier tasks as far back as its model has learnt them', () => {
    const { recipeOf } = read({ tasks: [task('a'), task('b', { model: {} }), task('c')] });
    const earlierOf = (count: number) =>
      (recipeOf(folders.slice(0, count)).value.data as { earlier: string[] }).earlier;
    expect([1, 2, 3].map(earlierOf)).toEqual([[], [], ['/data/b.jsonl']]);
    expect(read({ tasks: [task('a'), task('b'), task('c')] }).hasMatrix).toBe(true);
  });

  it('adds the rows that an earlier task writes, and takes a task’s name for its model', () => {
    const { tasks, recipeOf } = read({
      tasks: [
        task('a'),
        { name: 'b', validation: 'held.jsonl', generate: { by: 'a', prompts: 'asked.jsonl', temperature: 0.7 } },
        task('c', { objective: { name: 'distillation', teacher: 'a', weight: 0.5 } }),
      ],
    });
    expect(tasks[1]?.generate).toMatchObject({ by: 0, prompts: ['/data/asked.jsonl'], temperature: 0.7, samples: 1 });
    expect(recipeOf(folders.slice(0, 2)).value.data).toMatchObject({ train: ['/out/2-b.generated.jsonl'] });
    expect(recipeOf(folders, { teacher: '/out/1-a/merged' }).value.objective).toEqual({
      ...{ name: 'distillation', teacher: '/out/1-a/merged', weight: 0.5 },
    });
    const path = read({ tasks: [task('a', { objective: { name: 'distillation', teacher: 'big' } })] });
    expect(path.recipeOf(folders.slice(0, 1)).value.objective).toMatchObject({ teacher: '/data/big' });
  });

  it.each([
    [
      'an unknown task',
      [task('teacher'), task('b', { generate: { by: 'techer', prompts: 'p' } })],
      /from "techer".*an earlier task: teacher.*Did you mean teacher/,
    ],
    [
      'a later task',
      [task('a', { generate: { by: 'b', prompts: 'p' } }), task('b')],
      /"a" has its generated rows from "b", which comes later/,
    ],
    [
      'itself',
      [task('a'), task('b', { objective: { name: 'distillation', teacher: 'b' } })],
      /its teacher from "b", which it is itself/,
    ],
    [
      'a gate against a later task',
      [task('a', { gate: { betterThan: 'b' } }), task('b')],
      /its gate from "b", which comes later/,
    ],
    ['a gate of nothing', [task('a', { gate: {} })], /tasks\.0\.gate: expected quality, loss or betterThan/],
    ['a misspelt gate', [task('a', { gate: { qualty: 1 } })], /gate\.qualty: unknown key\. Did you mean quality/],
    [
      'a task without rows',
      [{ name: 'a', validation: 'v' }],
      /tasks\.0\.train: is missing; expected files, or `generate`/,
    ],
    ['what is said once', [task('a', { measure })], /"a" says "measure", which is said once/],
    ['a name twice', [task('a'), task('a')], /"a" is named twice/],
    ['no layers', [task('a', { model: { layers: 0 } })], /tasks\.0\.model\.layers/],
  ])('refuses %s', (_, tasks, message) => {
    expect(() => read({ tasks, measure })).toThrow(message);
  });

  it('refuses a gate without a measure, and to carry on over models', () => {
    expect(() => read({ tasks: [task('a', { gate: { quality: 0.5 } })] })).toThrow(
      /"a" has a gate; expected `measure`/,
    );
    const over = { carryOn: true, tasks: [task('a'), task('b', { model: {} })] };
    expect(() => read(over)).toThrow(/a task has a model of its own; expected one model for all/);
    expect(() => read({ measure: { metric: 'loss' }, tasks: [task('a')] })).toThrow(/measure\.data: is missing/);
  });
});
