import type { Command } from 'commander';
import {
  addModelFlags,
  collect,
  fraction,
  type ModelFlags,
  positiveNumber,
  positiveWhole,
  settingOption,
  wholeNumber,
} from '../flags.js';
import type { Terminal } from '../terminal.js';

export interface GenerateFlags extends ModelFlags {
  readonly prompt?: string;
  readonly prompts?: string;
  readonly chat?: true;
  readonly system?: string;
  readonly template?: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly seed: number;
  readonly stop?: string[];
  readonly data?: string[];
  readonly output?: string;
  readonly samples?: number;
  readonly batchSize?: number;
  readonly correctOnly?: true;
  readonly set?: string[];
}

export function addGenerate(program: Command, terminal: Terminal): void {
  addModelFlags(program.command('generate').description('continue a prompt, chat, or write answers to train on'))
    .option('--prompt <text>', 'text to continue; with --chat, what the user says')
    .option(
      '--prompts <file>',
      'continue many: rows of { prompt, adapter }, one of those that --adapter name=folder names',
    )
    .option('--chat', 'write the prompt by the chat template; without --prompt, a conversation in the terminal')
    .option('--system <text>', 'system message of a chat')
    .option('--template <name>', 'chat template: one of the tokenizer’s, or chatml')
    .option('--max-tokens <n>', 'most tokens of an answer', wholeNumber, 128)
    .option('--temperature <t>', '0 takes the most likely token each time', nonNegative, 0)
    .option('--top-k <n>', 'sample among the n most likely tokens', wholeNumber)
    .option('--top-p <p>', 'sample among the most likely tokens that make up this probability', fraction)
    .option('--repetition-penalty <p>', 'above 1, tokens that are there already become less likely', positiveNumber)
    .option('--seed <n>', 'seed of the sampling', wholeNumber, 0)
    .option('--stop <text>', 'end the answer here; repeatable', collect)
    .option(
      '--data <file>',
      'answer the prompts of data, and write the answers as data to --output; repeatable',
      collect,
    )
    .option('--output <file>', 'with --data: the JSONL file of answers; stopped, it is gone on with')
    .option('--samples <n>', 'with --data: answers to each prompt; 1 if not said', positiveWhole)
    .option('--batch-size <n>', 'with --data: prompts at once; 8 if not said', positiveWhole)
    .option('--correct-only', 'with --data: keep only the answers that equal those of the data')
    .addOption(settingOption())
    .option('--json', 'the answer as JSON: { text, tokens }')
    .action(async (flags: GenerateFlags) => {
      const { data, output, samples, batchSize, correctOnly, set } = flags;
      if ([data, output, samples, batchSize, correctOnly, set].some((flag) => flag !== undefined)) {
        const { generateDataFile } = await import('../generate-data.js');
        await generateDataFile(flags, terminal);
        return;
      }
      if (flags.prompts !== undefined) {
        const { generateBatch } = await import('../generate-batch.js');
        await generateBatch(flags, terminal);
        return;
      }
      const { generate } = await import('../generate-answers.js');
      await generate(flags, terminal);
    });
}

function nonNegative(text: string): number {
  return text.trim() === '0' ? 0 : positiveNumber(text);
}
