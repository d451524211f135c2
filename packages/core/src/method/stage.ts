import type { Handle, HostArray } from '../parameters/handle.js';
import type { Json } from '../storage/json.js';

/** How long a run is. */
export interface RunLength {
  /** Optimizer steps. */
  readonly steps: number;
  /** Optimizer steps of an epoch, or null where the rows cannot be counted. */
  readonly stepsPerEpoch: number | null;
}

/**
 * A part of a run with a trained set of its own. When it begins, the model is patched again, the programs are traced again,
 * and whatever the stage freezes is frozen: absent from the update, not masked (rule H of the plugin contract).
 */
export interface Stage {
  readonly name: string;
  /** `train` moves what is trained; `gradients` runs over single rows, and moves nothing but what `fold` returns. */
  readonly run: 'train' | 'gradients';
  /** Whose labels a `gradients` stage takes the loss for: the data's if not said, or those of the model's own distribution. */
  readonly labels?: 'data' | 'model';
  /** Which rows a `gradients` stage runs over: those that are trained on if not said, or those of earlier tasks. */
  readonly rows?: 'training' | 'earlier';
  /** Optimizer steps, or rows of a `gradients` stage, of which the data may hold fewer. The last stage lasts to the run's end whatever it says. */
  readonly length?: number;
  /**
   * Whether what it trains is not yet of the kind that the run is to give, as gates before they are pruned. Evaluations in it
   * are reported, but choose no best checkpoint and end no run early.
   */
  readonly preliminary?: boolean;
  /** Runs on the host when the stage begins, before the model is patched for it, and not again when a run is resumed. */
  enter?(host: StageHost): Promise<StageEntry>;
}

/** The stage that ends, as the next one finds it; for the first stage, the model as it was loaded. */
export interface StageHost {
  /** What the ending stage was entered with. */
  readonly memory: Json;
  readonly handles: readonly Handle[];
  read(handle: Handle): Promise<Float32Array>;
  /** What the method kept under a path of its own in the run before; absent where there is none before. @throws CONFIG_INVALID where it kept nothing there */
  readonly previous?: (path: string) => Promise<Float32Array>;
}

export interface StageEntry {
  /** What `patchModel` needs to know to patch for this stage; kept in checkpoints and beside the adapter. */
  readonly memory?: Json;
  /** First values of handles that the stage declares, by path, in place of their initialisers. */
  readonly values?: ReadonlyMap<string, HostArray>;
}

/** The stage that a model is patched for: with the methods' configs, all that decides its handles. */
export interface StageState {
  readonly name: string;
  readonly memory: Json;
  /** Paths of base weights that earlier stages trained: part of what the run changed, frozen or not. */
  readonly moved: readonly string[];
}
