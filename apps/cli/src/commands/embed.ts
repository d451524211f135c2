import { type Command, Option } from 'commander';
import { addModelFlags, collect, type ModelFlags, positiveWhole } from '../flags.js';
import type { Terminal } from '../terminal.js';

export interface EmbedFlags extends ModelFlags {
  readonly text?: string[];
  readonly texts?: string;
  readonly pooling?: string;
  readonly normalize?: boolean;
  readonly output?: string;
  readonly batchSize: number;
  readonly maxLength?: number;
}

export function addEmbed(program: Command, terminal: Terminal): void {
  addModelFlags(program.command('embed').description('make vectors of texts, and compare them'))
    .option('--text <text>', 'text to embed; repeatable', collect)
    .option('--texts <file>', 'embed many: rows of { text }')
    .addOption(
      new Option(
        '--pooling <mode>',
        'what of a text’s states is its vector; if not said, as the adapter or the model has it',
      ).choices(['mean', 'cls', 'lasttoken']),
    )
    .option('--normalize', 'divide vectors by their norm; if not said, as the adapter or the model has it')
    .option('--no-normalize', 'leave vectors as long as they are')
    .option('--output <file>', 'write rows of { text, embedding } as JSONL')
    .option('--batch-size <n>', 'texts at once', positiveWhole, 8)
    .option('--max-length <n>', 'most tokens of a text', positiveWhole)
    .option('--json', 'a list of { text, embedding } as JSON')
    .action(async (flags: EmbedFlags) => {
      const { embed } = await import('../embed.js');
      await embed(flags, terminal);
    });
}
