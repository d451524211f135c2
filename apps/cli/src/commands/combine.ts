import { resolve } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { type Command, InvalidArgumentError } from 'commander';
import { collect, fraction, pluginOption, positiveNumber, wholeNumber } from '../flags.js';
import type { Terminal } from '../terminal.js';

interface CombineFlags {
  readonly adapter: string[];
  readonly weight?: number[];
  readonly combination?: string;
  readonly density?: number;
  readonly svdRank?: number;
  readonly majoritySign?: string;
  readonly seed?: number;
  readonly plugin?: string[];
  readonly output: string;
}

export function addCombine(program: Command, terminal: Terminal): void {
  program
    .command('combine')
    .description('make one adapter of several of the same method, each with a weight')
    .requiredOption('--adapter <folder>', 'adapter to take; repeatable', collect)
    .option('--weight <number>', 'what the adapter named in the same place counts, 1 if not said; repeatable', weights)
    .option('--combination <kind>', 'how, in the method’s words: for LoRA svd, linear, cat, ties, dare_linear, …')
    .option('--density <share>', 'share of values that sparse kinds keep', fraction)
    .option('--svd-rank <n>', 'rank of the result, where it is chosen', wholeNumber)
    .option('--majority-sign <how>', 'how signs are elected: total or frequency')
    .option('--seed <n>', 'seed of kinds that drop values at random', wholeNumber)
    .addOption(pluginOption())
    .requiredOption('--output <folder>', 'new folder of the adapter')
    .option('--json', 'the result as JSON')
    .action(async ({ adapter, weight = [], plugin = [], output, ...flags }: CombineFlags) => {
      if (weight.length > 0 && weight.length !== adapter.length) {
        throw new TunesmithError('CONFIG_INVALID', 'weights and adapters go in pairs', {
          where: '--weight',
          expected: `${adapter.length}, or none for 1 each`,
          got: String(weight.length),
        });
      }
      const { combineAdapters } = await import('@tunesmith/runtime');
      const { pluginRoots } = await import('../engine.js');
      const { combination, density, svdRank, majoritySign, seed } = flags;
      const options = Object.entries({ combination, density, svdRank, majoritySign, seed });
      await combineAdapters({
        adapters: adapter.map((path, index) => ({ path: resolve(path), weight: weight[index] ?? 1 })),
        options: Object.fromEntries(options.filter(([, value]) => value !== undefined)),
        output: resolve(output),
        lookup: { roots: pluginRoots(), plugins: plugin },
      });
      if (terminal.json) terminal.printJson({ adapter: resolve(output) });
      else terminal.print(`adapter: ${output}`);
    });
}

/** May be negative, which takes an adapter's effect away. */
function weights(text: string, before: readonly number[] = []): number[] {
  const value = text.startsWith('-') ? -positiveNumber(text.slice(1)) : Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a number.');
  return [...before, value];
}
