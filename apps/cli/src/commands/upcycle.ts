import type { Command } from 'commander';
import { wholeNumber } from '../flags.js';
import type { Terminal } from '../terminal.js';

export interface UpcycleFlags {
  readonly model: string;
  readonly experts: number;
  readonly topK: number;
  readonly seed: number;
  readonly output: string;
}

export function addUpcycle(program: Command, terminal: Terminal): void {
  program
    .command('upcycle')
    .description('make a mixture of experts of a dense model, with its logits: a Mixtral folder')
    .requiredOption('--model <folder>', 'folder of a Llama or Mistral')
    .option('--experts <n>', 'experts in place of each feed-forward layer, copies of it', wholeNumber, 8)
    .option('--top-k <n>', 'experts that each token has', wholeNumber, 2)
    .option('--seed <n>', 'seed of the routers', wholeNumber, 0)
    .requiredOption('--output <folder>', 'new folder of the model')
    .option('--json', 'the result as JSON')
    .action(async (flags: UpcycleFlags) => {
      const { upcycleFolder } = await import('../upcycle.js');
      await upcycleFolder(flags, terminal);
    });
}
