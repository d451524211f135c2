import type { HubSettings, Recipe } from '@tunesmith/runtime';
import type { Cell } from '../suite/cells.js';
import type { PreparedTask } from '../task/task.js';

/** Why a trial runs: to choose the learning rate, to be reported, or to be timed alone. */
export type TrialKind = 'tuning' | 'seed' | 'timing';

/** What a result depends on beside its recipe; hashes. */
export interface TrialIdentity {
  readonly code: string;
  readonly data: string;
  readonly model: string;
}

/** One trial, as it is told to its process. Plain data. */
export interface TrialRequest {
  /** Of all that its result depends on. */
  readonly key: string;
  readonly suite: string;
  readonly cell: Cell;
  readonly kind: TrialKind;
  readonly seed: number;
  readonly learningRate: number;
  readonly recipe: Recipe;
  readonly task: PreparedTask;
  /** Text of the model's own domain, to measure forgetting on. */
  readonly ownText: string | null;
  readonly threads: number | null;
  readonly timeoutSeconds: number;
  /** Whether nothing else runs beside it, as far as the bench knows. */
  readonly alone: boolean;
  readonly identity: TrialIdentity;
}

/** What a trial's process needs of its surroundings; no result depends on it. */
export interface TrialPlace {
  /** Folders that plugins are resolved from. */
  readonly roots: readonly string[];
  readonly hub?: HubSettings;
  readonly cacheFolder: string;
  /** Where the run may lie while it lasts. */
  readonly workFolder: string;
}
