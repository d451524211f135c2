import type { Command } from 'commander';
import { addOptionalModelFlags, collect, type ModelFlags, settingOption, wholeNumber } from '../flags.js';
import type { Terminal } from '../terminal.js';

export interface EvalFlags extends Partial<Omit<ModelFlags, 'device'>>, Pick<ModelFlags, 'device'> {
  readonly data?: string[];
  readonly batchSize?: number;
  readonly set?: string[];
  readonly generate?: boolean;
  readonly maxTokens: number;
  readonly answers?: string;
}

export function addEval(program: Command, terminal: Terminal): void {
  const command = program.command('eval').description('loss and metrics of a model, or of what a run left, over data');
  command.argument(
    '[run]',
    'folder of a finished run: measured as it measured itself, over its held-out rows or --data',
  );
  addOptionalModelFlags(command, 'as the adapters were trained over it')
    .option('--data <file>', 'data; repeatable', collect)
    .option('--batch-size <n>', 'rows at once (8, or as the run had it)', wholeNumber)
    .addOption(settingOption())
    .option('--generate', 'answer the prompts, and measure the answers: exact match, BLEU, ROUGE-L')
    .option('--max-tokens <n>', 'with --generate: most tokens of an answer', wholeNumber, 256)
    .option('--answers <file>', 'with --generate: write { prompt, expected, text } to a JSONL file')
    .option('--json', 'the result as JSON')
    .action(async (run: string | undefined, flags: EvalFlags) => {
      const { evaluateFromFlags } = await import('../evaluate-from-flags.js');
      await evaluateFromFlags(run, flags, terminal);
    });
}
