import type { Command } from 'commander';
import { addModelFlags, collect, type ModelFlags } from '../flags.js';
import type { Terminal } from '../terminal.js';

export interface MergeFlags extends ModelFlags {
  readonly output: string;
  readonly allowLossy?: true;
  readonly text?: string[];
}

export function addMerge(program: Command, terminal: Terminal): void {
  const command = program.command('merge').description('fold adapters into the weights: a Hugging Face model folder');
  addModelFlags(command, 'none, and merging loses nothing')
    .requiredOption('--output <folder>', 'new folder of the merged model')
    .option('--allow-lossy', 'with --quantization: round the merged weights to codes, and report the change')
    .option('--text <text>', 'with --allow-lossy: text to measure the change on; repeatable', collect)
    .option('--json', 'the result as JSON')
    .action(async (flags: MergeFlags) => {
      const { merge } = await import('../merge.js');
      await merge(flags, terminal);
    });
}
