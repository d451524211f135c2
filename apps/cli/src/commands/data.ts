import type { Command } from 'commander';
import { settingOption } from '../flags.js';
import type { Terminal } from '../terminal.js';

interface CheckFlags {
  readonly model: string;
  readonly set?: string[];
}

export function addData(program: Command, terminal: Terminal): void {
  program
    .command('data')
    .description('look at training data')
    .command('check')
    .description('read a data file as training would: format, lengths, what is cut or masked, one example')
    .argument('<file>', 'data file')
    .requiredOption('--model <folder|name>', 'model whose tokenizer and chat template apply')
    .addOption(settingOption())
    .option('--json', 'the report as JSON')
    .action(async (file: string, flags: CheckFlags) => {
      const { checkFile } = await import('../check-file.js');
      await checkFile(file, flags, terminal);
    });
}
