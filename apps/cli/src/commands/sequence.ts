import type { Command } from 'commander';
import type { Terminal } from '../terminal.js';

export function addSequence(program: Command, terminal: Terminal): void {
  program
    .command('sequence')
    .description(
      'learn tasks one after another, of one model or several: what is forgotten, or what each came to and cost',
    )
    .argument(
      '<sequence>',
      'a recipe with a list of tasks in place of its data; what is done already is not done again',
    )
    .option('--output <folder>', 'folder of the runs')
    .option('--json', 'events of the runs as JSON lines, what all came to last')
    .action(async (file: string, { output }: { readonly output?: string }) => {
      const { learnSequence } = await import('../learn-sequence.js');
      await learnSequence(file, output, terminal);
    });
}
