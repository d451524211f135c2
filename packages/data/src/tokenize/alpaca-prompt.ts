import type { InstructionTurn } from '../format/example.js';

const withInput =
  'Below is an instruction that describes a task, paired with an input that provides further context. ' +
  'Write a response that appropriately completes the request.';
const withoutInput =
  'Below is an instruction that describes a task. Write a response that appropriately completes the request.';

/**
 * The plain-text prompt of an instruction, for base models without a chat template.
 * Source: tloen/alpaca-lora `templates/alpaca.json`; a system text takes the place of the opening sentence.
 */
export function alpacaPrompt(turn: Pick<InstructionTurn, 'instruction' | 'input'>, system?: string): string {
  return `${system ?? (turn.input === '' ? withoutInput : withInput)}\n\n${alpacaRequest(turn)}`;
}

/** The part of the prompt that is repeated with every turn. */
export function alpacaRequest({ instruction, input }: Pick<InstructionTurn, 'instruction' | 'input'>): string {
  const given = input === '' ? '' : `### Input:\n${input}\n\n`;
  return `### Instruction:\n${instruction}\n\n${given}### Response:\n`;
}
