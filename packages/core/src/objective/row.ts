import type { Passage } from './passage.js';
import type { RowValues } from './rollouts.js';

/**
 * One row before collation: a tokenised example, or several packed into one.
 * All arrays have the row's length.
 */
export interface Row {
  readonly tokens: Int32Array;
  /**
   * Loss weight of predicting `tokens[i]` from the tokens before it, in 0..1; `weights[0]` is 0. Where tokens have tags, 1 for those
   * that have one.
   */
  readonly weights: Float32Array;
  /** Position ids; counted from 0 where absent. A packed row restarts them with each example. */
  readonly positions?: Int32Array;
  /** Which example a token belongs to, from 1; all 1 where absent. Attention never crosses segments. */
  readonly segments?: Int32Array;
  /** Which of a pair's texts a token is of, 0 or 1; 0 where absent. */
  readonly tokenTypes?: Int32Array;
  /** What an encoder reads, with end and all, where the tokens are an answer to it: of another length. */
  readonly source?: Int32Array;
  /**
   * What a sequence as a whole is to give: the index of its class; 1 or 0 for each of several labels; or the targets of
   * a regression. Or the tags of the tokens that have one, in their order. Or where an answer begins and ends, counted among the
   * tokens that weigh 1; 0 and 0 where there is none.
   */
  readonly labels?: Float32Array;
  /** The worse answer to the same prompt, where this row's is preferred to it: a whole text as well, prompt and all. */
  readonly rejected?: Pick<Row, 'tokens' | 'weights'>;
  /** Texts that it is compared with, where an embedder learns from them: the one that it is alike, then those that it is not. */
  readonly compared?: readonly Pick<Row, 'tokens' | 'weights'>[];
  /** The passage in which its answer stands, where it asks a question; `weights` are 1 for its first token and for the passage's. */
  readonly passage?: Passage;
  /** By how much it is better than `rejected`, where the data says. */
  readonly margin?: number;
  /** Of a prompt: what its answer should be, as ids. */
  readonly expected?: Int32Array;
  /** Of an answer that the model itself gave: what it is learnt by. See `Objective.rollouts`. */
  readonly values?: RowValues;
  /** Which of several tasks it is of, from 0, where each training file is one. */
  readonly task?: number;
  /** What an earlier pass over the data found for this row: see `Objective.prior`. */
  readonly prior?: Float32Array;
}
