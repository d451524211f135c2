import type { Model } from '../model/model.js';
import type { Trace } from '../model/trace.js';
import type { Json } from '../storage/json.js';
import type { Named, Tensor } from '../tensor/tfjs.js';
import type { Row } from './row.js';

/** How answers are drawn: names and meanings are the generator's. */
export interface RolloutSampling {
  readonly temperature: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly maxNewTokens: number;
}

/** An answer that the model gave to a prompt of the data, and what was measured of it. */
export interface Answer {
  /** Which of the rollout's prompts it answers. */
  readonly prompt: number;
  /** Prompt and answer; the answer's tokens weigh 1, the prompt's 0. */
  readonly row: Row;
  /** The prompt and the answer as text, without special tokens. */
  readonly promptText: string;
  readonly text: string;
  /** What the data says the answer should be; null where it doesn't. */
  readonly expected: string | null;
  /** Tokens of the answer, its end among them. */
  readonly length: number;
  /** Whether it ended itself; else it was cut off at the limit. */
  readonly ended: boolean;
  /** What the objective's judge says of prompt and answer; null where it has none. */
  readonly score: number | null;
  /** For each of `Rollouts.measured`, a number for each token of the answer. */
  readonly measured: Named<Float32Array>;
}

/** A checkpoint that gives texts a number each, a reward model: frozen, and no part of the model that is trained. */
export interface Judge {
  /** A model's folder, or an adapter's over the base of the model that is trained. */
  readonly model: string;
  /** Pairs of answers that it is held to before anything is trained by it: the share of which it must prefer the chosen one. */
  readonly gate?: { readonly data: readonly string[]; readonly accuracy: number };
}

/** What is to be learnt of a rollout. */
export interface Learnt {
  /** For each answer, in order: what its tokens and it as a whole are learnt by. */
  readonly values: readonly RowValues[];
  /** What the next rollout is to be told; kept in checkpoints. */
  readonly memory: Json;
  /** What people are to be told: signs that the training goes wrong. */
  readonly warnings?: readonly string[];
}

/** Numbers of an answer that it is learnt by. */
export interface RowValues {
  readonly perToken: Named<Float32Array>;
  readonly perAnswer: Named<number>;
}

/**
 * How an objective learns from answers of the model itself: the data's prompts are answered a few at a time, what was answered is
 * judged on the host, and is learnt in several steps before the next are answered.
 */
export interface Rollouts {
  /** Prompts of one rollout, and answers to each. */
  readonly prompts: number;
  readonly answersEach: number;
  /** How often a rollout's answers are gone through. */
  readonly epochs: number;
  readonly sampling: RolloutSampling;
  /** What gives answers their `score`, where a reward needs one. */
  readonly judge?: Judge;
  /** What a pass over the answers finds of each of their tokens, by the model as it answered: names of `measure`'s. */
  readonly measured: readonly string[];
  /** `[rows, tokens]` each, of collated answers. */
  measure(model: Model, columns: Named<Tensor>, t: Trace): Named<Tensor>;
  /** What is measured of the answers of a finished model instead, where that is more than it learnt by. */
  readonly evaluated?: Pick<Rollouts, 'measured' | 'measure'>;
  /** Judges a rollout. The answers to a prompt lie beside each other. Pure but for what it asks of the world to judge. */
  learn(answers: readonly Answer[], memory: Json): Promise<Learnt>;
  /** Whether a rollout has been learnt from enough, by what a step over it showed. */
  isSpent?(terms: Named<number>): boolean;
}
