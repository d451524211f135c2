import { didYouMean } from '../errors/nearest-names.js';
import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Derived } from '../model/derived.js';
import type { Task } from '../model/family.js';
import type { Model } from '../model/model.js';
import { isHeadOwner } from '../model/task-head.js';
import { createTrace } from '../model/trace.js';
import { elementCount, type Handle, type HostArray } from '../parameters/handle.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import type { Backend } from '../program/backend.js';
import type { Program } from '../program/program.js';
import { readHostArray } from '../storage/memory-tensor.js';
import type { TensorSource } from '../storage/stored-tensor.js';
import type { Shape } from '../tensor/tfjs.js';
import type { Adapter, AdapterHost, AdapterTensor } from './adapter-file.js';
import { withBareNames, withWholeNames } from './bare-names.js';
import type { Method } from './method.js';

/** A module path's tensor name in a PEFT adapter file (peft/utils/save_and_load.py). */
export function peftName(path: string): string {
  return `base_model.model.${path}`;
}

/** PEFT's `task_type` of a model's adapters; null where it has none (peft/utils/peft_types.py). */
const peftTasks: Readonly<Record<Task, string | null>> = {
  'causal-lm': 'CAUSAL_LM',
  'seq2seq-lm': 'SEQ_2_SEQ_LM',
  'masked-lm': null,
  'sequence-classification': 'SEQ_CLS',
  'token-classification': 'TOKEN_CLS',
  'question-answering': 'QUESTION_ANS',
  embedding: 'FEATURE_EXTRACTION',
};

function adapterName(method: Method, value: Handle | Derived): string {
  if (isHeadOwner(value.owner)) {
    if (method.adapterHubConfig !== undefined) return value.path;
    return method.headName?.(value.path) ?? peftName(value.path);
  }
  return method.adapterName?.(value) ?? peftName(value.path);
}

/** The same in a file that there is: a head lies under PEFT's usual name where a method that has another saved it before it had. */
function nameIn(file: TensorSource, method: Method, handle: Handle): string {
  const [name, usual] = [adapterName(method, handle), peftName(handle.path)];
  const isUsual = isHeadOwner(handle.owner) && file.get(name) === undefined && file.get(usual) !== undefined;
  return isUsual ? usual : name;
}

function adapterHost(model: Model, method: Method, parameters: ParameterStore): AdapterHost {
  const byPath = new Map(model.handles.filter(({ owner }) => owner === 'base').map((handle) => [handle.path, handle]));
  for (const handle of model.ownedBy(method)) byPath.set(handle.path, handle);
  return { handle: (path) => byPath.get(path), read: (handle) => parameters.read(handle) };
}

/**
 * Everything that a method trained or keeps and the head beside it, by its name in an adapter file. A derived value
 * stands for what it is computed from; the backend computes it, and may be left out where a method has none.
 */
export async function exportAdapter(
  model: Model,
  method: Method,
  parameters: ParameterStore,
  backend?: Backend,
): Promise<Adapter<HostArray>> {
  const tensors: AdapterTensor[] = [];
  const others: AdapterTensor<HostArray>[] = [];
  for (const derived of model.derived.filter(({ owner }) => owner === model.ownerOf(method))) {
    const { shape, data } = await computeDerived(model, derived, parameters, backend);
    tensors.push({ name: adapterName(method, derived), shape, data });
  }
  for (const handle of model.ownedBy(method)) {
    if (model.onlyDerivedFrom(handle)) continue;
    const data = await parameters.readArray(handle);
    const tensor = { name: adapterName(method, handle), shape: handle.shape };
    if (isHeadOwner(handle.owner) || data instanceof Int32Array) others.push({ ...tensor, data });
    else tensors.push({ ...tensor, data });
  }
  const hub = method.adapterHubConfig?.(model.patched);
  const own: Adapter =
    hub === undefined
      ? { format: 'peft', config: method.peftConfig?.(model.patched) ?? null, tensors }
      : { format: 'adapterhub', config: hub, tensors };
  const adapter = (await method.exportAdapter?.(own, adapterHost(model, method, parameters))) ?? own;
  const isPeft = (adapter.format ?? 'peft') === 'peft';
  const config = adapter.config !== null && isPeft ? withTask(adapter.config, model) : adapter.config;
  return withBareNames({ ...adapter, config, tensors: [...adapter.tensors, ...others] }, model);
}

/** PEFT's config of a method with what is the model's: its task, and the head that is saved with the adapter. */
function withTask(config: Record<string, unknown>, { head, headModules }: Model): Record<string, unknown> {
  const own = Array.isArray(config.modules_to_save) ? (config.modules_to_save as readonly string[]) : [];
  const saved = [...new Set([...own, ...headModules])];
  return { ...config, task_type: peftTasks[head.task], ...(saved.length > 0 ? { modules_to_save: saved } : {}) };
}

/** A derived value at the parameters' present values. */
async function computeDerived(
  model: Model,
  derived: Derived,
  parameters: ParameterStore,
  backend: Backend | undefined,
): Promise<{ shape: Shape; data: Float32Array }> {
  if (backend === undefined) {
    throw new TunesmithError('CAPABILITY_MISSING', `only a backend can compute "${derived.path}"`, {
      where: derived.owner,
      hint: 'Give exportAdapter the backend that holds the parameters.',
    });
  }
  const program: Program = {
    name: `derive ${derived.path}`,
    inputs: {},
    body(io) {
      const read = (handle: Handle) => parameters.readIn(io, handle);
      const t = createTrace(io, {
        training: false,
        resolve: model.resolve,
        read,
        encoded: (handle) => parameters.encodedIn(io, handle),
      });
      return { outputs: { value: t.value(derived) } };
    },
  };
  const executable = await backend.compile(program, parameters.tensors);
  try {
    const { value } = await executable.run({});
    return { shape: value?.shape as Shape, data: value?.data as Float32Array };
  } finally {
    await executable.dispose();
  }
}

/**
 * Loads an adapter's tensors into a model that the method has patched. Strict: a tensor without a place and a place
 * without a tensor are errors with the nearest names, since an adapter that is dropped in silence looks like one that
 * learnt nothing.
 */
export async function importAdapter(
  model: Model,
  method: Method,
  parameters: ParameterStore,
  given: TensorSource,
): Promise<void> {
  const file = withWholeNames(given, model);
  const places = new Map(model.ownedBy(method).map((handle) => [nameIn(file, method, handle), handle]));
  const isHead = (name: string): boolean => isHeadOwner(places.get(name)?.owner ?? '');
  const rest = { names: () => file.names().filter((name) => !isHead(name)), get: (name: string) => file.get(name) };
  const own = (await method.importAdapter?.(rest, adapterHost(model, method, parameters))) ?? rest;
  const source: TensorSource = {
    names: () => [...own.names(), ...file.names().filter(isHead)],
    get: (name) => (isHead(name) ? file : own).get(name),
  };
  for (const derived of model.derived.filter(({ owner }) => owner === model.ownerOf(method))) {
    if (source.get(adapterName(method, derived)) === undefined) continue;
    throw new TunesmithError('CAPABILITY_MISSING', 'what this value was computed from is not in the adapter', {
      where: adapterName(method, derived),
      hint: 'Load it with the config that lies beside it; a run goes on from its checkpoint.',
    });
  }
  const stray = source.names().filter((name) => !places.has(name));
  if (stray.length > 0) {
    throw new TunesmithError(
      'NAME_UNKNOWN',
      `the adapter holds ${stray.length} tensors that this model has no place for`,
      {
        where: stray.slice(0, 3).join(', '),
        hint: didYouMean(stray[0] as string, places.keys()),
      },
    );
  }
  for (const [name, handle] of places) {
    const tensor = source.get(name);
    if (tensor === undefined) {
      throw new TunesmithError('FILE_INVALID', 'the adapter lacks a tensor', {
        where: name,
        expected: `[${handle.shape.join(', ')}]`,
        hint: didYouMean(name, source.names()),
      });
    }
    const values = await readHostArray(tensor);
    const sameShape =
      tensor.shape.length === handle.shape.length && tensor.shape.every((size, axis) => size === handle.shape[axis]);
    if (!sameShape || values.length !== elementCount(handle.shape)) {
      throw new TunesmithError('SHAPE_MISMATCH', 'the adapter was made for another model or config', {
        where: name,
        expected: `[${handle.shape.join(', ')}]`,
        got: `[${tensor.shape.join(', ')}]`,
      });
    }
    if (values instanceof Int32Array !== (handle.dtype === 'int32')) {
      throw new TunesmithError('FILE_INVALID', 'a tensor of the adapter has another type', {
        where: name,
        expected: handle.dtype === 'int32' ? 'I32' : 'a type of floating-point numbers',
        got: tensor.dtype,
      });
    }
    await parameters.write(handle, values.slice());
  }
}
