import { elementCount, type Handle } from '@tunesmith/core';
import { z } from 'zod';
import { moduleMatcher } from './module-matcher.js';

/** Modules as options name them. */
export const moduleNames = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

/** Whether a weight lies inside the modules named; all do where none are. @throws NAME_UNKNOWN, CONFIG_INVALID */
export function insideModules(
  names: z.output<typeof moduleNames> | undefined,
  weights: readonly Handle[],
  where: string,
): (handle: Handle) => boolean {
  return names === undefined ? () => true : moduleMatcher(names, weights, where);
}

/** How many numbers they hold together. */
export function sizeOf(handles: readonly Handle[]): number {
  return handles.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}
