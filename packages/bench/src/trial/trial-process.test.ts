import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runTrialProcess } from './trial-process.js';
import type { TrialRequest } from './trial-request.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trial-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs a trial whose process is this text. */
async function outcomeOf(code: string, timeoutSeconds = 30) {
  const entry = join(folder, `${Math.random()}.mjs`);
  await writeFile(entry, code);
  const request = { timeoutSeconds } as TrialRequest;
  return runTrialProcess({ entry, request, place: { roots: [], cacheFolder: '', workFolder: '' } });
}

const whenAsked = (then: string): string =>
  `process.on('message', ({ request }) => { ${then} }); process.send({ type: 'ready' });`;

describe('a trial’s process', () => {
  it('is asked, and its outcome is told', async () => {
    const tell = `process.send({ type: 'outcome', outcome: { status: 'success', measurement: request.timeoutSeconds } }, () => process.exit(0));`;
    expect(await outcomeOf(whenAsked(tell))).toEqual({ status: 'success', measurement: 30 });
  });

  it.each([
    ['crashed', whenAsked("console.error('the last words'); process.exit(7);"), 'exit code 7: the last words'],
    ['crashed', whenAsked("process.kill(process.pid, 'SIGSEGV');"), 'SIGSEGV'],
    ['crashed', "throw new Error('before it is ready');", 'before it is ready'],
    ['out-of-memory', whenAsked("process.kill(process.pid, 'SIGKILL');"), 'the system killed the process'],
    [
      'out-of-memory',
      whenAsked(
        "console.error('FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory'); process.abort();",
      ),
      'SIGABRT',
    ],
  ])('that has %s is a failure with its reason', async (kind, code, message) => {
    const outcome = await outcomeOf(code);
    expect(outcome).toMatchObject({ status: 'failed', failure: { kind } });
    expect(outcome.status === 'failed' && outcome.failure.message).toContain(message);
  });

  it('that takes too long is ended', async () => {
    const outcome = await outcomeOf(whenAsked('for (;;);'), 1.5);
    expect(outcome).toMatchObject({
      status: 'failed',
      failure: { kind: 'timed-out', message: 'the trial took longer than 1.5 s' },
    });
  });
});
