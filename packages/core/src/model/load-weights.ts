import { didYouMean } from '../errors/nearest-names.js';
import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Handle } from '../parameters/handle.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import type { HostTensor } from '../program/backend.js';
import { randomKey } from '../random/mixer.js';
import { type Encoding, encodeWeight } from '../storage/encoded-matrix.js';
import { fromFloat32, toFloat32 } from '../storage/float-codecs.js';
import { readFloat32 } from '../storage/memory-tensor.js';
import type { StoredTensor, TensorSource } from '../storage/stored-tensor.js';
import { turnedTensor } from '../storage/turned-tensor.js';
import { keepAlike } from '../storage/weight-codec.js';
import type { Named } from '../tensor/tfjs.js';
import { withGrownRows } from './grown-rows.js';
import type { Model } from './model.js';
import type { LinearSite } from './site.js';
import { checkpointNames } from './task-head.js';

/** How a weight lies in the tensor store; programs compute with float32 whatever it is. */
export type WeightDtype = 'float32' | 'float16' | 'bfloat16';

export interface LoadWeightsOptions {
  /** How frozen weights are stored; what is trained is always float32. */
  readonly dtype?: WeightDtype;
  /** Of what a head that the checkpoint lacks starts as. */
  readonly seed?: number;
  /** Tokens that the checkpoint has rows for, where the model has more: theirs start as the mean of those. */
  readonly vocabularyBefore?: number;
}

/**
 * Loads a checkpoint's weights into a model's store, one tensor at a time. Strict: a weight without a tensor, and a
 * tensor without a weight that the family doesn't know as superfluous, are errors with the nearest names.
 * @throws NAME_UNKNOWN, SHAPE_MISMATCH, or FILE_INVALID for a tied weight that is there twice with different values
 */
export async function loadWeights(
  model: Model,
  source: TensorSource,
  parameters: ParameterStore,
  { dtype = 'float32', seed = 0, vocabularyBefore }: LoadWeightsOptions = {},
): Promise<void> {
  const { places, fresh } = findTensors(model, source);
  const duplicates = tiedDuplicates(model, source, places);
  checkLeftovers(model, source, [...places.values(), ...duplicates.keys()]);
  for (const [duplicate, handle] of duplicates) {
    await checkEqual(duplicate, places.get(handle) as StoredTensor);
  }
  const { vocabularySize } = model.shape;
  const inOut = handlesInOut(model);
  for (const [handle, stored] of places) {
    const tensor = stored.isOutIn === true && inOut.has(handle) ? turnedTensor(stored) : stored;
    places.set(handle, tensor);
    const isGrown = handle.shape[0] === vocabularySize && tensor.shape[0] === vocabularyBefore;
    if (isGrown) places.set(handle, withGrownRows(tensor, vocabularySize));
    checkShape(places.get(handle) as StoredTensor, handle);
  }
  for (const handle of fresh) {
    const key = randomKey(seed, 'init', handle.key);
    const values = await handle.init?.({
      shape: handle.shape,
      key,
      readBase: noOther,
      readOriginal: noOther,
      read: noOther,
      tokenize: noOther,
    });
    await parameters.write(handle, values as Float32Array);
  }
  const trained = new Set(model.trained.map(({ key }) => key));
  for (const [handle, tensor] of places) {
    const encoding = model.encodingOf(handle);
    if (encoding !== undefined) {
      parameters.writeParts(handle, encoding, await partsOf(tensor, encoding));
    } else if (dtype === 'float32' || trained.has(handle.key))
      await parameters.write(handle, await readFloat32(tensor));
    else parameters.tensors.set(handle.key, { dtype, shape: handle.shape, data: await readHalf(tensor, dtype) });
  }
}

/** Reads what a checkpoint has of the base weights that a codec keeps; null of others, and where it has the codes alone. */
export function originalWeights(model: Model, source: TensorSource): (handle: Handle) => Promise<Float32Array | null> {
  const { places } = findTensors(model, source);
  const inOut = handlesInOut(model);
  return async (handle) => {
    const stored = places.get(handle);
    if (stored === undefined || stored.codes !== undefined || model.encodingOf(handle) === undefined) return null;
    return readFloat32(stored.isOutIn === true && inOut.has(handle) ? turnedTensor(stored) : stored);
  };
}

/** What a codec keeps of a tensor: the checkpoint's own codes, where it has the same. */
async function partsOf(tensor: StoredTensor, encoding: Encoding): Promise<Named<HostTensor>> {
  if (tensor.codes !== undefined && keepAlike(tensor.codes.codec, encoding.codec)) return tensor.codes.read();
  return encodeWeight(encoding, await readFloat32(tensor));
}

/** The weights that the family has as `[in, out]`. */
function handlesInOut({ sites }: Model): Set<Handle> {
  const turned = sites.filter((site) => site.kind === 'linear' && site.layout === 'in-out');
  return new Set(turned.map((site) => (site as LinearSite).weightHandle));
}

/**
 * Each base weight's tensor, by its path, one of the family's other names for it, or that of a site it is tied to; and
 * the weights of a head that are to be learnt.
 */
function findTensors(
  { family, handles, sites, trained, resolve }: Model,
  source: TensorSource,
): { places: Map<Handle, StoredTensor>; fresh: Handle[] } {
  const places = new Map<Handle, StoredTensor>();
  const fresh: Handle[] = [];
  const missing: Handle[] = [];
  const isTrained = (handle: Handle): boolean => trained.some(({ key }) => key === resolve(handle).key);
  for (const handle of handles) {
    if (handle.owner !== 'base') continue;
    // transformers 4 may save tied embeddings under the head's name alone.
    const tied = sites.filter((site) => 'weightHandle' in site && site.weightHandle === handle);
    const names = [...checkpointNames(family, handle), ...tied.map(({ path }) => `${path}.weight`)];
    const tensor = names.map((name) => source.get(name)).find((found) => found !== undefined);
    if (tensor !== undefined) places.set(handle, tensor);
    else if (handle.init !== undefined && isTrained(handle)) fresh.push(handle);
    else missing.push(handle);
  }
  const [first] = missing;
  if (first === undefined) return { places, fresh };
  throw new TunesmithError('NAME_UNKNOWN', `the checkpoint lacks ${countOf(missing.length, 'weight')} of the model`, {
    where: listed(missing.map(({ path }) => path)),
    hint:
      first.init === undefined
        ? didYouMean(first.path, unused(source, places.values()))
        : 'A head that starts at random has to be trained: build the model with a method, and with the checkpoint.',
  });
}

/** Tensors of sites whose weight is another site's: checkpoints may hold a tied head all the same. */
function tiedDuplicates(
  { sites }: Model,
  source: TensorSource,
  places: ReadonlyMap<Handle, StoredTensor>,
): Map<StoredTensor, Handle> {
  const duplicates = new Map<StoredTensor, Handle>();
  for (const site of sites) {
    if (!('weightHandle' in site) || site.weightHandle.path === `${site.path}.weight`) continue;
    const tensor = source.get(`${site.path}.weight`);
    const original = places.get(site.weightHandle);
    if (tensor !== undefined && original !== undefined && tensor.name !== original.name) {
      duplicates.set(tensor, site.weightHandle);
    }
  }
  return duplicates;
}

function checkLeftovers({ family, handles }: Model, source: TensorSource, used: readonly StoredTensor[]): void {
  const leftover = unused(source, used).filter((name) => family.ignoredTensors?.test(name) !== true);
  const [first] = leftover;
  if (first === undefined) return;
  const known = handles.filter(({ owner }) => owner === 'base').map(({ path }) => path);
  throw new TunesmithError(
    'NAME_UNKNOWN',
    `the checkpoint holds ${countOf(leftover.length, 'tensor')} that the ${family.name} family has no place for`,
    { where: listed(leftover), hint: `${didYouMean(first, known)} Does config.json belong to these weights?` },
  );
}

function unused(source: TensorSource, used: Iterable<StoredTensor>): string[] {
  const names = new Set([...used].map(({ name }) => name));
  return source.names().filter((name) => !names.has(name));
}

function checkShape({ name, shape }: StoredTensor, handle: Handle): void {
  if (shape.join() === handle.shape.join()) return;
  throw new TunesmithError('SHAPE_MISMATCH', "the checkpoint's tensor is not what config.json says", {
    where: name,
    expected: `[${handle.shape.join(', ')}]`,
    got: `[${shape.join(', ')}]`,
  });
}

async function checkEqual(duplicate: StoredTensor, original: StoredTensor): Promise<void> {
  const [values, expected] = [await readFloat32(duplicate), await readFloat32(original)];
  if (values.length === expected.length && values.every((value, index) => value === expected[index])) return;
  throw new TunesmithError('FILE_INVALID', `config.json ties it to ${original.name}, but their values differ`, {
    where: duplicate.name,
    hint: 'If the model was saved with a head of its own, say "tie_word_embeddings": false in config.json.',
  });
}

/** A tensor's 16-bit patterns, as they lie in the checkpoint where it has the same type. */
async function readHalf(tensor: StoredTensor, dtype: 'float16' | 'bfloat16'): Promise<Uint16Array> {
  const stored = dtype === 'float16' ? 'F16' : 'BF16';
  const bytes = await tensor.read();
  const half = tensor.dtype === stored ? bytes : fromFloat32(stored, toFloat32(tensor.dtype, bytes));
  const aligned = half.byteOffset % 2 === 0 ? half : new Uint8Array(half);
  const patterns = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  if (dtype === 'float16' && patterns.some((pattern) => (pattern & 0x7fff) === 0x7c00)) {
    throw new TunesmithError('DATA_INVALID', 'float16 cannot hold all of its values', {
      where: tensor.name,
      expected: 'magnitudes below 65520',
      hint: 'Store the weights as bfloat16 or float32.',
    });
  }
  return patterns;
}

function noOther(): never {
  throw new TunesmithError('INTERNAL', 'a base weight starts as another');
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function listed(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')}, …` : names.join(', ');
}
