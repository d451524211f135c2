import { type ErrorCode, TunesmithError } from '@tunesmith/core';
import { CommanderError } from 'commander';

/** The command's exit codes; the README's table is made of these. */
export const exitCodes = {
  0: 'done',
  1: 'the run failed; `bench compare`: something is worse; `bench check`: a task does not count',
  2: 'bad usage, recipe, data or files: nothing was trained',
  4: 'the environment lacks something: a device, a network, a capability (`tunesmith doctor` helps)',
  130: 'stopped by Ctrl-C, after a checkpoint was saved',
  143: 'stopped by SIGTERM, after a checkpoint was saved',
} as const;

export type ExitCode = keyof typeof exitCodes;

const byError: Readonly<Record<ErrorCode, ExitCode>> = {
  CONFIG_INVALID: 2,
  DATA_INVALID: 2,
  FILE_INVALID: 2,
  FILE_MISSING: 2,
  NAME_UNKNOWN: 2,
  METHOD_CONFLICT: 2,
  API_VERSION: 2,
  SHAPE_MISMATCH: 2,
  CAPABILITY_MISSING: 4,
  OP_UNSUPPORTED: 4,
  BACKEND_UNAVAILABLE: 4,
  NETWORK: 4,
  DIVERGED: 1,
  GATE_FAILED: 1,
  RUN_LOCKED: 1,
  INTERNAL: 1,
  ABORTED: 130,
};

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return TunesmithError.isInstance(error) ? byError[error.code] : 1;
}
