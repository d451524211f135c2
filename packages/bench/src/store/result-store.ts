import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openResultDatabase, type ResultDatabase } from './result-database.js';
import { resultFormat, type TrialResult } from './result-file.js';

/** A folder of results: a file a trial, and tables of them. Folders of several machines are put together by copying files. */
export interface ResultStore extends Pick<ResultDatabase, 'select' | 'close'> {
  readonly folder: string;
  get(key: string): TrialResult | undefined;
  /** Writes a trial's file, whole or not at all. */
  save(result: TrialResult): Promise<void>;
}

/** Opens a folder of results, makes it where it is missing, and brings its tables up to its files. */
export async function openResultStore(folder: string): Promise<ResultStore> {
  const trials = join(folder, 'trials');
  await mkdir(trials, { recursive: true });
  const database = openResultDatabase(join(folder, 'results.db'));
  const known = database.keys();
  const pathOf = (key: string): string => join(trials, `${key}.json`);
  const suffix = '.json';
  const present = (await readdir(trials)).filter((name) => name.endsWith(suffix));
  const keys = new Set(present.map((name) => name.slice(0, -suffix.length)));
  for (const key of known) if (!keys.has(key)) database.remove(key);
  for (const key of keys) if (!known.has(key)) database.put(await resultFormat.read(pathOf(key)));
  return {
    folder,
    get: (key) => database.select('key = ?', key)[0],
    async save(result) {
      await resultFormat.write(pathOf(result.trial.key), result);
      database.put(result);
    },
    select: database.select,
    close: database.close,
  };
}
