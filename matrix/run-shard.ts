import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ShardResult } from './results.js';
import { type Shard, shardKey } from './shards.js';

/** The parts of vitest's JSON report that are read here. */
interface Report {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Runs one shard in a process of its own, so that a crash costs only that shard. */
export async function runShard(root: string, shard: Shard): Promise<ShardResult> {
  const folder = mkdtempSync(join(tmpdir(), 'tunesmith-matrix-'));
  const outputFile = join(folder, 'report.json');
  const started = performance.now();
  try {
    const { status, output } = await vitest(root, shardKey(shard), outputFile);
    const { passed, failures } = outcome(outputFile);
    // Whatever went wrong outside a test shows in the exit status only.
    if (status !== 0 && failures.length === 0) failures.push(`vitest ended with ${status}: ${lastLine(output)}`);
    if (status === 0 && passed === 0) failures.push('no test ran');
    return { passed, failures, seconds: (performance.now() - started) / 1000, at: new Date().toISOString() };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function vitest(root: string, key: string, outputFile: string): Promise<{ status: number | string; output: string }> {
  const options = ['run', '--reporter=json', `--outputFile=${outputFile}`];
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...options], {
    cwd: root,
    env: { ...process.env, MATRIX_SHARD: key },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ status: code ?? signal ?? 'no status', output }));
  });
}

function outcome(outputFile: string): { passed: number; failures: string[] } {
  const failures: string[] = [];
  let passed = 0;
  for (const { message, assertionResults } of readReport(outputFile)?.testResults ?? []) {
    if (assertionResults.length === 0) failures.push(firstLine(message));
    for (const { fullName, status, failureMessages } of assertionResults) {
      if (status === 'passed') passed++;
      else failures.push(`${fullName}: ${reason(failureMessages[0] ?? status)}`);
    }
  }
  return { passed, failures };
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
function reason(stack: string): string {
  return stack.startsWith('Error: STACK_TRACE_ERROR') ? 'timed out' : firstLine(stack);
}

const firstLine = (text: string): string => text.trim().split('\n', 1)[0] as string;
const lastLine = (text: string): string => text.trim().split('\n').at(-1) as string;
