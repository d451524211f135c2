import type { ChatMessage } from '../chat/chat-message.js';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';

/** Where a row came from, for messages to people. */
export interface RowSource {
  readonly file: string;
  /** Counted from 1; the line where the file has lines. */
  readonly row: number;
}

/** One turn of the Alpaca format. */
export interface InstructionTurn {
  readonly instruction: string;
  readonly input: string;
  readonly output: string;
}

/** Text to be learned as a whole. */
export interface TextExample {
  readonly kind: 'text';
  readonly text: string;
}

/** A prompt and its continuation, written exactly as they are. */
export interface PairExample {
  readonly kind: 'pair';
  readonly prompt: string;
  readonly completion: string;
}

/** Instructions and outputs: through the chat template where there is one, else in the Alpaca plain text. */
export interface InstructionExample {
  readonly kind: 'instruction';
  readonly system?: string;
  readonly turns: readonly InstructionTurn[];
}

/** A conversation for the chat template. */
export interface ChatExample {
  readonly kind: 'chat';
  readonly messages: readonly ChatMessage[];
  /** Assistant messages before this index are part of the prompt. */
  readonly promptMessages: number;
  readonly tools?: readonly JsonObject[];
}

/** A text or a pair of them, and what it is to be given. */
export interface LabelledExample {
  readonly kind: 'labelled';
  readonly texts: readonly string[];
  /** As numbers: see `LabelScheme`. */
  readonly labels: Float32Array;
}

/** Words, and a tag for each. */
export interface TaggedExample {
  readonly kind: 'tagged';
  readonly words: readonly string[];
  /** Indices of a `LabelScheme`. */
  readonly tags: Float32Array;
}

/** A text and what it is compared with: one that it is alike and perhaps others that it is not; or one, and how alike they are. */
export interface ComparedExample {
  readonly kind: 'compared';
  /** Anchor, positive and hard negatives; or two sentences. */
  readonly texts: readonly [string, string, ...string[]];
  /** How alike the two sentences are. */
  readonly score?: number;
}

/** A question, and the passage in which its answer stands. */
export interface QuestionExample {
  readonly kind: 'question';
  readonly question: string;
  readonly context: string;
  /** What would be right, and where in the passage each begins, in UTF-16 code units; the first is learnt. None where it does not say. */
  readonly answers: readonly { readonly text: string; readonly start: number }[];
}

/** A prompt and an answer to it, in whatever form. */
export type AnswerExample = PairExample | InstructionExample | ChatExample;

/** Two answers to one prompt, of which one was preferred. */
export interface PreferenceExample {
  readonly kind: 'preference';
  readonly chosen: AnswerExample;
  readonly rejected: AnswerExample;
  /** How good the chosen answer is, and the rejected one, where the data says. */
  readonly scores?: readonly [chosen: number, rejected: number];
  /** By how much the chosen one is better, where the data says. */
  readonly margin?: number;
  /** Why the rejected one was, where the data says. */
  readonly reason?: string;
}

/** An answer that was called good or bad. */
export interface RatedExample {
  readonly kind: 'rated';
  readonly answer: AnswerExample;
  readonly good: boolean;
}

/** What the model is to answer. */
export interface PromptExample {
  readonly kind: 'prompt';
  /** A text as it is, or a conversation for the chat template. */
  readonly prompt: string | readonly ChatMessage[];
  /** What its answer should be, where the data says. */
  readonly expected?: string;
  readonly tools?: readonly JsonObject[];
}

/** The form that every data format becomes. */
export type Example = (
  | TextExample
  | PairExample
  | InstructionExample
  | ChatExample
  | LabelledExample
  | TaggedExample
  | ComparedExample
  | QuestionExample
  | PreferenceExample
  | RatedExample
  | PromptExample
) & {
  readonly source?: RowSource;
};

/** `file:row`, as editors and terminals link it. */
export function rowLabel({ file, row }: RowSource, column?: string): string {
  return column === undefined ? `${file}:${row}` : `${file}:${row}, column ${column}`;
}
