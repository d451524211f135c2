import { type PatchedModel, readPeftConfig, TunesmithError } from '@tunesmith/core';
import type { z } from 'zod';
import type { LoraConfig, loraConfigSchema } from './config.js';
import { modulesOf } from './stacked-modules.js';

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

/** The targets a config names, those that parameters stand for among them, or PEFT's default for the family. */
export function targetsOf(config: LoraConfig, model: PatchedModel): string | readonly string[] {
  const named = config.targetModules ?? [];
  if (config.targetParameters !== undefined) {
    const stacked = modulesOf(config.targetParameters, model);
    if (named === 'all-linear') return named; // experts among them
    if (typeof named !== 'string') return [...named, ...stacked];
    return [`(?:${named})`, ...stacked.map((path) => `(?:.*\\.)?${path.replaceAll('.', '\\.')}`)].join('|');
  }
  const targets = config.targetModules ?? model.defaultTargets.lora;
  if (targets !== undefined) return targets;
  throw new TunesmithError('CONFIG_INVALID', 'this family has no default targets for LoRA', {
    where: 'lora.targetModules',
    hint: 'Name the modules, or use all-linear.',
  });
}

/** A PEFT config as ours, or null if it is no LoRA's. */
export function fromPeft(peft: Record<string, unknown>): z.input<typeof loraConfigSchema> | null {
  if (peft.peft_type !== 'LORA') return null;
  const { init_lora_weights: start, ...others } = peft;
  // A file's values are whole, over the base that LoftQ has quantised; how it did that is no longer asked.
  const { loftq_config: _, ...fields } = others;
  refuseStackedPatterns(peft);
  const given = changesMeaning(start) ? others : start === 'loftq' ? fields : peft;
  const config = readPeftConfig(given, {
    options: {
      r: 'rank',
      lora_alpha: 'alpha',
      lora_dropout: 'dropout',
      target_modules: 'targetModules',
      target_parameters: 'targetParameters',
      exclude_modules: 'excludeModules',
      layers_to_transform: 'layersToTransform',
      rank_pattern: 'rankPattern',
      alpha_pattern: 'alphaPattern',
      use_rslora: 'useRslora',
      use_dora: 'useDora',
      bias: 'bias',
      modules_to_save: 'modulesToSave',
      trainable_token_indices: 'trainableTokenIndices',
    },
    // Defaults that PEFT writes though they are not null, and how a file's values once started.
    neutral: {
      megatron_core: ['megatron.core'],
      qalora_group_size: [16],
      init_lora_weights: [true, 'orthogonal'],
    },
  });
  const { layersToTransform: layers } = config;
  return {
    ...config,
    ...(typeof layers === 'number' ? { layersToTransform: [layers] } : {}),
    ...(changesMeaning(start) ? { initLoraWeights: start } : {}),
  };
}

/** Patterns over stacked parameters are by names that modules do not have here. @throws CAPABILITY_MISSING */
function refuseStackedPatterns(peft: Record<string, unknown>): void {
  const hasAny = (field: string): boolean => Object.keys(peft[field] ?? {}).length > 0;
  if (!hasAny('target_parameters')) return;
  const pattern = ['rank_pattern', 'alpha_pattern'].find(hasAny);
  if (pattern === undefined) return;
  throw new TunesmithError('CAPABILITY_MISSING', `"${pattern}" beside "target_parameters" is not read`, {
    where: 'adapter_config.json',
    expected: 'one rank and one alpha for all parameters',
    got: JSON.stringify(peft[pattern]),
    hint: 'PEFT writes such patterns when it saves an adapter whose target_modules were experts: load the file that it was made of.',
  });
}

/** A start that a file's values are to be read with, or that training goes on with. */
function changesMeaning(start: unknown): start is 'gaussian' | 'pissa' | 'olora' {
  return start === 'gaussian' || start === 'pissa' || start === 'olora';
}
