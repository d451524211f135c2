import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { classification, createExecutableCache, type Judge, predict, type Row, TunesmithError } from '@tunesmith/core';
import { createDataset, loadChatTemplate } from '@tunesmith/data';
import { describeAdapter, loadAdapter, methodOfAdapter } from '../model/adapter-folder.js';
import type { Engine } from '../model/engine.js';
import { type LoadedModel, loadModel } from '../model/load-model.js';
import { methodFor } from '../model/open-model.js';
import type { MethodLookup } from '../plugins/load-offers.js';
import type { Recipe } from '../recipe/recipe.js';

/** A reward model, loaded beside the one that is trained. */
export interface OpenJudge {
  /** What it says of texts, in their order. */
  judge(rows: readonly Row[]): Promise<number[]>;
  dispose(): Promise<void>;
}

export interface OpenJudgeOptions {
  readonly engine: Engine;
  /** The model that is trained: what it writes, the judge must read. */
  readonly trained: LoadedModel;
  readonly device: Recipe['device'];
  /** Texts that are judged at once. */
  readonly batchSize: number;
  readonly maxLength: number;
  /** The chat template of the gate's pairs, if not the tokenizer's own. */
  readonly template?: string | undefined;
  /** Where the method of an adapter is looked for; it is one of the engine's if not said. */
  readonly lookup?: MethodLookup;
}

/** One number for a text: what reward models are, whoever trained them. */
const scalar = { name: 'classification', labels: 1, problemType: 'regression' } as const;

/**
 * Loads a reward model, a model's folder or an adapter's over the base that is trained, and holds it to its gate.
 * @throws CONFIG_INVALID where it reads other tokens, or tells too few pairs apart
 */
export async function openJudge({ model, gate }: Judge, options: OpenJudgeOptions): Promise<OpenJudge> {
  const { trained, batchSize, maxLength } = options;
  const loaded = await loadJudge(model, options);
  const executables = createExecutableCache(loaded.backend, loaded.parameters.tensors);
  const { labels, problemType } = scalar;
  const parts = { ...loaded, objective: classification({ labels, problemType }), executables };
  const opened: OpenJudge = {
    async judge(rows) {
      const collate = { rows: batchSize, maxLength, padToken: loaded.tokenizer.padId };
      const scores: number[] = [];
      for await (const [score] of predict(rows, { ...parts, collate })) scores.push(score as number);
      return scores;
    },
    async dispose() {
      await executables.dispose();
      loaded.dispose();
    },
  };
  try {
    if (loaded.tokenizer.hash !== trained.tokenizer.hash) {
      throw new TunesmithError('CONFIG_INVALID', 'the reward model reads other tokens than the model writes', {
        where: model,
        expected: `the tokenizer of ${trained.path}`,
        hint: 'Train the reward model from the same base, or from one with the same tokenizer.',
      });
    }
    if (gate !== undefined) await passGate(opened, model, gate, options);
    return opened;
  } catch (error) {
    await opened.dispose();
    throw error;
  }
}

async function loadJudge(path: string, { engine, trained, device, lookup }: OpenJudgeOptions): Promise<LoadedModel> {
  const backend = await engine.createBackend(device);
  const { families } = engine;
  if (!(await isThere(join(path, 'adapter_config.json')))) {
    return loadModel({ path, families, backend, objective: scalar });
  }
  const described = await describeAdapter(path);
  const method = lookup ? await methodFor(described, lookup) : methodOfAdapter(described, engine.methods);
  const { quantization } = trained;
  const base = { path: trained.path, families, backend, quantization };
  const loaded = await loadModel({ ...base, methods: [method], objective: scalar });
  try {
    await loadAdapter(loaded, method, described.path);
    return loaded;
  } catch (error) {
    loaded.dispose();
    throw error;
  }
}

/** @throws CONFIG_INVALID where the judge prefers the chosen answer too seldom */
async function passGate(
  { judge }: OpenJudge,
  model: string,
  { data, accuracy: least }: NonNullable<Judge['gate']>,
  { engine, trained: { tokenizer }, template, maxLength }: OpenJudgeOptions,
): Promise<void> {
  const pairs = await createDataset({
    ...{ files: data, rows: 'preferences', tokenizer, maxLength, shuffle: false, cacheFolder: engine.cacheFolder },
    template: loadChatTemplate(tokenizer, template),
  });
  const rows: Row[] = [];
  for await (const { tokens, weights, rejected } of pairs.rows()) rows.push({ tokens, weights }, rejected as Row);
  const scores = await judge(rows);
  const right = scores.filter((score, index) => index % 2 === 0 && score > (scores[index + 1] as number)).length;
  const accuracy = right / (rows.length / 2);
  if (accuracy >= least) return;
  throw new TunesmithError('CONFIG_INVALID', 'the reward model tells too few pairs apart to train by it', {
    where: model,
    expected: `the chosen answer to have the greater reward in at least ${least} of ${data.join(', ')}`,
    got: accuracy.toFixed(3),
    hint: 'Train it longer, or on more pairs; `tunesmith eval --set objective=reward` measures it.',
  });
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
