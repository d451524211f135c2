import { type PatchedModel, readPeftConfig, TunesmithError } from '@tunesmith/core';
import type { z } from 'zod';
import type { Ia3Config, ia3ConfigSchema } from './config.js';

/** adapter_config.json's fields for a config, as PEFT writes them. */
export function toPeft(config: Ia3Config, model: PatchedModel): Record<string, unknown> {
  return {
    peft_type: 'IA3',
    task_type: 'CAUSAL_LM',
    inference_mode: true,
    target_modules: targetsOf(config, model),
    feedforward_modules: feedforwardOf(config, model),
    exclude_modules: config.excludeModules ?? null,
    modules_to_save: config.modulesToSave ?? null,
    fan_in_fan_out: model.fanInFanOut,
    init_ia3_weights: true,
  };
}

/** A PEFT config as ours, or null if it is no IA³'s. */
export function fromPeft(peft: Record<string, unknown>): z.input<typeof ia3ConfigSchema> | null {
  if (peft.peft_type !== 'IA3') return null;
  const config = readPeftConfig(peft, {
    options: {
      target_modules: 'targetModules',
      feedforward_modules: 'feedforwardModules',
      exclude_modules: 'excludeModules',
      modules_to_save: 'modulesToSave',
    },
    // How a vector starts does not matter to one that is loaded.
    neutral: { init_ia3_weights: [true] },
  });
  // Null leaves the choice to the family; an empty list is a choice.
  const { feedforward_modules: feedforward } = peft;
  return Array.isArray(feedforward) && feedforward.length === 0 ? { ...config, feedforwardModules: [] } : config;
}

/** The targets a config names, or PEFT's default for the family. */
export function targetsOf(config: Ia3Config, model: PatchedModel): string | readonly string[] {
  return config.targetModules ?? defaultOf(model, 'ia3', 'targetModules');
}

/** The targets that scale their input, or PEFT's default for the family. */
export function feedforwardOf(config: Ia3Config, model: PatchedModel): string | readonly string[] {
  return config.feedforwardModules ?? defaultOf(model, 'ia3.feedforward', 'feedforwardModules');
}

function defaultOf({ defaultTargets }: PatchedModel, key: string, option: string): readonly string[] {
  const names = defaultTargets[key];
  if (names !== undefined) return names;
  throw new TunesmithError('CONFIG_INVALID', 'this family has no default modules for IA³', {
    where: `ia3.${option}`,
    hint: 'Name the modules.',
  });
}
