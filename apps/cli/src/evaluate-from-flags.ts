import { type Evaluation, TunesmithError } from '@tunesmith/core';
import {
  evaluateFiles,
  evaluateRun,
  loadObjectiveOf,
  overrideRecipe,
  parseData,
  parseObjective,
  parseSettings,
} from '@tunesmith/runtime';
import type { EvalFlags } from './commands/eval.js';
import { cacheFolder, createEngine, pluginRoots } from './engine.js';
import { formatCount, formatLoss } from './format.js';
import { openFromFlags } from './open-from-flags.js';
import { type Terminal, warn } from './terminal.js';

/** Measures what flags name, or what a run left, and prints it. */
export async function evaluateFromFlags(run: string | undefined, flags: EvalFlags, terminal: Terminal): Promise<void> {
  const result = run === undefined ? await evaluateModel(flags, terminal) : await evaluateRunOf(run, flags, terminal);
  terminal.status('');
  if (terminal.json) return terminal.printJson(result);
  const { loss, perplexity, rows, metrics } = result;
  const values = { loss, ...(perplexity === null ? {} : { perplexity }), ...metrics };
  const shown = Object.entries(values).map(([name, value]) => `${name} ${formatLoss(value)}  `);
  terminal.print(`${shown.join('')}over ${formatCount(rows)} rows`);
}

function evaluateRunOf(run: string, flags: EvalFlags, terminal: Terminal): Promise<Evaluation> {
  const { model, adapter, data, batchSize, set = [] } = flags;
  if (model !== undefined || adapter !== undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'the run says which model and adapters are measured', {
      ...{ where: run, expected: 'a run, or --model and --adapter', got: 'both' },
    });
  }
  return evaluateRun(run, {
    ...{ engineOf: createEngine, roots: pluginRoots(), settings: parseSettings(set), onPhase: terminal.status },
    onWarning: (warning) => warn(terminal, warning),
    ...(data && { data }),
    ...(batchSize === undefined ? {} : { batchSize }),
  });
}

async function evaluateModel(flags: EvalFlags, terminal: Terminal): Promise<Evaluation> {
  const { model: base, data: files, batchSize = 8, set = [], plugin = [], device } = flags;
  if (base === undefined || files === undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'there is nothing to measure', {
      expected: 'the folder of a run, or --model and --data',
    });
  }
  const settings = overrideRecipe(
    { value: parseSettings(set), where: '--set' },
    { data: { train: files } },
    process.cwd(),
  );
  const data = parseData(settings.value.data, '--set');
  const { objective } = settings.value;
  const lookup = { roots: pluginRoots(), plugins: plugin };
  const objectives = await loadObjectiveOf(settings, lookup);
  const given = objective === undefined ? {} : { objective: parseObjective(objective, '--set', objectives) };
  const model = await openFromFlags({ ...flags, model: base, ...given, objectives }, terminal);
  try {
    return await evaluateFiles(model, {
      // An adapter is evaluated in the words that it was trained in.
      data: model.template === undefined ? data : { template: model.template, ...data },
      ...{ batchSize, objectives, objective: model.objective, cacheFolder: cacheFolder() },
      judge: { engine: createEngine({ objectives }), device, lookup },
      onPhase: terminal.status,
      onWarning: (warning) => warn(terminal, warning),
    });
  } finally {
    model.dispose();
  }
}
