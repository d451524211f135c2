import type { ParameterGroup } from '../optimizer/groups.js';
import type { Handle } from '../parameters/handle.js';
import type { Json } from '../storage/json.js';
import type { Named, Shape, Tensor } from '../tensor/tfjs.js';
import type { StepEvent } from '../trainer/ports.js';

/** Where a run stands when a step begins; the same on every process that takes part. */
export interface Clock {
  /** Optimizer steps done so far. */
  readonly step: number;
  /** Optimizer steps of the whole run. */
  readonly steps: number;
}

/** A small input that the host computes before every step: read-only in the graph (rule D of the plugin contract). */
export interface Control {
  readonly shape: Shape;
  /** Refuses a run whose length does not suit. @throws CONFIG_INVALID */
  check?(steps: number): void;
  /** The value at a step, in row-major order: a pure function of the clock and of what is remembered, null at first. */
  value(clock: Clock, memory: Json): number | readonly number[];
  /** What is remembered after a step, by what it showed; kept in checkpoints. Pure. Nothing is, if not said. */
  next?(memory: Json, seen: StepEvent): Json;
}

/** What hooks beside the optimizer see, inside the program that applies the gradients. */
export interface UpdateTrace {
  /** A parameter's or buffer's value before this step. */
  value(handle: Handle): Tensor;
  /** One of the method's own controls. */
  control(name: string): Tensor;
  /** Reports a small value to the host, beside the loss. */
  observe(name: string, value: Tensor): void;
}

export interface GradientTrace extends UpdateTrace {
  /** A trained handle's gradient over the whole accumulated batch, neither transformed nor clipped by anything later. */
  gradient(handle: Handle): Tensor;
}

export interface FoldTrace extends GradientTrace {
  /** What the row's label weighs: 1, or its probability where a stage goes through all labels that the model gives one. */
  readonly weight: Tensor;
}

export interface AfterUpdateTrace extends GradientTrace {
  /** A trained parameter's value after this step. */
  after(handle: Handle): Tensor;
}

/** New values by handle; handles that are left out stay as they are. */
export type HandleValues = ReadonlyMap<Handle, Tensor>;

/**
 * What a method does beside the forward pass, over the handles that it declared while patching. Order within a step (rule
 * C): penalty → transformGradients → clipping → optimizer → afterUpdate.
 */
export interface PatchHooks {
  /** Learning rates and decay of what is trained; the recipe's own groups come first. */
  readonly groups?: readonly ParameterGroup[];
  readonly controls?: Readonly<Named<Control>>;
  /** A scalar over the parameters, added to the loss once a step and never divided by a normaliser (rule L: reported beside it). */
  penalty?(u: UpdateTrace): Tensor;
  transformGradients?(u: GradientTrace): HandleValues;
  /** In a `gradients` stage: new values of the method's buffers from the gradients of one row's loss. */
  fold?(u: FoldTrace): HandleValues;
  /** New values of the method's parameters and buffers, which the optimizer's own step is followed by. */
  afterUpdate?(u: AfterUpdateTrace): HandleValues;
}
