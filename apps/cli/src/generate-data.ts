import { resolve } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { generateData, overrideRecipe, parseData, parseSettings } from '@tunesmith/runtime';
import type { GenerateFlags } from './commands/generate.js';
import { cacheFolder } from './engine.js';
import { formatCount } from './format.js';
import { optionsOf } from './generate-answers.js';
import { openFromFlags } from './open-from-flags.js';
import type { Terminal } from './terminal.js';

/** Answers the prompts of data files, and writes the answers as data to train on. */
export async function generateDataFile(flags: GenerateFlags, terminal: Terminal): Promise<void> {
  const { data: files = [], output, prompt, prompts, chat, system, adapter = [], template } = flags;
  const beside = Object.entries({ prompt, prompts, chat, system }).filter(([, value]) => value !== undefined);
  if (files.length === 0 || output === undefined || beside.length > 0) {
    throw new TunesmithError('CONFIG_INVALID', 'data is generated from the prompts of data, into a file', {
      expected: '--data and --output, without --prompt, --prompts, --chat and --system',
    });
  }
  const overrides = { data: { train: files, ...(template !== undefined && { template }) } };
  const settings = overrideRecipe({ value: parseSettings(flags.set ?? []), where: '--set' }, overrides, process.cwd());
  const data = parseData(settings.value.data, '--set');
  const model = await openFromFlags(flags, terminal);
  try {
    const result = await generateData(model, {
      // What an adapter was trained in is what it answers in.
      data: model.template === undefined ? data : { template: model.template, ...data },
      output: resolve(output),
      adapters: adapter.map((folder) => resolve(folder)),
      cacheFolder: cacheFolder(),
      ...{ samples: flags.samples ?? 1, batchSize: flags.batchSize ?? 8, correctOnly: flags.correctOnly === true },
      generation: optionsOf(flags),
      onPhase: terminal.status,
    });
    terminal.status('');
    if (terminal.json) return terminal.printJson(result);
    const left = Object.entries(result.dropped).filter(([, count]) => count > 0);
    const without = left.length === 0 ? '' : ` (left out: ${left.map(([why, count]) => `${count} ${why}`).join(', ')})`;
    terminal.print(
      `${formatCount(result.kept)} answers to ${formatCount(result.prompts)} prompts in ${output}${without}`,
    );
  } finally {
    model.dispose();
  }
}
