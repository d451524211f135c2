/** The part of a passage that a row holds, in which the answer to a question is sought. */
export interface Passage {
  readonly text: string;
  /** Where it begins in the passage, in UTF-16 code units. */
  readonly offset: number;
  /** For each token of it where that begins in the text and where it ends, `[tokens, 2]`, in UTF-16 code units. */
  readonly spans: Int32Array;
  /** Which part it is, from 0: the next row goes on with the passage unless it holds a part 0. */
  readonly part: number;
  /** What would be right to answer to the question; empty where the passage does not say. */
  readonly answers: readonly string[];
}
