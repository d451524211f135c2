import { createRandom } from '@tunesmith/core';
import { readRows } from '@tunesmith/data';
import type { TaskRow } from './task.js';

/** The rows of a data file, in memory. `header` names the columns of a table without a line of names. */
export async function rowsOf(file: string, header?: readonly string[]): Promise<TaskRow[]> {
  const read = async (options: { readonly header?: readonly string[] }): Promise<TaskRow[]> => {
    const rows: TaskRow[] = [];
    for await (const { value } of readRows(file, undefined, options)) rows.push(value);
    return rows;
  };
  if (header === undefined || !/\.[ct]sv$/.test(file)) return read({});
  const named = await read({});
  return named[0] !== undefined && header.every((column) => column in (named[0] as TaskRow)) ? named : read({ header });
}

/** As many rows as are wanted of those that there are, drawn by a seed that is the data's own, the same for everybody. */
export function drawn(rows: readonly TaskRow[], count: number, name: string): TaskRow[] {
  return createRandom(0, 'rows', name).sample(rows, Math.min(count, rows.length));
}
