import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { latestCheckpoint } from './list-checkpoints.js';
import { readCheckpoint } from './read-checkpoint.js';

/** Goes on from the last checkpoint, writing as fast as it can and printing each step that is safe. */
const writer = `
  import { latestCheckpoint } from './list-checkpoints.js';
  import { pruneCheckpoints } from './prune-checkpoints.js';
  import { readCheckpoint } from './read-checkpoint.js';
  import { writeCheckpoint } from './write-checkpoint.js';
  const folder = process.argv[2];
  const latest = await latestCheckpoint(folder);
  let step = latest === undefined ? 0 : (await readCheckpoint(latest)).step;
  for (;;) {
    step++;
    const values = new Float32Array(100_000).fill(step);
    await writeCheckpoint(folder, { step, tensors: { weight: { shape: [100_000], values } }, state: { step } });
    process.stdout.write(step + '\\n');
    await pruneCheckpoints(folder, { keepLast: 2 });
  }
`;

let home: string;
let script: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'kill-'));
  script = join(home, 'writer.mjs');
  await build({
    stdin: { contents: writer, resolveDir: import.meta.dirname, loader: 'ts' },
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['tunesmith-source'],
    logLevel: 'error',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
});
afterAll(() => rm(home, { recursive: true }));

/** Lets the writer finish some steps, kills it a moment later, and gives the last step that it called safe. */
async function killAfter(child: ChildProcess, steps: number, delayMilliseconds: number): Promise<number> {
  let last = 0;
  let count = 0;
  const closed = new Promise((resolve) => child.once('close', resolve));
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    last = Number(line);
    if (++count === steps) setTimeout(() => child.kill('SIGKILL'), delayMilliseconds);
  }
  await closed;
  expect(child.signalCode).toBe('SIGKILL');
  return last;
}

it('survives SIGKILL at any moment: the last step said to be safe, or a later one, is whole', async () => {
  const folder = join(home, 'run');
  let safe = 0;
  let leftovers = 0;
  for (let round = 0; round < 12; round++) {
    const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const last = await killAfter(child, 2 + (round % 3), round * 1.7);
    expect(last).toBeGreaterThan(safe);
    safe = last;
    leftovers += (await readdir(folder)).filter((name) => name.includes('.tmp-')).length;

    const { step, tensors, state } = await readCheckpoint((await latestCheckpoint(folder)) as string);
    expect(step).toBeGreaterThanOrEqual(safe);
    expect(state).toEqual({ step });
    expect(tensors.weight?.values.length).toBe(100_000);
    expect(tensors.weight?.values.every((value) => value === step)).toBe(true);
  }
  // Some of the kills must have struck while something was being written, or the test proves little.
  expect(leftovers).toBeGreaterThan(0);
});
