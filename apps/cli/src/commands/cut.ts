import { type Command, InvalidArgumentError } from 'commander';
import type { Terminal } from '../terminal.js';

export interface CutFlags {
  readonly model: string;
  readonly layers: number | readonly number[];
  readonly output: string;
}

export function addCut(program: Command, terminal: Terminal): void {
  program
    .command('cut')
    .description('make a smaller model of some of a model’s layers, for a student to begin with')
    .requiredOption('--model <folder>', 'folder of a model')
    .requiredOption(
      '--layers <n>',
      'how many layers to keep, spread evenly; or which, from 0, with commas between',
      keptLayers,
    )
    .requiredOption('--output <folder>', 'new folder of the model')
    .option('--json', 'the result as JSON')
    .action(async (flags: CutFlags) => {
      const { cutFolder } = await import('../cut.js');
      await cutFolder(flags, terminal);
    });
}

/** `2`, or `0,3`; a single layer is written with a comma behind: `3,`. */
function keptLayers(text: string): number | number[] {
  if (/^\d+$/.test(text)) return Number(text);
  if (/^\d+(,\d+)*,?$/.test(text)) return text.replace(/,$/, '').split(',').map(Number);
  throw new InvalidArgumentError('Expected a number of layers, or their numbers with commas between, such as 0,3.');
}
