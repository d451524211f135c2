import { type PatchedModel, TunesmithError } from '@tunesmith/core';
import type { z } from 'zod';
import type { LoraConfig, loraConfigSchema } from './config.js';

/**
 * Fields of PEFT's LoraConfig that change nothing here at the value given: defaults that PEFT writes though they are
 * not null, and facts about the file (peft/tuners/lora/config.py, PEFT 0.21).
 */
const neutral: Readonly<Record<string, readonly unknown[]>> = {
  megatron_core: ['megatron.core'],
  qalora_group_size: [16],
  init_lora_weights: [true, 'orthogonal'],
};
const descriptive = new Set([
  'peft_type',
  'peft_version',
  'task_type',
  'inference_mode',
  'base_model_name_or_path',
  'revision',
  'auto_mapping',
  'runtime_config',
]);

/** adapter_config.json's fields for a config: what PEFT writes, without the features that it has and we lack. */
export function toPeft(config: LoraConfig, model: PatchedModel): Record<string, unknown> {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    inference_mode: true,
    r: config.rank,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    target_modules: targetsOf(config, model),
    exclude_modules: config.excludeModules ?? null,
    layers_to_transform: config.layersToTransform ?? null,
    layers_pattern: null,
    rank_pattern: config.rankPattern,
    alpha_pattern: config.alphaPattern,
    use_rslora: config.useRslora,
    bias: config.bias,
    modules_to_save: config.modulesToSave ?? null,
    trainable_token_indices: config.trainableTokenIndices ?? null,
    use_dora: config.useDora,
    fan_in_fan_out: model.fanInFanOut,
    init_lora_weights: config.initLoraWeights === 'gaussian' ? 'gaussian' : true,
    ...(startsFromWeight(config) ? twiceTheRank(config) : {}),
  };
}

function startsFromWeight({ initLoraWeights }: LoraConfig): boolean {
  return initLoraWeights === 'pissa' || initLoraWeights === 'olora';
}

/** The file holds B·A − B₀·A₀ as one update of twice the rank, with the same scale. */
function twiceTheRank({ rank, alpha, rankPattern, alphaPattern, useRslora }: LoraConfig): Record<string, unknown> {
  const factor = useRslora ? Math.SQRT2 : 2;
  const times = (pattern: Readonly<Record<string, number>>, by: number): Record<string, number> =>
    Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, by * value]));
  return {
    ...{ r: 2 * rank, lora_alpha: factor * alpha },
    ...{ rank_pattern: times(rankPattern, 2), alpha_pattern: times(alphaPattern, factor) },
  };
}

/** The targets a config names, or PEFT's default for the family. */
export function targetsOf(config: LoraConfig, model: PatchedModel): string | readonly string[] {
  const targets = config.targetModules ?? model.defaultTargets.lora;
  if (targets !== undefined) return targets;
  throw new TunesmithError('CONFIG_INVALID', 'this family has no default targets for LoRA', {
    where: 'lora.targetModules',
    hint: 'Name the modules, or use all-linear.',
  });
}

/**
 * A PEFT config as ours, or null if it is no LoRA's. A field that would change the adapter's meaning and has no
 * counterpart here is refused; null, false and empty values mean that a feature is off.
 */
export function fromPeft(peft: Record<string, unknown>): z.input<typeof loraConfigSchema> | null {
  if (peft.peft_type !== 'LORA') return null;
  const left = new Map(Object.entries(peft));
  const take = (field: string): unknown => {
    const value = left.get(field);
    left.delete(field);
    return value ?? undefined;
  };
  const layers = take('layers_to_transform');
  const start = startOf(left.get('init_lora_weights'));
  if (start !== undefined) left.delete('init_lora_weights');
  const config = {
    rank: take('r'),
    alpha: take('lora_alpha'),
    dropout: take('lora_dropout'),
    targetModules: take('target_modules'),
    excludeModules: take('exclude_modules'),
    layersToTransform: typeof layers === 'number' ? [layers] : layers,
    rankPattern: take('rank_pattern'),
    alphaPattern: take('alpha_pattern'),
    useRslora: take('use_rslora'),
    useDora: take('use_dora'),
    trainableTokenIndices: take('trainable_token_indices'),
    initLoraWeights: start,
    bias: take('bias'),
    modulesToSave: take('modules_to_save'),
  };
  // Stored as [in, out] or not: the family knows how its weights lie.
  take('fan_in_fan_out');
  for (const [field, value] of left) {
    if (descriptive.has(field) || isOff(value) || neutral[field]?.includes(value)) continue;
    throw new TunesmithError('CAPABILITY_MISSING', `"${field}" of PEFT's LoRA is not supported`, {
      where: 'adapter_config.json',
      expected: 'null, false or empty',
      got: JSON.stringify(value),
    });
  }
  const given = Object.entries(config).filter(([, value]) => value !== undefined && !isEmptyList(value));
  return Object.fromEntries(given) as z.input<typeof loraConfigSchema>;
}

/** A way to start that changes what a file means, or how training goes on from it. */
function startOf(value: unknown): LoraConfig['initLoraWeights'] | undefined {
  return value === 'gaussian' || value === 'pissa' || value === 'olora' ? value : undefined;
}

function isOff(value: unknown): boolean {
  if (value === null || value === false || isEmptyList(value)) return true;
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
