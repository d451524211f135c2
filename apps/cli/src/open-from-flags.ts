import { resolve } from 'node:path';
import { type AdaptedModel, type ObjectiveSettings, openModel, type Recipe } from '@tunesmith/runtime';
import { createEngine, pluginRoots } from './engine.js';
import type { ModelFlags } from './flags.js';
import { modelOf } from './recipe-from-flags.js';
import type { Terminal } from './terminal.js';

/** Opens the model and the adapters that flags name. */
export async function openFromFlags(
  flags: ModelFlags & { readonly dtype?: Recipe['model']['dtype']; readonly objective?: ObjectiveSettings },
  terminal: Terminal,
): Promise<AdaptedModel> {
  const { model, adapter = [], plugin = [], device, dtype = 'auto', revision, objective } = flags;
  const opened = await openModel({
    model: { ...modelOf(model), dtype, ...(revision === undefined ? {} : { revision }) },
    adapters: adapter.map((path) => resolve(path)),
    device,
    ...(objective === undefined ? {} : { objective }),
    engine: createEngine(),
    lookup: { roots: pluginRoots(), plugins: plugin },
    onPhase: terminal.status,
  });
  terminal.status('');
  return opened;
}
