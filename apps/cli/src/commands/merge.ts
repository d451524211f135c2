import { resolve } from 'node:path';
import type { Command } from 'commander';
import { addModelFlags, type ModelFlags } from '../flags.js';
import type { Terminal } from '../terminal.js';

export function addMerge(program: Command, terminal: Terminal): void {
  addModelFlags(program.command('merge').description('fold adapters into the weights: a Hugging Face model folder'))
    .requiredOption('--output <folder>', 'new folder of the merged model')
    .option('--json', 'the result as JSON')
    .action(async (flags: ModelFlags & { readonly output: string }) => {
      const { saveModel } = await import('@tunesmith/runtime');
      const { openFromFlags } = await import('../open-from-flags.js');
      // Sums are made in float32, and rounded once, to the checkpoint's own type.
      const model = await openFromFlags({ ...flags, dtype: 'float32' }, terminal);
      try {
        const output = resolve(flags.output);
        terminal.status('merging …');
        await saveModel(model, output, model.objective);
        terminal.status('');
        if (terminal.json) terminal.printJson({ model: output });
        else terminal.print(`merged model: ${flags.output}`);
      } finally {
        model.dispose();
      }
    });
}
