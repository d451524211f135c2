/** Runs that keep to other tasks or to a teacher, killed in the middle: they go on to the same bits. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { runJson, startCli } from './fixtures/run-cli.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-resume-transfer-'));
  await writeTinyModel(join(home, 'model'));
  await writeTinyData(join(home, 'data.jsonl'));
  const rows = Array.from({ length: 30 }, (_, index) => ({ prompt: `${index}: `, completion: `${index % 7}.` }));
  await writeFile(join(home, 'earlier.jsonl'), `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`);
});
afterAll(() => rm(home, { recursive: true, force: true }));

const steps = 60;
const recipe = {
  model: { path: 'model' },
  data: { train: 'data.jsonl', maxLength: 32 },
  method: 'lora',
  lora: { dropout: 0.3, targetModules: 'all-linear' },
  trainer: { steps, batchSize: 2, learningRate: 0.003, checkpointEvery: 7 },
};
const earlier = { ...recipe.data, earlier: 'earlier.jsonl' };

interface Line {
  readonly type: string;
  readonly step: number;
  readonly loss?: number;
  readonly terms?: object;
}

function metricsOf(run: string): Line[] {
  const path = join(home, run, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

/** Kills the process that trains once a run has come to a step. */
async function killAt(run: string, step: number, command: readonly string[]): Promise<void> {
  const { done } = startCli(home, ...command);
  let ended = false;
  void done.then(() => {
    ended = true;
  });
  while (!ended && (metricsOf(run).at(-1)?.step ?? 0) < step) await delay(2);
  expect(ended).toBe(false);
  process.kill((JSON.parse(readFileSync(join(home, run, 'run.lock'), 'utf8')) as { pid: number }).pid, 'SIGKILL');
  expect((await done).code).toBe(1);
}

describe('a killed run', () => {
  it.each([
    ['ewc', { method: ['lora', 'ewc'], ewc: { lambda: 50, samples: 6 }, data: earlier }],
    ['replay', { data: { ...earlier, replay: 0.4, replayBuffer: 11 } }],
    ['distillation', { objective: { name: 'distillation', teacher: 'model', top: 8 } }],
  ])(
    'goes on to the same bits with %s',
    async (name, changes) => {
      const write = (output: string): Promise<void> =>
        writeFile(join(home, `${output}.yaml`), stringify({ ...recipe, ...changes, output }));
      const [whole, killed] = [`${name}-whole`, `${name}-killed`];
      await Promise.all([write(whole), write(killed)]);
      await runJson(home, 'train', `${whole}.yaml`);
      await killAt(killed, 20, ['train', `${killed}.yaml`]);
      expect(await runJson(home, 'resume', killed)).toMatchObject({ step: steps });
      const learnt = (run: string): object[] =>
        metricsOf(run)
          .filter(({ type }) => type === 'step')
          .map(({ step, loss, terms }) => ({ step, loss, terms }));
      expect(learnt(killed)).toEqual(learnt(whole));
      const adapter = (run: string): Buffer => readFileSync(join(home, run, 'adapter/adapter_model.safetensors'));
      expect(adapter(killed).equals(adapter(whole))).toBe(true);
    },
    300_000,
  );
});
