import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { trainingEnvironment } from '@tunesmith/runtime';
import type { StepOptions } from './step-options.js';

export interface StepResult extends StepOptions {
  /** Trained parameters over those of the base. */
  readonly trainedShare: number;
  readonly secondsPerStep: number;
  readonly cpuSecondsPerStep: number;
  readonly peakBytes: number;
  /** Memory that the steps took on a GPU. */
  readonly gpuBytes?: number;
  readonly nodes: number;
  readonly matmulFlops: number;
  readonly traceMilliseconds: number;
  readonly openMilliseconds: number;
}

const tsx = createRequire(import.meta.url).resolve('tsx/cli');

/** Measures one case in a fresh process, which is set up as those that `tunesmith train` starts. */
export async function runCase(options: Partial<StepOptions>, environment: NodeJS.ProcessEnv = {}): Promise<StepResult> {
  const script = fileURLToPath(new URL('./step-case.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [tsx, script, JSON.stringify(options)], {
    env: { ...trainingEnvironment(), ...environment },
  });
  return JSON.parse(stdout) as StepResult;
}
