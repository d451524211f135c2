import { type ErrorCode, type TrainerEvent, TunesmithError } from '@tunesmith/core';
import type { HubSettings } from '../model/engine.js';
import type { RunResult } from '../train/run-result.js';

/** What a training process is told: it loads the recipe, the plugins and the model itself. */
export interface TrainingRequest {
  /** A run's folder, with its recipe. */
  readonly folder: string;
  /** Folders that plugins are resolved from. */
  readonly roots: readonly string[];
  readonly hub: HubSettings;
  readonly cacheFolder: string;
}

export type ParentMessage = { readonly type: 'train'; readonly request: TrainingRequest } | { readonly type: 'stop' };

export type ChildMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'phase'; readonly phase: string }
  | { readonly type: 'warning'; readonly warning: string }
  | { readonly type: 'event'; readonly event: TrainerEvent }
  | { readonly type: 'result'; readonly result: RunResult }
  | { readonly type: 'failure'; readonly failure: Failure };

/** An error as it crosses from one process to another. */
export interface Failure {
  readonly code?: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly stack?: string;
}

export function failureOf(error: unknown): Failure {
  const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  if (!TunesmithError.isInstance(error)) return { message: String(error), ...stack };
  const { code, message, hint } = error;
  return { code, message, ...(hint === undefined ? {} : { hint }), ...stack };
}

/** The error that crossed, with its whole message, and its code and hint where it is one of ours. */
export function errorOf({ code, message, hint, stack }: Failure): Error {
  const error =
    code === undefined ? new Error(message) : new TunesmithError(code, '', hint === undefined ? {} : { hint });
  error.message = message;
  if (stack !== undefined) error.stack = stack;
  return error;
}
