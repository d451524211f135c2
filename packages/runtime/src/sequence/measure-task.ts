import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { didYouMean, TunesmithError } from '@tunesmith/core';
import { contentHash } from '@tunesmith/data';
import { z } from 'zod';
import type { Engine, OnPhase } from '../model/engine.js';
import { evaluateAnswers } from '../model/evaluate-answers.js';
import type { LoadedModel } from '../model/load-model.js';
import { modelHashes } from '../model/model-hashes.js';
import type { Objectives } from '../objective/settings.js';
import { evaluateHeldOut, heldOut, withModel } from './held-out.js';
import type { MeasureSettings } from './sequence-schema.js';
import { answerMetrics, writesText } from './task-kinds.js';
import type { TrainedTask } from './train-task.js';

const qualitySchema = z.object({
  /** By the metric that tasks are compared by. */
  quality: z.number(),
  /** On the same held-out rows. */
  loss: z.number(),
  /** All that was measured beside it. */
  metrics: z.record(z.string(), z.number()),
  rows: z.int(),
  /** Of an answer, once the programs are compiled; null where none was written. */
  secondsPerAnswer: z.number().nullable(),
  parameters: z.int(),
  /** Of the files of its weights. */
  modelBytes: z.int(),
});

/** How good a task's model is, and how large. */
export type TaskQuality = z.infer<typeof qualitySchema>;

const measuresSchema = z.object({
  version: z.literal(1),
  tasks: z.record(z.string(), qualitySchema.extend({ hash: z.string() })),
});

export interface MeasureTaskOptions {
  readonly engine: Engine;
  readonly objectives: Objectives;
  /** The file where it is kept. */
  readonly kept: string;
  readonly onPhase?: OnPhase | undefined;
}

/**
 * Measures what a task left on the held-out data that all tasks are compared by. What was measured of the same weights, data and settings is
 * not measured again. @throws NAME_UNKNOWN for a metric that its model has none of
 */
export async function measureTask(
  name: string,
  trained: TrainedTask,
  settings: MeasureSettings,
  { engine, objectives, kept, onPhase }: MeasureTaskOptions,
): Promise<TaskQuality> {
  const measures = await readMeasures(kept);
  const hash = await hashOf(trained, settings, engine.cacheFolder);
  const { [name]: before } = measures.tasks;
  if (before?.hash === hash) return qualitySchema.parse(before);
  onPhase?.(`measuring ${name}`);
  const { recipe, path } = trained;
  const quality = await withModel({ recipe, objectives }, path, engine, async (loaded) => {
    const data = [settings.data].flat();
    const { loss, metrics, rows } = await evaluateHeldOut(loaded, { recipe, objectives }, data, engine);
    const answers = writesText(loaded.model.head.task) ? await answer(loaded, trained, settings, onPhase) : null;
    const all: Record<string, number> = { ...metrics, ...answers?.metrics };
    return {
      ...{ quality: metricOf(settings.metric, { ...all, loss }, name), loss, metrics: all, rows },
      secondsPerAnswer: answers?.secondsPerAnswer ?? null,
      parameters: loaded.model.handles.reduce((sum, { shape }) => sum + shape.reduce((all, size) => all * size, 1), 0),
      modelBytes: await weightBytes(path),
    };
  });
  await writeMeasures(kept, { ...measures, tasks: { ...measures.tasks, [name]: { hash, ...quality } } });
  return quality;
}

async function answer(
  loaded: LoadedModel,
  { recipe }: TrainedTask,
  { data, metric, maxNewTokens }: MeasureSettings,
  onPhase: OnPhase | undefined,
) {
  if (!answerMetrics.some((name) => name === metric)) return null;
  const { batchSize } = recipe.trainer;
  const perAnswer: number[] = [];
  let [answered, at] = [0, performance.now()];
  const { metrics } = await evaluateAnswers(loaded, {
    ...{ data: heldOut(recipe, [data].flat()), batchSize, maxNewTokens },
    onAnswered(count) {
      const now = performance.now();
      perAnswer.push((now - at) / 1000 / (count - answered));
      [answered, at] = [count, now];
    },
    ...(onPhase && { onPhase }),
  });
  return { metrics, secondsPerAnswer: median(perAnswer.length > 1 ? perAnswer.slice(1) : perAnswer) };
}

/** The first batch, and others of a new length, wait for programs to be compiled: the median batch does not. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] as number;
}

function metricOf(metric: string, values: Readonly<Record<string, number>>, task: string): number {
  const value = values[metric];
  if (value !== undefined) return value;
  throw new TunesmithError('NAME_UNKNOWN', `nothing is measured that is called "${metric}"`, {
    ...{ where: `measure.metric, task ${task}`, hint: didYouMean(metric, Object.keys(values)) },
  });
}

/** Of all that the numbers depend on. */
async function hashOf(
  { path, recipe }: TrainedTask,
  { data, metric, maxNewTokens }: MeasureSettings,
  cacheFolder: string,
): Promise<string> {
  const files: string[] = [];
  for (const file of [data].flat()) files.push(await contentHash(file, cacheFolder));
  const { train: _, ...rows } = heldOut(recipe, []);
  const { objective, device, trainer } = recipe;
  const settings = { metric, maxNewTokens, rows, objective, device, batchSize: trainer.batchSize };
  const weights = await modelHashes(path, cacheFolder);
  return createHash('sha256')
    .update(JSON.stringify({ version: 1, weights, files, settings }))
    .digest('hex');
}

async function weightBytes(path: string): Promise<number> {
  const names = (await readdir(path)).filter((name) => name.endsWith('.safetensors'));
  let bytes = 0;
  for (const name of names) bytes += (await stat(join(path, name))).size;
  return bytes;
}

async function readMeasures(path: string): Promise<z.infer<typeof measuresSchema>> {
  if (!existsSync(path)) return { version: 1, tasks: {} };
  return measuresSchema.parse(JSON.parse(await readFile(path, 'utf8')));
}

async function writeMeasures(path: string, measures: z.infer<typeof measuresSchema>): Promise<void> {
  await writeFile(`${path}.tmp`, `${JSON.stringify(measures, null, 2)}\n`, { flush: true });
  await rename(`${path}.tmp`, path);
}
