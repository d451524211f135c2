import type { PeftResult } from '../store/result-file.js';
import { groupBy } from './group-by.js';
import { spreadOf } from './spread.js';
import { type CellSummary, type FailedTrial, machineOf } from './summarise.js';

/** What PEFT says of a run that has a measure here, by the measure's name. */
const readers: Readonly<Record<string, (result: PeftResult) => unknown>> = {
  quality: lastMetric('test accuracy'),
  forgetting: lastMetric('forgetting'),
  peakBytes: ({ train_info: info }) => info.accelerator_memory_max,
  trainSeconds: ({ train_info: info }) => info.train_time,
  trainedParameters: ({ train_info: info }) => info.num_trainable_params,
  adapterBytes: ({ train_info: info }) => info.file_size,
};

/** Results of PEFT's method comparison as cells, one an experiment; of each seed the newest run. */
export function summarisePeft(results: readonly PeftResult[]): CellSummary[] {
  return groupBy(results, (result) => Object.values(cellOf(result)).join('\0')).map((ofCell) => {
    const newest = ofCell.toSorted((a, b) => (a.run_info.created_at < b.run_info.created_at ? 1 : -1));
    const runs = groupBy(newest, ({ run_info }) => String(run_info.train_config.seed)).map(
      ([run]) => run as PeftResult,
    );
    return summariseRuns(runs);
  });
}

function summariseRuns(runs: readonly PeftResult[]): CellSummary {
  const [first] = runs as readonly [PeftResult];
  const done = runs.filter(({ train_info: info }) => info.status === 'success');
  const values: Record<string, NonNullable<ReturnType<typeof spreadOf>>> = {};
  for (const [name, read] of Object.entries(readers)) {
    const spread = spreadOf(done.map(read).filter((value) => typeof value === 'number'));
    if (spread !== null) values[name] = spread;
  }
  const rate = rateOf(first);
  return {
    cell: cellOf(first),
    metric: { name: 'accuracy', higherIsBetter: true, chance: 0, ceiling: 1 },
    about: { summary: 'As PEFT’s method comparison runs it.', licence: '', source: 'imported: huggingface/peft' },
    ...{
      untrained: null,
      hasOwnHead: false,
      values,
      seeds: done.length,
      learningRate: rate,
      tried: [],
      isAtEdge: false,
    },
    tuningSeconds: 0,
    failures: runs.filter((run) => !done.includes(run)).map(failureOf),
    curves: done.map((run) => ({ seed: seedOf(run), label: 'accuracy', points: curveOf(run) })),
    settings: { [String(first.run_info.peft_config?.peft_type ?? 'full')]: first.run_info.peft_config ?? {} },
    machines: [...new Set(runs.map(machineOf))],
    commits: [...new Set(runs.map(({ meta_info: { package_info: info } }) => `PEFT ${info['peft-version'] ?? '?'}`))],
  };
}

function cellOf({ run_info, meta_info }: PeftResult): CellSummary['cell'] {
  const { model_id: id, max_steps: steps } = run_info.train_config;
  const model = String(id ?? 'unknown model');
  const task = Object.keys(meta_info.dataset_info).join(' and ');
  return { model, task, method: run_info.experiment_name, budget: `${steps ?? '?'} steps` };
}

function failureOf(run: PeftResult): FailedTrial {
  const message = run.run_info.error_msg || run.train_info.status;
  return { kind: 'seed', seed: seedOf(run), learningRate: rateOf(run) ?? 0, failure: { kind: 'error', message } };
}

function curveOf({ train_info: { metrics } }: PeftResult): { step: number; value: number }[] {
  return metrics.flatMap(({ step, 'valid accuracy': value }) =>
    typeof step === 'number' && typeof value === 'number' ? [{ step, value }] : [],
  );
}

function rateOf({ run_info: { train_config: config } }: PeftResult): number | null {
  const { lr } = (config.optimizer_kwargs ?? {}) as { readonly lr?: unknown };
  return typeof lr === 'number' ? lr : null;
}

function seedOf({ run_info }: PeftResult): number {
  return Number(run_info.train_config.seed ?? 0);
}

function lastMetric(name: string): (result: PeftResult) => unknown {
  return ({ train_info: info }) => info.metrics.at(-1)?.[name];
}
