import { TunesmithError } from '@tunesmith/core';
import type { Command } from 'commander';
import { addModelFlags, collect, type ModelFlags, settingOption, wholeNumber } from '../flags.js';
import { formatCount, formatLoss } from '../format.js';
import { type Terminal, warn } from '../terminal.js';

interface EvalFlags extends ModelFlags {
  readonly data: string[];
  readonly batchSize: number;
  readonly set?: string[];
  readonly generate?: boolean;
  readonly maxTokens: number;
  readonly answers?: string;
}

export function addEval(program: Command, terminal: Terminal): void {
  addModelFlags(program.command('eval').description('loss and metrics of a model over data'))
    .requiredOption('--data <file>', 'data; repeatable', collect)
    .option('--batch-size <n>', 'rows at once', wholeNumber, 8)
    .addOption(settingOption())
    .option('--generate', 'answer the prompts, and measure the answers: exact match, BLEU, ROUGE-L')
    .option('--max-tokens <n>', 'with --generate: most tokens of an answer', wholeNumber, 256)
    .option('--answers <file>', 'with --generate: write { prompt, expected, text } to a JSONL file')
    .option('--json', 'the result as JSON')
    .action(async (flags: EvalFlags) => {
      const runtime = await import('@tunesmith/runtime');
      const { evaluateFiles, loadObjectiveOf, overrideRecipe, parseData, parseObjective, parseSettings } = runtime;
      const { cacheFolder, pluginRoots } = await import('../engine.js');
      const { openFromFlags } = await import('../open-from-flags.js');
      if (flags.answers !== undefined && !flags.generate) {
        throw new TunesmithError('CONFIG_INVALID', 'there are no answers to write', {
          where: '--answers',
          hint: 'Have the prompts answered: --generate.',
        });
      }
      const overrides = { data: { train: flags.data } };
      const settings = overrideRecipe(
        { value: parseSettings(flags.set ?? []), where: '--set' },
        overrides,
        process.cwd(),
      );
      const data = parseData(settings.value.data, '--set');
      const { objective } = settings.value;
      const objectives = await loadObjectiveOf(settings, { roots: pluginRoots(), plugins: flags.plugin ?? [] });
      const given = objective === undefined ? {} : { objective: parseObjective(objective, '--set', objectives) };
      const model = await openFromFlags({ ...flags, ...given, objectives }, terminal);
      // An adapter is evaluated in the words that it was trained in.
      const read = model.template === undefined ? data : { template: model.template, ...data };
      try {
        if (flags.generate) {
          const { answer } = await import('../measure-answers.js');
          return await answer(model, read, flags, terminal);
        }
        const result = await evaluateFiles(model, {
          data: read,
          batchSize: flags.batchSize,
          objective: model.objective,
          objectives,
          cacheFolder: cacheFolder(),
          onPhase: terminal.status,
          onWarning: (warning) => warn(terminal, warning),
        });
        terminal.status('');
        if (terminal.json) return terminal.printJson(result);
        const { loss, perplexity, rows, metrics } = result;
        const values = { loss, ...(perplexity === null ? {} : { perplexity }), ...metrics };
        const shown = Object.entries(values).map(([name, value]) => `${name} ${formatLoss(value)}  `);
        terminal.print(`${shown.join('')}over ${formatCount(rows)} rows`);
      } finally {
        model.dispose();
      }
    });
}
