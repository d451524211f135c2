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
  checkAnswers(run, flags);
  const result = run === undefined ? await evaluateModel(flags, terminal) : await evaluateRunOf(run, flags, terminal);
  terminal.status('');
  if (result === null) return;
  if (terminal.json) return terminal.printJson(result);
  const { loss, perplexity, rows, metrics } = result;
  const values = { loss, ...(perplexity === null ? {} : { perplexity }), ...metrics };
  const shown = Object.entries(values).map(([name, value]) => `${name} ${formatLoss(value)}  `);
  terminal.print(`${shown.join('')}over ${formatCount(rows)} rows`);
}

/** @throws CONFIG_INVALID where answers are asked for that are not given */
function checkAnswers(run: string | undefined, { generate = false, answers }: EvalFlags): void {
  if (answers !== undefined && !generate) {
    throw new TunesmithError('CONFIG_INVALID', 'there are no answers to write', {
      ...{ where: '--answers', hint: 'Have the prompts answered: --generate.' },
    });
  }
  if (!generate || run === undefined) return;
  throw new TunesmithError('CONFIG_INVALID', 'a run is measured as it measured itself', {
    ...{ where: '--generate', expected: '--model, --adapter and --data' },
  });
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

/** Null where answers were measured, and are printed. */
async function evaluateModel(flags: EvalFlags, terminal: Terminal): Promise<Evaluation | null> {
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
  // An adapter is evaluated in the words that it was trained in.
  const read = model.template === undefined ? data : { template: model.template, ...data };
  try {
    if (flags.generate) {
      const { answer } = await import('./measure-answers.js');
      await answer(model, read, { ...flags, batchSize }, terminal);
      return null;
    }
    return await evaluateFiles(model, {
      data: read,
      ...{ batchSize, objectives, objective: model.objective, cacheFolder: cacheFolder() },
      judge: { engine: createEngine({ objectives }), device, lookup },
      onPhase: terminal.status,
      onWarning: (warning) => warn(terminal, warning),
    });
  } finally {
    model.dispose();
  }
}
