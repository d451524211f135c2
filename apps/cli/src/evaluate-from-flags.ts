import { type Evaluation, TunesmithError } from '@tunesmith/core';
import {
  type AdaptedModel,
  evaluateFiles,
  evaluateRun,
  loadObjectiveOf,
  type MethodLookup,
  type Objectives,
  overrideRecipe,
  parseData,
  parseObjective,
  parseSettings,
  type Recipe,
} from '@tunesmith/runtime';
import type { EvalFlags } from './commands/eval.js';
import { cacheFolder, createEngine, pluginRoots } from './engine.js';
import { formatCount, formatLoss } from './format.js';
import { answer } from './measure-answers.js';
import { openFromFlags } from './open-from-flags.js';
import { type Terminal, warn } from './terminal.js';

/** Measures what flags name, or what a run left, and prints it. */
export async function evaluateFromFlags(run: string | undefined, flags: EvalFlags, terminal: Terminal): Promise<void> {
  if (flags.answers !== undefined && !flags.generate) {
    throw new TunesmithError('CONFIG_INVALID', 'there are no answers to write', {
      where: '--answers',
      hint: 'Have the prompts answered: --generate.',
    });
  }
  if (flags.generate) return measureAnswers(run, flags, terminal);
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

function measureAnswers(run: string | undefined, flags: EvalFlags, terminal: Terminal): Promise<void> {
  if (run === undefined) {
    return withModel(flags, terminal, ({ model, data, batchSize }) =>
      answer(model, data, { ...flags, batchSize }, terminal),
    );
  }
  throw new TunesmithError('CONFIG_INVALID', 'a run is measured as it measured itself', {
    ...{ where: '--generate', got: run, hint: 'Have a model answer: --model, --adapter and --data.' },
  });
}

function evaluateModel(flags: EvalFlags, terminal: Terminal): Promise<Evaluation> {
  return withModel(flags, terminal, ({ model, data, batchSize, objectives }) =>
    evaluateFiles(model, {
      ...{ data, batchSize, objectives, objective: model.objective, cacheFolder: cacheFolder() },
      judge: { engine: createEngine({ objectives }), device: flags.device, lookup: lookupOf(flags) },
      onPhase: terminal.status,
      onWarning: (warning) => warn(terminal, warning),
    }),
  );
}

interface Opened {
  readonly model: AdaptedModel;
  readonly data: Recipe['data'];
  readonly batchSize: number;
  readonly objectives: Objectives;
}

/** Opens the model that flags name, and says how its data is read. */
async function withModel<Result>(
  flags: EvalFlags,
  terminal: Terminal,
  body: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  const { model: base, data: files, batchSize = 8, set = [] } = flags;
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
  const objectives = await loadObjectiveOf(settings, lookupOf(flags));
  const given = objective === undefined ? {} : { objective: parseObjective(objective, '--set', objectives) };
  const model = await openFromFlags({ ...flags, model: base, ...given, objectives }, terminal);
  try {
    // An adapter is evaluated in the words that it was trained in.
    const read = model.template === undefined ? data : { template: model.template, ...data };
    return await body({ model, data: read, batchSize, objectives });
  } finally {
    model.dispose();
  }
}

function lookupOf({ plugin = [] }: EvalFlags): MethodLookup {
  return { roots: pluginRoots(), plugins: plugin };
}
