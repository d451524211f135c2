import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface Peaks {
  readonly estimatedBytes: number;
  readonly measuredBytes: number;
}

/** Where a case's files are: `work` is emptied for each case, `cache` may be shared. */
export interface CaseFolders {
  readonly work: string;
  readonly cache: string;
}

const main = fileURLToPath(new URL('../apps/cli/dist/main.js', import.meta.url));

/** What the built command says that a recipe takes, and the peak of the training process that it then starts. */
export async function runCommandCase(recipe: object, { work, cache }: CaseFolders): Promise<Peaks> {
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const file = join(work, 'recipe.json');
  await writeFile(file, JSON.stringify({ ...recipe, output: join(work, 'run') }));
  const { estimate } = (await tunesmith(cache, 'plan', file)) as { estimate: { peakBytes: number } };
  const { peakBytes } = (await tunesmith(cache, 'train', file)) as { peakBytes: number };
  return { estimatedBytes: estimate.peakBytes, measuredBytes: peakBytes };
}

/** Runs a command with --json and gives its last line. */
export async function tunesmith(cache: string, ...args: string[]): Promise<unknown> {
  const env = { ...process.env, TUNESMITH_CACHE: cache };
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args, '--json'], {
    env,
    maxBuffer: 1 << 26,
  });
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) as string);
}
