import type { Command } from 'commander';
import { addModelFlags, collect, type ModelFlags, wholeNumber } from '../flags.js';
import type { Terminal } from '../terminal.js';

export interface ClassifyFlags extends ModelFlags {
  readonly text?: string[];
  readonly pair?: string;
  readonly texts?: string;
  readonly batchSize: number;
}

export function addClassify(program: Command, terminal: Terminal): void {
  addModelFlags(program.command('classify').description('label texts, or their words, by a classifier'))
    .option('--text <text>', 'text to classify; repeatable', collect)
    .option('--pair <text>', 'second text of a pair, of which --text is the first')
    .option('--texts <file>', 'classify many: rows of { text }, of { text1, text2 }, or of { tokens }')
    .option('--batch-size <n>', 'texts at once', wholeNumber, 8)
    .option('--json', 'a list of { text, labels, scores }, or of { text, words, spans }, as JSON')
    .action(async (flags: ClassifyFlags) => {
      const { classify } = await import('../classify.js');
      await classify(flags, terminal);
    });
}
