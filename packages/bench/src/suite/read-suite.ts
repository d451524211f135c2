import { dirname, isAbsolute, join, resolve } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { describeIssue, type RecipeSource, readRecipe } from '@tunesmith/runtime';
import { type Suite, suiteSchema } from './suite-schema.js';

/** Reads a suite: YAML, JSON, or a module whose default export it is. Its paths are relative to the file. */
export async function readSuite(file: string): Promise<Suite> {
  return parseSuite(await readRecipe(file), dirname(resolve(file)));
}

/** Checks a suite. @throws CONFIG_INVALID with every problem at once */
export function parseSuite({ value, where }: RecipeSource, folder: string): Suite {
  const result = suiteSchema.safeParse(value, { reportInput: true });
  if (result.success) return withAbsolutePaths(result.data, folder);
  const problems = result.error.issues.flatMap((issue) => describeIssue(issue, suiteSchema));
  const what = problems.length === 1 ? (problems[0] as string) : `\n  ${problems.join('\n  ')}`;
  throw new TunesmithError('CONFIG_INVALID', what, { where });
}

function withAbsolutePaths(suite: Suite, folder: string): Suite {
  const absolute = (path: string): string => (isAbsolute(path) ? path : join(folder, path));
  const fields = <Fields extends object>(value: Fields, keys: readonly string[]): Fields =>
    Object.fromEntries(
      Object.entries(value).map(([key, field]) => [
        key,
        keys.includes(key) && typeof field === 'string' ? absolute(field) : field,
      ]),
    ) as Fields;
  return {
    ...suite,
    models: Object.fromEntries(
      Object.entries(suite.models).map(([name, model]) => [name, fields(model, ['path', 'ownText'])]),
    ),
    tasks: suite.tasks.map((task) =>
      typeof task === 'string' ? task : fields(task, 'task' in task ? ['path'] : ['train', 'validation', 'test']),
    ),
  };
}
