import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson, startCli } from './fixtures/run-cli.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-resume-'));
  await writeTinyModel(join(home, 'model'));
  await writeTinyData(join(home, 'data.jsonl'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const steps = 150;
const trainFlags = (output: string): string[] => [
  ...['train', '--model', 'model', '--data', 'data.jsonl', '--method', 'lora', '--output', output],
  ...['--steps', String(steps), '--set', 'trainer.checkpointEvery=7', '--set', 'trainer.batchSize=2'],
  ...['--set', 'trainer.learningRate=0.01', '--set', 'lora.dropout=0.3', '--set', 'lora.targetModules=all-linear'],
];

interface Line {
  readonly type: string;
  readonly step: number;
  readonly loss?: number;
}

/** The whole lines of a run's metrics, as far as it has come. */
function metricsOf(run: string): Line[] {
  const path = join(home, run, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Line);
}

const lossesOf = (run: string): [number, number | undefined][] =>
  metricsOf(run)
    .filter(({ type }) => type === 'step')
    .map(({ step, loss }) => [step, loss]);

const adapterHash = (run: string): string =>
  createHash('sha256')
    .update(readFileSync(join(home, run, 'adapter/adapter_model.safetensors')))
    .digest('hex');

/** The process that trains, from the run's lock. */
const trainingPid = (run: string): number =>
  (JSON.parse(readFileSync(join(home, run, 'run.lock'), 'utf8')) as { pid: number }).pid;

/** Waits until a run has come to a step; says whether it was still training then. */
async function reach(run: string, step: number, done: Promise<unknown>): Promise<boolean> {
  let ended = false;
  void done.then(() => {
    ended = true;
  });
  while (!ended && (metricsOf(run).at(-1)?.step ?? 0) < step) await delay(2);
  return !ended;
}

describe('a run that is killed', () => {
  it('resumes from its last checkpoint to the same bits, and writes no step twice', async () => {
    await runJson(home, ...trainFlags('whole'));
    expect(lossesOf('whole').map(([step]) => step)).toEqual(Array.from({ length: steps }, (_, index) => index + 1));

    let kills = 0;
    let command = trainFlags('killed');
    for (const step of [20, 60, 100].map((from) => from + Math.floor(40 * Math.random()))) {
      const { done } = startCli(home, ...command);
      if (await reach('killed', step, done)) {
        process.kill(trainingPid('killed'), 'SIGKILL');
        kills++;
      }
      const { code, stderr } = await done;
      expect(code).toBe(1);
      expect(stderr).toContain('tunesmith resume');
      command = ['resume', 'killed'];
    }
    expect(kills).toBe(3);
    await runJson(home, 'resume', 'killed');
    expect(lossesOf('killed')).toEqual(lossesOf('whole'));
    expect(adapterHash('killed')).toBe(adapterHash('whole'));
  });

  it('ends with a checkpoint, and frees the run, when the parent process dies', async () => {
    const { process: parent, done } = startCli(home, ...trainFlags('orphan'));
    expect(await reach('orphan', 20, done)).toBe(true);
    parent.kill('SIGKILL');
    await done;
    while (existsSync(join(home, 'orphan/run.lock'))) await delay(5);
    const last = metricsOf('orphan').at(-1);
    expect(last?.type).toBe('end');
    expect(last?.step).toBeLessThan(steps);
    expect(existsSync(join(home, `orphan/checkpoints/step-${String(last?.step).padStart(8, '0')}`))).toBe(true);
    const { step } = await runJson(home, 'resume', 'orphan');
    expect(step).toBe(steps);
    expect(adapterHash('orphan')).toBe(adapterHash('whole'));
  });
});

describe('Ctrl-C', () => {
  it('ends a run with a checkpoint and exit code 130', async () => {
    const { process: cli, done } = startCli(home, ...trainFlags('stopped'), '--json');
    expect(await reach('stopped', 20, done)).toBe(true);
    cli.kill('SIGINT');
    const { code, stdout } = await done;
    expect(code).toBe(130);
    const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string) as Line & { reason: string };
    expect(result).toMatchObject({ type: 'result', reason: 'aborted', adapters: [], savedStep: null });
    expect(metricsOf('stopped').slice(-2)).toMatchObject([{ type: 'checkpoint', step: result.step }, { type: 'end' }]);
  });
});

describe('a run folder', () => {
  it('takes one process at a time', async () => {
    // As many steps as outlast the second process, however busy the machine is.
    const { process: cli, done } = startCli(home, ...trainFlags('locked'), '--steps', '100000');
    expect(await reach('locked', 5, done)).toBe(true);
    const { code, stdout } = await runCli(home, 'resume', 'locked', '--json');
    cli.kill('SIGINT');
    await done;
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'RUN_LOCKED' } });
  });
  it('is not written over', async () => {
    const { code, stdout } = await runCli(home, ...trainFlags('whole'), '--json');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'FILE_INVALID', hint: expect.stringContaining('resume') },
    });
  });
});
