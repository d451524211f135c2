import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ShardResult } from './results.js';

/** What a shard's run came to, wherever it ran. */
export type ShardOutcome = Omit<ShardResult, 'commit'>;

/** The parts of vitest's JSON report that are read here. */
export interface Report {
  readonly testResults: readonly { readonly message: string; readonly assertionResults: readonly Test[] }[];
}

interface Test {
  /** The shard's key first. */
  readonly ancestorTitles: readonly string[];
  readonly fullName: string;
  readonly status: string;
  readonly duration?: number | null;
  readonly failureMessages: readonly string[];
}

/**
 * Runs shards, by their keys, one after the other in one process, apart from this one. If that breaks off, each runs
 * in a process of its own, so that a crash costs only the shard that crashes.
 */
export async function runShards(root: string, keys: readonly string[]): Promise<Map<string, ShardOutcome>> {
  const folder = mkdtempSync(join(tmpdir(), 'tunesmith-matrix-'));
  const outputFile = join(folder, 'report.json');
  try {
    const { status, output } = await vitest(root, keys, outputFile);
    const report = readReport(outputFile);
    if (keys.length === 1 || (report !== undefined && ended(report)))
      return outcomes(keys, report, status, lastLine(output));
    const results = new Map<string, ShardOutcome>();
    for (const key of keys) for (const [name, result] of await runShards(root, [key])) results.set(name, result);
    return results;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function vitest(
  root: string,
  keys: readonly string[],
  outputFile: string,
): Promise<{ status: number | string; output: string }> {
  const options = ['run', '--reporter=json', `--outputFile=${outputFile}`];
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...options], {
    cwd: root,
    env: { ...process.env, MATRIX_SHARDS: keys.join(' ') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ status: code ?? signal ?? 'no status', output }));
  });
}

/** What a report says of each shard. What went wrong outside of the tests fails every shard that it may have touched. */
export function outcomes(
  keys: readonly string[],
  report: Report | undefined,
  status: number | string,
  lastWords: string,
): Map<string, ShardOutcome> {
  const files = report?.testResults ?? [];
  const tests = files.flatMap(({ assertionResults }) => assertionResults);
  const outside = files
    .filter(({ assertionResults }) => assertionResults.length === 0)
    .map(({ message }) => firstLine(message));
  if (status !== 0 && outside.length === 0 && tests.every(({ status: of }) => of === 'passed')) {
    outside.push(`vitest ended with ${status}: ${lastWords}`);
  }
  const at = new Date().toISOString();
  const why = (test: Test): string => (test.status === 'pending' ? 'broke off' : reason(test));
  return new Map(
    keys.map((key) => {
      const own = tests.filter(({ ancestorTitles }) => ancestorTitles[0] === key);
      const failed = own.filter(({ status: of }) => of !== 'passed');
      const failures = [...outside, ...failed.map((test) => `${test.fullName.replace(`${key} `, '')}: ${why(test)}`)];
      if (own.length === 0 && outside.length === 0) failures.push('no test ran');
      const seconds = own.reduce((sum, { duration }) => sum + (duration ?? 0), 0) / 1000;
      return [key, { passed: own.length - failed.length, failures, seconds, at }];
    }),
  );
}

/** Whether every file was read and every test came to its end: one that was running in a crash is pending. */
function ended(report: Report): boolean {
  return report.testResults.every(
    ({ assertionResults: tests }) => tests.length > 0 && tests.every(({ status }) => status !== 'pending'),
  );
}

/** Nothing if vitest ended before it wrote its report. */
function readReport(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Report;
  } catch {
    return undefined;
  }
}

/** Vitest reports an error by its stack, and a timeout's has a placeholder where the message would be. */
function reason({ status, failureMessages: [stack = status] }: Test): string {
  return stack.startsWith('Error: STACK_TRACE_ERROR') ? 'timed out' : firstLine(stack);
}

const firstLine = (text: string): string => text.trim().split('\n', 1)[0] as string;
const lastLine = (text: string): string => text.trim().split('\n').at(-1) as string;
