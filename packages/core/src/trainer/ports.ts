import type { Row } from '../objective/row.js';
import type { HostArray } from '../parameters/handle.js';
import type { Json } from '../storage/json.js';
import type { Shape } from '../tensor/tfjs.js';

/** Training rows in a repeatable order, epoch after epoch, from any earlier position. */
export interface RowSource {
  /** Rows in an epoch, where they can be counted. */
  readonly length?: number;
  /** Rows without end, from the start or from a position; each with the position after it. */
  read(position: Json): AsyncIterable<{ readonly row: Row; readonly position: Json }>;
  /**
   * Where to go on after a step, whose last row's position this is: the same, if what the step showed changes nothing. Pure, so that a
   * resumed run goes on where the other did.
   */
  after?(step: StepEvent, position: Json): Json;
}

/** Values as a checkpoint has them: bytes are codes of an optimizer's state. */
export type SavedArray = HostArray | Uint8Array;

/** A complete state of training: enough to go on to the same bits. */
export interface TrainerCheckpoint {
  readonly step: number;
  /** Parameters, buffers and optimizer state, by `parameter/…` and `optimizer/<slot>/…`. */
  readonly tensors: readonly { readonly name: string; readonly shape: Shape; readonly data: SavedArray }[];
  /** Counters, data position, early stopping's memory. */
  readonly state: Json;
}

/** Where checkpoints go. Implementations write them whole or not at all. */
export interface CheckpointStore {
  /** Resolves when the checkpoint would survive a power cut. */
  save(checkpoint: TrainerCheckpoint, options: { readonly best: boolean }): Promise<void>;
}

/** Receives a run's events as they happen: a JSONL file, a terminal, TensorBoard. */
export interface MetricsSink {
  write(event: TrainerEvent): void | Promise<void>;
  close?(): void | Promise<void>;
}

export interface StepEvent {
  readonly type: 'step';
  /** Counted from 1. */
  readonly step: number;
  readonly loss: number;
  /** Auxiliary terms of the objective, where it has more than one. */
  readonly terms: Readonly<Record<string, number>>;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly observed: Readonly<Record<string, number>>;
  readonly rows: number;
  /** Tokens of this step's rows, padding not counted. */
  readonly tokens: number;
  /** Tokens since the run began. */
  readonly totalTokens: number;
  readonly tokensPerSecond: number;
  readonly elapsedSeconds: number;
}

export interface EvaluateEvent {
  readonly type: 'evaluate';
  readonly step: number;
  readonly loss: number;
  /** Null where rows as a whole are predicted. */
  readonly perplexity: number | null;
  /** The objective's metrics, and the user's. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly samples: readonly { readonly prompt: string; readonly text: string }[];
  readonly best: boolean;
}

export type TrainerEvent =
  | {
      readonly type: 'start';
      readonly step: number;
      readonly steps: number;
      readonly trainedParameters: number;
      readonly totalParameters: number;
    }
  | {
      readonly type: 'stage';
      readonly name: string;
      /** Steps done when it begins. */
      readonly step: number;
      readonly trainedParameters: number;
    }
  | StepEvent
  | EvaluateEvent
  | { readonly type: 'checkpoint'; readonly step: number; readonly best: boolean }
  | { readonly type: 'end'; readonly step: number; readonly reason: 'finished' | 'earlyStopping' | 'aborted' };
