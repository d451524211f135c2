import {
  type AdapterTensor,
  type CombinedAdapter,
  peftName,
  TunesmithError,
  type WeightedAdapter,
} from '@tunesmith/core';
import type { z } from 'zod';
import type { LoraConfig, loraConfigSchema } from '../config.js';
import { lowRankShape } from '../low-rank.js';
import { combineModule, type ModuleFactors } from './combine-module.js';
import type { CombineOptions } from './options.js';

type Weighted = WeightedAdapter<LoraConfig>;

/** An adapter with its factors by module path. */
interface Factored extends Weighted {
  readonly modules: ReadonlyMap<string, ModuleFactors>;
}

/**
 * Several LoRAs as one, by PEFT's rules (LoraModel.add_weighted_adapter in peft/tuners/lora/model.py): its scale is 1 at
 * every module, and modules that an adapter lacks are combined of the others. Where PEFT would lose something in silence
 * (magnitudes, biases, whole modules, tokens) adapters are refused, and a result is never scaled by √rank, as PEFT's is
 * when the first adapter has rsLoRA.
 */
export function combineLoras(
  adapters: readonly Weighted[],
  options: CombineOptions,
): CombinedAdapter<z.input<typeof loraConfigSchema>> {
  // One adapter has nothing to disagree with: PEFT scales it, whatever is asked for.
  const combination = adapters.length === 1 ? 'linear' : options.combination;
  const factored = adapters.map((adapter): Factored => ({ ...adapter, modules: modulesOf(adapter) }));
  const paths = [...new Set(factored.flatMap(({ modules }) => [...modules.keys()]))];
  const rank = resultRank(factored, combination, options.svdRank);
  const rankPattern: Record<string, number> = {};
  const tensors = paths.flatMap((path): AdapterTensor[] => {
    const parts = factored.flatMap(({ modules, weight }) => {
      const factors = modules.get(path);
      return factors === undefined ? [] : [{ ...factors, weight }];
    });
    const { a, b, rank: own } = combineModule(parts, { ...options, combination }, { path, rank });
    if (own !== rank) rankPattern[path.replaceAll('.', '\\.')] = own;
    const { names } = parts[0] as ModuleFactors;
    const { inFeatures, outFeatures } = parts[0] as ModuleFactors;
    return [
      { name: names.a, shape: [own, inFeatures], data: a },
      { name: names.b, shape: [outFeatures, own], data: b },
    ];
  });
  const targets = targetsOf(adapters, paths);
  return { config: { rank, alpha: rank, rankPattern, alphaPattern: { ...rankPattern }, ...targets }, tensors };
}

/** The rank that a config can say of all modules: what A and B get where nothing else is known. */
function resultRank(
  adapters: readonly Factored[],
  combination: CombineOptions['combination'],
  svdRank: number | undefined,
): number {
  const ranks = adapters.map(({ modules }) => Math.max(...[...modules.values()].map(({ rank }) => rank)));
  if (combination === 'cat') return ranks.reduce((sum, rank) => sum + rank, 0);
  return combination.endsWith('svd') ? (svdRank ?? Math.max(...ranks)) : Math.max(...ranks);
}

const endings = [
  ['.lora_A.weight', '.lora_B.weight'],
  ['.lora_embedding_A', '.lora_embedding_B'],
] as const;

/** A and B of every module; any other tensor is refused. */
function modulesOf({ config, tensors, name }: Weighted): Map<string, ModuleFactors> {
  if (config.useDora) throw cannotCombine(name, "DoRA's magnitudes", 'they scale the sum of weight and update');
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const modules = new Map<string, ModuleFactors>();
  const prefix = peftName('');
  for (const { name: own, shape, data } of tensors) {
    const pair = endings.find(([a, b]) => own.endsWith(a) || own.endsWith(b));
    if (pair === undefined) throw cannotCombine(name, `"${own}"`, 'only products B·A have a weighted sum');
    const [endA, endB] = pair;
    if (!own.endsWith(endA)) continue;
    const path = own.slice(prefix.length, -endA.length);
    const other = byName.get(own.slice(0, -endA.length) + endB);
    const [rank = 0, inFeatures = 0] = shape;
    if (other === undefined || other.shape[1] !== rank) {
      throw new TunesmithError('FILE_INVALID', 'A has no B of its rank', { where: `${name}: ${own}` });
    }
    modules.set(path, {
      ...{ rank, inFeatures, outFeatures: other.shape[0] as number, scale: lowRankShape(config, path).scale },
      ...{ a: data, b: other.data, names: { a: own, b: other.name } },
    });
  }
  return modules;
}

function cannotCombine(where: string, what: string, reason: string): TunesmithError {
  return new TunesmithError('CAPABILITY_MISSING', `${what} of a LoRA cannot be combined: ${reason}`, {
    where,
    hint: 'Merge the adapters into a model instead, one after another.',
  });
}

/** The union of the targets, as PEFT forms it, or the very paths where that would say something else. */
function targetsOf(adapters: readonly Weighted[], paths: readonly string[]): Partial<z.input<typeof loraConfigSchema>> {
  const limits = adapters.map(({ config }) => JSON.stringify([config.excludeModules, config.layersToTransform]));
  const lists = adapters.flatMap(({ config }) => (Array.isArray(config.targetModules) ? [config.targetModules] : []));
  if (new Set(limits).size > 1 || lists.length < adapters.length) return { targetModules: [...paths] };
  const { excludeModules, layersToTransform } = (adapters[0] as Weighted).config;
  return {
    targetModules: [...new Set(lists.flat())],
    ...(excludeModules === undefined ? {} : { excludeModules }),
    ...(layersToTransform === undefined ? {} : { layersToTransform }),
  };
}
