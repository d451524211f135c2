import type { Command } from 'commander';
import type { Terminal } from '../terminal.js';

export interface InitFlags {
  readonly model?: string;
  readonly data?: string;
  readonly method?: string;
  readonly yes?: true;
}

export function addInit(program: Command, terminal: Terminal): void {
  program
    .command('init')
    .description('write a recipe to start from, and its schema for editors')
    .argument('[folder]', 'where', '.')
    .option('--model <folder|name>', 'model folder, or name on the Hugging Face Hub')
    .option('--data <file>', 'training data')
    .option('--method <name>', 'fine-tuning method')
    .option('--yes', 'ask nothing')
    .option('--json', 'the result as JSON')
    .action(async (folder: string, flags: InitFlags) => {
      const { init } = await import('../write-recipe.js');
      await init(folder, flags, terminal);
    });
}
