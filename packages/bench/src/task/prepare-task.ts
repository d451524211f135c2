import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DatasetFilesOptions, datasetFiles } from './dataset-files.js';
import { openNpmPackage } from './npm-package.js';
import { shuffledName, shuffleLabels } from './shuffle-labels.js';
import { type PreparedTask, preparedTaskSchema, type TaskDefinition, type TaskRow } from './task.js';

const splits = ['train', 'validation', 'test'] as const;

export interface PrepareTaskOptions extends DatasetFilesOptions {
  /** A control: what is to be learnt is exchanged among the rows that are trained on. */
  readonly shuffled?: boolean;
}

/** Makes a task's rows and writes them where trials read them. */
export async function prepareTask(task: TaskDefinition, options: PrepareTaskOptions): Promise<PreparedTask> {
  const { cacheFolder, shuffled = false } = options;
  const { rows: make, ...definition } = task;
  const packages = join(cacheFolder, 'packages');
  const made = await make({
    npmPackage: (wanted) => openNpmPackage(wanted, packages),
    dataset: (wanted) => datasetFiles(wanted, options),
  });
  const rows = shuffled ? shuffleLabels(made) : made;
  const name = shuffled ? shuffledName(task.name) : task.name;
  const texts = splits.map((split) => jsonLines(rows[split]));
  const digest = createHash('sha256').update(texts.join('\0')).digest('hex');
  const folder = join(cacheFolder, 'tasks', `${task.name}-${digest.slice(0, 12)}`);
  await mkdir(folder, { recursive: true });
  const files = await Promise.all(
    splits.map(async (split, index) => {
      const path = join(folder, `${split}.jsonl`);
      const text = texts[index] as string;
      if ((await readFile(path, 'utf8').catch(() => '')) !== text) await writeFile(path, text);
      return [split, path] as const;
    }),
  );
  return preparedTaskSchema.parse({ ...definition, name, ...Object.fromEntries(files) });
}

function jsonLines(rows: readonly TaskRow[]): string {
  return `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
}
