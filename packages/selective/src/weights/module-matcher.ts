import { didYouMean, type Handle, matchesName, TunesmithError } from '@tunesmith/core';

/**
 * Whether a weight lies inside a module that the patterns name: a list's entry names every module whose path equals it or
 * ends with `.` + entry, a single string is a regular expression for a module's whole path. A weight's own path counts
 * as its innermost module.
 * @throws NAME_UNKNOWN for an entry that names nothing, CONFIG_INVALID for a broken expression
 */
export function moduleMatcher(
  patterns: string | readonly string[],
  weights: readonly Handle[],
  where: string,
): (handle: Handle) => boolean {
  const tests = typeof patterns === 'string' ? [wholePath(patterns, where)] : patterns.map(named);
  const modules = new Set(weights.flatMap(({ path }) => enclosing(path)));
  for (const [index, test] of tests.entries()) {
    if ([...modules].some(test)) continue;
    const entry = typeof patterns === 'string' ? patterns : (patterns[index] as string);
    const lastNames = new Set([...modules].map((path) => path.slice(path.lastIndexOf('.') + 1)));
    throw new TunesmithError('NAME_UNKNOWN', `"${entry}" names no module of this model`, {
      where,
      hint: didYouMean(entry, lastNames),
    });
  }
  return ({ path }) => enclosing(path).some((module) => tests.some((test) => test(module)));
}

/** `a.b.c` → `a`, `a.b`, `a.b.c`. */
function enclosing(path: string): string[] {
  const parts = path.split('.');
  return parts.map((_, index) => parts.slice(0, index + 1).join('.'));
}

function named(entry: string): (path: string) => boolean {
  return (path) => matchesName(path, entry);
}

function wholePath(pattern: string, where: string): (path: string) => boolean {
  try {
    const expression = new RegExp(`^(?:${pattern})$`);
    return (path) => expression.test(path);
  } catch (cause) {
    throw new TunesmithError('CONFIG_INVALID', `"${pattern}" is not a regular expression`, { where, cause });
  }
}
