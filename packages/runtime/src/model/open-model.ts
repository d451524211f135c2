import { contrastive, type Method, type MethodFactory, TunesmithError } from '@tunesmith/core';
import { savedObjective } from '../objective/saved-objective.js';
import { defaultObjective, type ObjectiveSettings } from '../objective/settings.js';
import { loadMethods, loadMethodsForAdapterHub, loadMethodsForPeft } from '../plugins/load-methods.js';
import type { MethodLookup } from '../plugins/load-offers.js';
import {
  type AdapterDescription,
  configuredFactory,
  describeAdapter,
  loadAdapter,
  methodOfAdapter,
} from './adapter-folder.js';
import { type BaseOptions, baseFor } from './base-options.js';
import type { Device, Engine, OnPhase } from './engine.js';
import { type LoadedModel, loadModel } from './load-model.js';
import { locateModel } from './locate-model.js';
import { openBase } from './open-base.js';

export interface OpenModelOptions {
  readonly model: BaseOptions;
  /** Folders of adapters, the first innermost. */
  readonly adapters?: readonly string[];
  readonly device: Device;
  /** What it is to do; what its adapters, or else the model, were trained for if not said. */
  readonly objective?: ObjectiveSettings;
  readonly engine: Omit<Engine, 'methods'>;
  /** Where the adapters' methods are looked for. */
  readonly lookup: MethodLookup;
  readonly onPhase?: OnPhase;
  readonly signal?: AbortSignal;
}

/** A model with its adapters on, ready to evaluate, generate or merge. */
export interface AdaptedModel extends LoadedModel {
  /** The chat template that the last adapter was trained with, where that is not the tokenizer's own. */
  readonly template: string | undefined;
  /** What it does: continues texts, classifies them, or finds hidden tokens. */
  readonly objective: ObjectiveSettings;
}

/** Loads a model and puts adapters on it, each by the installed method that reads it. */
export async function openModel(options: OpenModelOptions): Promise<AdaptedModel> {
  const { adapters = [], engine, lookup, onPhase = () => {}, signal } = options;
  const described: AdapterDescription[] = [];
  for (const path of adapters) described.push(await describeAdapter(path));
  const methods: Method[] = [];
  for (const adapter of described) methods.push(await methodFor(adapter, lookup));
  const { quantization, ...model } = baseFor(options.model, described);
  const { path } = await locateModel(model, engine.hub, onPhase, signal);
  const folder = await openBase(path, engine.families);
  await folder.close();
  const own = await savedObjective(described, folder.config, folder.path);
  const saved = options.objective === undefined ? own : withVectorsOf(options.objective, own);
  onPhase('loading the model');
  const backend = await engine.createBackend(options.device);
  const { dtype, resizeVocabulary } = model;
  const stage = described.map(({ manifest }) => manifest?.stage ?? null).find((found) => found !== null) ?? null;
  const loaded = await loadModel({
    ...{ path, dtype, quantization, resizeVocabulary, methods, backend, families: engine.families, stage },
    ...(saved && { objective: saved, objectives: engine.objectives }),
  });
  try {
    for (const [index, adapter] of described.entries()) {
      await loadAdapter(loaded, methods[index] as Method, adapter.path);
    }
  } catch (error) {
    loaded.dispose();
    throw error;
  }
  const objective = saved ?? objectiveFor(loaded.model);
  return { ...loaded, objective, template: described.at(-1)?.manifest?.template ?? undefined };
}

/** An objective that makes vectors, as what was saved makes them where it does not say. */
function withVectorsOf(asked: ObjectiveSettings, own: ObjectiveSettings | undefined): ObjectiveSettings {
  if (asked.name !== contrastive.definition.name || own?.name !== asked.name) return asked;
  const { pooling = own.pooling, normalize = own.normalize } = asked;
  return { ...asked, ...(pooling !== undefined && { pooling }), ...(normalize !== undefined && { normalize }) };
}

/** What a model is used for if nothing is said. */
function objectiveFor({ head: { task }, shape: { answerStart } }: LoadedModel['model']): ObjectiveSettings {
  if (task === 'masked-lm') return { name: 'masked-lm' };
  return task === 'seq2seq-lm' ? { name: 'seq2seq', answerStart } : defaultObjective;
}

/** The one that reads it. @throws NAME_UNKNOWN */
export async function factoryFor(adapter: AdapterDescription, lookup: MethodLookup): Promise<MethodFactory> {
  return configuredFactory(adapter, await factoriesFor(adapter, lookup)).factory;
}

/** An adapter's method, with its config. @throws NAME_UNKNOWN, CAPABILITY_MISSING */
export async function methodFor(adapter: AdapterDescription, lookup: MethodLookup): Promise<Method> {
  const { path } = adapter;
  const method = methodOfAdapter(adapter, await factoriesFor(adapter, lookup));
  if (method.capabilities.savesModel) {
    throw new TunesmithError('CAPABILITY_MISSING', `"${method.name}" saves whole models and has no adapters`, {
      where: path,
    });
  }
  return method;
}

function factoriesFor(
  { manifest, format, config }: AdapterDescription,
  lookup: MethodLookup,
): Promise<MethodFactory[]> {
  if (manifest !== null) return loadMethods([manifest.method], lookup);
  return format === 'peft' ? loadMethodsForPeft(String(config.peft_type), lookup) : loadMethodsForAdapterHub(lookup);
}
