import type { JsonObject } from '../tokenizer/tokenizer-files.js';

/** A call of a tool, as the OpenAI API and Hugging Face templates write it. */
export interface ToolCall {
  readonly type?: string;
  readonly id?: string;
  readonly function: { readonly name: string; readonly arguments: JsonObject | string };
}

/** One message of a conversation; the keys are those that chat templates read. */
export interface ChatMessage {
  /** `system`, `user`, `assistant` or `tool`, or what else the model's template knows. */
  readonly role: string;
  readonly content: string;
  readonly name?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_call_id?: string;
  /** 0 keeps an assistant message from being trained, as in the OpenAI fine-tuning format. */
  readonly weight?: number;
}
