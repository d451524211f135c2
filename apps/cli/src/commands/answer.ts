import { type Command, Option } from 'commander';
import { addModelFlags, type ModelFlags, positiveWhole } from '../flags.js';
import type { Terminal } from '../terminal.js';

export interface AnswerFlags extends ModelFlags {
  readonly question?: string;
  readonly context?: string;
  readonly questions?: string;
  readonly nullThreshold?: number;
  readonly batchSize: number;
  readonly maxLength?: number;
}

export function addAnswer(program: Command, terminal: Terminal): void {
  addModelFlags(program.command('answer').description('answer questions by what stands in a passage'))
    .option('--question <text>', 'what is asked of --context')
    .option('--context <text>', 'the passage that the answer stands in')
    .option('--questions <file>', 'answer many: rows of { question, context }')
    .addOption(
      new Option(
        '--null-threshold <number>',
        'answer nothing where that scores better by more than this; if not said, as the adapter has it',
      ).argParser(Number),
    )
    .option('--batch-size <n>', 'rows at once', positiveWhole, 8)
    .option('--max-length <n>', 'most tokens of a question with a part of its passage', positiveWhole)
    .option('--json', 'a list of { question, answer, score, start, end } as JSON')
    .action(async (flags: AnswerFlags) => {
      const { answer } = await import('../answer.js');
      await answer(flags, terminal);
    });
}
