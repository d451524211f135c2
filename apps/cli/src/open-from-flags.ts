import { resolve } from 'node:path';
import {
  type AdaptedModel,
  type BaseOptions,
  type ObjectiveSettings,
  type Objectives,
  openModel,
  parseQuantization,
  type Recipe,
} from '@tunesmith/runtime';
import { createEngine, pluginRoots } from './engine.js';
import type { ModelFlags } from './flags.js';
import { modelOf, quantizationValue } from './recipe-from-flags.js';
import type { Terminal } from './terminal.js';

/** Opens the model and the adapters that flags name. */
export async function openFromFlags(
  flags: ModelFlags & {
    readonly dtype?: Recipe['model']['dtype'];
    readonly objective?: ObjectiveSettings;
    readonly objectives?: Objectives;
  },
  terminal: Terminal,
): Promise<AdaptedModel> {
  const { adapter = [], plugin = [], device, objective, objectives = [] } = flags;
  const opened = await openModel({
    model: baseFromFlags(flags, flags.dtype),
    adapters: adapter.map((path) => resolve(path)),
    device,
    ...(objective === undefined ? {} : { objective }),
    engine: createEngine({ objectives }),
    lookup: { roots: pluginRoots(), plugins: plugin },
    onPhase: terminal.status,
  });
  terminal.status('');
  return opened;
}

/** The base that flags name, kept as they say. */
export function baseFromFlags(
  { model, revision, quantization }: Pick<ModelFlags, 'model' | 'revision' | 'quantization'>,
  dtype: Recipe['model']['dtype'] = 'auto',
): BaseOptions {
  const kept = quantization && parseQuantization(quantizationValue(quantization), '--quantization');
  return {
    ...{ ...modelOf(model), dtype },
    ...(revision === undefined ? {} : { revision }),
    ...(kept === undefined || kept === '' ? {} : { quantization: kept }),
  };
}
