import type { Model } from '../model/model.js';
import { bareName } from '../model/task-head.js';
import type { HostArray } from '../parameters/handle.js';
import type { StoredTensor, TensorSource } from '../storage/stored-tensor.js';
import type { Adapter } from './adapter-file.js';

const root = 'base_model.model.';

/** The fields of PEFT's configs that name modules. */
const moduleFields = ['target_modules', 'exclude_modules', 'modules_to_save', 'rank_pattern', 'alpha_pattern'];

/**
 * An adapter as PEFT has it over a model without a head, such as `BertModel`: names lack the module that is the whole model there. Others as
 * they are.
 */
export function withBareNames(adapter: Adapter<HostArray>, model: Pick<Model, 'family' | 'head'>): Adapter<HostArray> {
  if (!isBare(model) || (adapter.format ?? 'peft') !== 'peft') return adapter;
  const bare = (path: string): string => bareName(model.family, path);
  const inField = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((one) => (typeof one === 'string' ? bare(one) : one));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [bare(key), each]));
  };
  const config =
    adapter.config &&
    Object.fromEntries(
      Object.entries(adapter.config).map(([key, value]) => [key, moduleFields.includes(key) ? inField(value) : value]),
    );
  const tensors = adapter.tensors.map((tensor) => ({
    ...tensor,
    name: tensor.name.startsWith(root) ? `${root}${bare(tensor.name.slice(root.length))}` : tensor.name,
  }));
  return { ...adapter, config, tensors };
}

/** The tensors of an adapter over a model without a head by the names that they have over one with a head, but for what no vector is made of. */
export function withWholeNames(source: TensorSource, model: Pick<Model, 'family' | 'head' | 'handles'>): TensorSource {
  if (!isBare(model)) return source;
  const inside = `${root}${model.family.baseModelPrefix}.`;
  const { ignoredTensors } = model.family;
  // What an adapter has of a pooler, which a model without a head has in transformers, makes no vectors.
  const isLeft = (name: string): boolean => ignoredTensors?.test(name.slice(root.length)) !== true;
  const named = new Map(
    source
      .names()
      .filter(isLeft)
      .map((name): [string, string] => [
        name.startsWith(root) && !name.startsWith(inside) ? `${inside}${name.slice(root.length)}` : name,
        name,
      ]),
  );
  return {
    names: () => [...named.keys()],
    get(name): StoredTensor | undefined {
      const original = named.get(name);
      const found = original === undefined ? undefined : source.get(original);
      return found && { ...found, name, read: () => found.read() };
    },
  };
}

function isBare({ family, head }: Pick<Model, 'family' | 'head'>): boolean {
  return head.task === 'embedding' && family.baseModelPrefix !== undefined;
}
