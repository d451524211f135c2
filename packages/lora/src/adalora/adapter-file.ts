/** AdaLoRA's files are PEFT's: ranks that were taken away are left out, and `rank_pattern` says which. */
import {
  type Adapter,
  type AdapterHost,
  type AdapterTensor,
  type Handle,
  type Method,
  memoryTensor,
  type PatchedModel,
  peftName,
  readFloat32,
  readPeftConfig,
  type StoredTensor,
  TunesmithError,
} from '@tunesmith/core';
import type { z } from 'zod';
import type { AdaloraConfig, adaloraConfigSchema } from './config.js';
import { keptSuffix, stateSuffix, stepsName } from './state.js';

/** adapter_config.json's fields for a config, as PEFT writes them; `exportAdapter` adds what training decides. */
export function toPeft(config: AdaloraConfig, model: PatchedModel): Record<string, unknown> {
  return {
    peft_type: 'ADALORA',
    task_type: 'CAUSAL_LM',
    inference_mode: true,
    init_r: config.initRank,
    target_r: config.targetRank,
    tinit: config.tinit,
    tfinal: config.tfinal,
    deltaT: config.deltaT,
    beta1: config.beta1,
    beta2: config.beta2,
    orth_reg_weight: config.orthRegWeight,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    target_modules: targetsOf(config, model),
    exclude_modules: config.excludeModules ?? null,
    layers_to_transform: config.layersToTransform ?? null,
    modules_to_save: config.modulesToSave ?? null,
    bias: 'none',
    fan_in_fan_out: model.fanInFanOut,
    init_lora_weights: true,
  };
}

/** A PEFT config as ours, or null if it is no AdaLoRA's. */
export function fromPeft(peft: Record<string, unknown>): z.input<typeof adaloraConfigSchema> | null {
  if (peft.peft_type !== 'ADALORA') return null;
  // The length of the run that made the file, and a rank that PEFT does not use either.
  const { total_step: _steps, r: _rank, ...fields } = peft;
  const config = readPeftConfig(fields, {
    options: {
      init_r: 'initRank',
      target_r: 'targetRank',
      tinit: 'tinit',
      tfinal: 'tfinal',
      deltaT: 'deltaT',
      beta1: 'beta1',
      beta2: 'beta2',
      orth_reg_weight: 'orthRegWeight',
      rank_pattern: 'rankPattern',
      lora_alpha: 'alpha',
      lora_dropout: 'dropout',
      target_modules: 'targetModules',
      exclude_modules: 'excludeModules',
      layers_to_transform: 'layersToTransform',
      modules_to_save: 'modulesToSave',
    },
    neutral: {
      bias: ['none'],
      init_lora_weights: [true],
      megatron_core: ['megatron.core'],
      qalora_group_size: [16],
    },
  });
  const { layersToTransform: layers } = config;
  return typeof layers === 'number' ? { ...config, layersToTransform: [layers] } : config;
}

/** The targets a config names, or PEFT's default for the family. */
export function targetsOf(config: AdaloraConfig, { defaultTargets }: PatchedModel): string | readonly string[] {
  const targets = config.targetModules ?? defaultTargets.adalora ?? defaultTargets.lora;
  if (targets !== undefined) return targets;
  throw new TunesmithError('CONFIG_INVALID', 'this family has no default targets for AdaLoRA', {
    where: 'adalora.targetModules',
    hint: 'Name the modules, or use all-linear.',
  });
}

const factor = /^(.*)\.lora_([AEB])$/;

/** How tensors go into a file and come back. */
export function adapterFile({
  tinit,
  tfinal,
  rankPattern,
}: AdaloraConfig): Required<Pick<Method, 'exportAdapter' | 'importAdapter'>> {
  return {
    exportAdapter({ config, tensors }: Adapter): Adapter {
      const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
      const steps = byName.get(peftName(stepsName))?.data[0] ?? 0;
      const patterns = new Map(
        tensors
          .filter(({ name }) => name.endsWith('.lora_E'))
          .map((e): [string, boolean[]] => [e.name, keptRanks(e, byName.get(e.name + keptSuffix))]),
      );
      const isPruned = [...patterns.values()].some((pattern) => pattern.includes(false));
      const saved = tensors.flatMap((tensor) => {
        if (tensor.name === peftName(stepsName) || stateSuffix.test(tensor.name)) return [];
        const pattern = patterns.get(tensor.name.replace(/\.lora_[AB]$/, '.lora_E'));
        return [isPruned && pattern !== undefined ? pruned(tensor, pattern) : tensor];
      });
      return {
        config: {
          ...config,
          // PEFT takes no config whose schedule leaves no step to take ranks away.
          total_step: steps || tinit + tfinal + 1,
          rank_pattern: isPruned ? Object.fromEntries([...patterns].map(([name, kept]) => [pathOf(name), kept])) : null,
        },
        tensors: saved,
      };
    },

    async importAdapter(file, host) {
      const tensors = new Map<string, StoredTensor>();
      const set = (handle: Handle | undefined, data: Float32Array): void => {
        if (handle !== undefined)
          tensors.set(peftName(handle.path), memoryTensor(peftName(handle.path), handle.shape, data));
      };
      for (const name of file.names()) {
        const tensor = file.get(name) as StoredTensor;
        tensors.set(name, tensor);
        const [, module, letter] = factor.exec(pathOf(name)) ?? [];
        const handle = host.handle(pathOf(name));
        if (module === undefined || handle === undefined) continue;
        const pattern = rankPattern?.[`${module}.lora_E`];
        if (pattern !== undefined) {
          const data = await readFloat32(tensor);
          const full = filledUp({ name, shape: handle.shape, data }, pattern);
          if (full !== null) set(handle, full);
        }
        if (letter === 'E') await setState(module, pattern, host, set);
      }
      const steps = host.handle(stepsName);
      if (steps !== undefined) set(steps, await host.read(steps));
      return { names: () => [...tensors.keys()], get: (name) => tensors.get(name) };
    },
  };
}

/** The ranks that a file must hold: those that are kept, and those that have grown back since. */
function keptRanks({ data }: AdapterTensor, kept: AdapterTensor | undefined): boolean[] {
  return Array.from(data, (value, index) => value !== 0 || kept?.data[index] !== 0);
}

/** What training remembers is in no file: it starts anew, but for which ranks are kept. */
async function setState(
  module: string,
  pattern: readonly boolean[] | undefined,
  host: AdapterHost,
  set: (handle: Handle | undefined, data: Float32Array) => void,
): Promise<void> {
  const kept = host.handle(`${module}.lora_E${keptSuffix}`);
  if (kept !== undefined) set(kept, pattern === undefined ? await host.read(kept) : Float32Array.from(pattern, Number));
  for (const letter of ['A', 'E', 'B']) {
    for (const memory of ['importance', 'uncertainty']) {
      const handle = host.handle(`${module}.lora_${letter}.${memory}`);
      if (handle !== undefined) set(handle, await host.read(handle));
    }
  }
}

const pathOf = (name: string): string => name.slice(peftName('').length);
const ranksLast = (name: string): boolean => name.endsWith('.lora_B');

/** A factor without the ranks that the pattern leaves out: rows of A and E, columns of B. */
function pruned(
  { name, shape: [rows = 0, columns = 0], data }: AdapterTensor,
  pattern: readonly boolean[],
): AdapterTensor {
  const left = pattern.filter(Boolean).length;
  const isLeft = ranksLast(name)
    ? (index: number) => pattern[index % columns]
    : (index: number) => pattern[Math.floor(index / columns)];
  const shape = ranksLast(name) ? [rows, left] : [left, columns];
  return { name, shape, data: data.filter((_, index) => isLeft(index)) };
}

/** The reverse, zeros where a rank was left out; null for a tensor that the pattern does not fit. */
function filledUp({ name, shape, data }: AdapterTensor, pattern: readonly boolean[]): Float32Array | null {
  const [rows = 0, columns = 0] = shape;
  const ranks = ranksLast(name) ? columns : rows;
  const left = pattern.filter(Boolean).length;
  if (pattern.length !== ranks || data.length * ranks !== rows * columns * left) return null;
  let next = 0;
  return Float32Array.from({ length: rows * columns }, (_, index) => {
    const rank = ranksLast(name) ? index % columns : Math.floor(index / columns);
    return pattern[rank] ? (data[next++] as number) : 0;
  });
}
