import { readPeftAdapter, writePeftAdapter } from '@tunesmith/checkpoints';
import {
  type AdapterTensor,
  type MethodFactory,
  memoryTensor,
  readFloat32,
  type StoredTensor,
  TunesmithError,
  type WeightedAdapter,
} from '@tunesmith/core';
import type { MethodLookup } from '../plugins/load-offers.js';
import { type AdapterDescription, adapterManifestText, describeAdapter } from './adapter-folder.js';
import { quantizationOfBase } from './base-options.js';
import { factoryFor } from './open-model.js';

export interface CombineAdaptersOptions {
  /** Folders of adapters of one method, and what each counts. */
  readonly adapters: readonly { readonly path: string; readonly weight: number }[];
  /** How they are combined, in the method's own options. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** New folder of the result. */
  readonly output: string;
  readonly lookup: MethodLookup;
}

/**
 * Writes one adapter made of several of the same method.
 * @throws CAPABILITY_MISSING where the method says no way to combine its adapters
 */
export async function combineAdapters({
  adapters,
  options = {},
  output,
  lookup,
}: CombineAdaptersOptions): Promise<void> {
  const described = await Promise.all(adapters.map(({ path }) => describeAdapter(path)));
  const [first] = described;
  if (first === undefined) throw new TunesmithError('CONFIG_INVALID', 'there is no adapter to combine');
  const factories = await Promise.all(described.map((adapter) => factoryFor(adapter, lookup)));
  const [factory] = factories as [MethodFactory];
  const other = factories.findIndex(({ definition }) => definition.name !== factory.definition.name);
  const { combine, name } = factory.definition;
  if (other > 0 || combine === undefined) {
    const names = other > 0 ? `${name} and ${factories[other]?.definition.name}` : name;
    throw new TunesmithError('CAPABILITY_MISSING', `adapters of ${names} cannot be combined into one`, {
      hint: 'Stack them, or merge them into a model one after another.',
    });
  }
  const weighted = await Promise.all(
    described.map((adapter, index) => readWeighted(adapter, factory, adapters[index]?.weight as number)),
  );
  const combined = combine(weighted, options);
  const method = factory(combined.config);
  const { config: own, manifest } = first;
  const { task_type: task, base_model_name_or_path: base, revision = null, fan_in_fan_out: turned } = own;
  const patched = { defaultTargets: {}, fanInFanOut: turned === true, task: 'causal-lm', sites: [] } as const;
  const peft = method.peftConfig?.(patched) ?? {};
  await writePeftAdapter(output, {
    config: { peft_type: own.peft_type, ...peft, task_type: task, base_model_name_or_path: base, revision },
    tensors: combined.tensors.map(({ name: tensor, shape, data }) => memoryTensor(tensor, shape, data)),
    manifest: adapterManifestText({
      method: method.name,
      config: method.config as Record<string, unknown>,
      step: Math.max(...described.map((adapter) => adapter.manifest?.step ?? 0)),
      template: manifest?.template ?? null,
      objective: manifest?.objective ?? null,
      stage: null,
      resizeVocabulary: described.some((adapter) => adapter.manifest?.resizeVocabulary),
      quantization: quantizationOfBase(described),
    }),
  });
}

async function readWeighted(
  { path, config: saved, manifest }: AdapterDescription,
  { definition }: MethodFactory,
  weight: number,
): Promise<WeightedAdapter<Record<string, unknown>>> {
  const config = definition.config.parse(definition.fromPeft?.({ ...saved }) ?? manifest?.config ?? {});
  const { tensors, close } = await readPeftAdapter(path);
  try {
    const read: AdapterTensor[] = [];
    for (const name of tensors.names()) {
      const tensor = tensors.get(name) as StoredTensor;
      read.push({ name, shape: tensor.shape, data: Float32Array.from(await readFloat32(tensor)) });
    }
    return { name: path, config, weight, tensors: read };
  } finally {
    await close();
  }
}
