import type { Control } from '../method/hooks.js';
import type { Method } from '../method/method.js';
import type { AdapterStack } from '../model/adapters.js';
import type { Task } from '../model/family.js';
import type { Model } from '../model/model.js';
import type { Trace } from '../model/trace.js';
import type { Handle } from '../parameters/handle.js';
import type { HostTensor } from '../program/backend.js';
import type { RandomContext } from '../random/keep-mask.js';
import type { Named, Tensor } from '../tensor/tfjs.js';
import type { RowKind } from './define-objective.js';
import type { ProblemType } from './problem-type.js';
import type { Rollouts } from './rollouts.js';
import type { Row } from './row.js';

/** Rows collated into columns: what one run of a program is fed. */
export interface Batch {
  readonly columns: Named<HostTensor>;
  /** Rows that came from the data; padding rows do not count. */
  readonly rows: number;
  /** Tokens that came from the data. */
  readonly tokens: number;
  /**
   * Sums that losses are divided by, over this batch alone; the trainer adds them up over an accumulated batch. A term whose
   * sum of these is 0 counts for nothing; a batch that has nothing of any term is refused.
   */
  readonly normalizers: Named<number>;
}

/** One term of a loss: a sum over the batch, and the normaliser that divides it. */
export interface LossTerm {
  readonly name: string;
  readonly sum: Tensor;
  /** A key of `Batch.normalizers`. */
  readonly per: string;
  /** Factor in the total; 1 if not said. A term that weighs 0 is a metric: reported, and nothing is differentiated for it. */
  readonly weight?: number;
}

/** How passages that are too long for a row become several. */
export interface PassageOptions {
  /** Tokens that two neighbouring parts share. */
  readonly overlap: number;
  /** Whether there may be questions that their passage does not answer. */
  readonly unanswerable: boolean;
}

export interface CollateOptions {
  /** Rows of the collated batch; missing ones are filled with padding that weighs nothing. */
  readonly rows: number;
  /** Longest row; lengths are rounded up to a bucket, and never above this. */
  readonly maxLength: number;
  readonly padToken: number;
  /** How many tokens at the beginning of each text are the model's own, and no text; none if not said. */
  readonly virtualTokens?: number;
  /** The rows are there to be predicted: what they should give may be missing. */
  readonly predicting?: boolean;
  /** What an objective that draws at random draws by; in evaluation absent, where a row's own tokens decide. */
  readonly random?: RandomContext;
}

/** What is minimised: the columns of a batch and the loss over them. */
export interface Objective {
  readonly name: string;
  /** What a model has to be built for; `causal-lm` if not said. */
  readonly task?: Task;
  /** Logits of a sequence that it needs, where sequences are classified. */
  readonly labels?: number;
  /** What those logits mean to whoever loads the model; `single-label` if not said. */
  readonly problemType?: ProblemType;
  /** What its rows are made of, where an option decides that; as its definition says if not said. */
  readonly rows?: RowKind;
  /** How many rows of a batch each row of the data becomes at the most, one after another; 1 if not said. */
  readonly rowsEach?: number;
  /** How passages become rows, where it asks about some. */
  readonly passages?: PassageOptions;
  /** How many tasks its rows are of, where they say which (`Row.task`). */
  readonly tasks?: number;
  /** Why the rows of a step cannot be computed apart, where they cannot: accumulation, and stages over rows one by one, are refused with it. */
  readonly coupled?: string;
  /** What a pass over the data before training finds for each row, to be there as `Row.prior`. Needs no method to act. */
  readonly prior?: Prior;
  /**
   * Methods that the model is to have beside those that train it, such as a head of the objective's own. Their parameters are
   * trained, and kept in checkpoints, but are no part of what a run saves.
   */
  readonly methods?: readonly Method[];
  /** Adapters of the model's, frozen beside what is trained, that it runs by their names: a reference. */
  readonly adapters?: AdapterStack;
  /** Small inputs that the host computes before every step, for `t.control` in its losses: weights that change over a run. */
  readonly controls?: Readonly<Named<Control>>;
  /** Terms whose own gradients are measured at every step. */
  readonly probe?: Probe;
  /** How it learns from answers of the model's own, if it does; its data's rows are prompts. */
  readonly rollouts?: Rollouts;
  collate(rows: readonly Row[], options: CollateOptions): Batch;
  /**
   * Loss terms, as sums: the trainer scales each by its normaliser over the whole accumulated batch (rule A). The loss that is
   * reported is the term `loss`, or where none has that name, the total.
   */
  losses(model: Model, columns: Named<Tensor>, t: Trace): readonly LossTerm[];
  /** What evaluation measures beside the loss. */
  readonly predictions?: Predictions;
  /** The model's own labels in place of the data's; absent where the model gives no distribution over labels. */
  readonly ownLabels?: OwnLabels;
}

/**
 * Labels of the model's own distribution p(y | x), for expectations over it (the Fisher information). Where a row has few
 * possible labels, all are gone through and weighed by their probability; where it has many, one is drawn.
 */
export interface OwnLabels {
  /** How many are gone through; 1 where one is drawn. */
  readonly count: number;
  /**
   * The columns of a batch of one row with the label number `which` (a scalar, int32), and what it weighs: its probability,
   * or 1. The gradient takes both for constants.
   */
  relabel(
    model: Model,
    columns: Named<Tensor>,
    t: Trace,
    which: Tensor,
  ): { readonly columns: Named<Tensor>; readonly weight: Tensor };
}

/**
 * Numbers for each row that depend on the model as it is before training, such as a reference's log-probabilities, or on another
 * model, such as what a teacher says. Rows may have different counts of them.
 */
export interface Prior {
  /** Names what is computed, options included, for who keeps it. */
  readonly key: string;
  /** Folder of the model that computes it, with the same tokenizer: a teacher. The run's own, before training, if not said. */
  readonly model?: string;
  /** `[rows, width]`, without the padding's. */
  compute(model: Model, columns: Named<Tensor>, t: Trace): Tensor;
}

/**
 * Which terms' gradients are measured, one term at a time and unweighted, and where: the step observes the norm over all of these as
 * `gradientNorm.<term>`. Of a term that reaches none of them there is none.
 */
export interface Probe {
  readonly terms: readonly string[];
  at(trained: readonly Handle[]): readonly Handle[];
}

/** Predictions row by row, and what they are worth. */
export interface Predictions {
  /** A row of numbers for each row of the batch, `[rows, width]`, without the padding's. */
  predict(model: Model, columns: Named<Tensor>, t: Trace): Tensor;
  /** Metrics by name over a whole split: the rows and what was predicted for each. */
  measure(rows: readonly Row[], predictions: readonly Float32Array[]): Named<number>;
}
