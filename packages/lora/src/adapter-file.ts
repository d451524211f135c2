/**
 * Where a file's form differs from the handles'. PiSSA and OLoRA: scale·(B·A − B₀·A₀) is one LoRA of twice the rank,
 * [A; A₀] and [B, −B₀], for the base as it was: what PEFT's `path_initial_model_for_weight_conversion` makes
 * (peft/tuners/lora/model.py, subtract_mutated_init). PEFT also saves whole embeddings that are targets.
 */
import {
  type Adapter,
  type AdapterHost,
  type AdapterTensor,
  memoryTensor,
  peftName,
  readFloat32,
  type Shape,
  type StoredTensor,
  type TensorSource,
  TunesmithError,
} from '@tunesmith/core';
import { preconditionerOf, preconditionerSuffix } from './lora-fa.js';

const rightSuffix = '.lora_A.weight';
const linearFactor = /\.lora_[AB]\.weight$/;
/** One rank for all modules of a file: an embedding, which starts at zero, is filled up with zeros. */
const embeddingFactor = /\.lora_embedding_[AB]$/;
const isRight = (name: string): boolean => /\.lora_(embedding_)?A/.test(name);
const pathOf = (name: string): string => name.slice(peftName('').length);

export function exportAdapter({ config, tensors: all }: Adapter): Adapter {
  const tensors = all.filter(({ name }) => !name.endsWith(preconditionerSuffix));
  const starts = new Map(tensors.filter(({ name }) => name.endsWith('.start')).map((tensor) => [tensor.name, tensor]));
  if (starts.size === 0) return { config, tensors };
  const doubled = (tensor: AdapterTensor): AdapterTensor => {
    const start = starts.get(tensor.name.replace(/\.weight$/, '.start'));
    if (start === undefined && !embeddingFactor.test(tensor.name)) return tensor;
    const second = start?.data ?? new Float32Array(tensor.data.length);
    return isRight(tensor.name)
      ? stack(tensor, second)
      : putBeside(
          tensor,
          second.map((value) => -value),
        );
  };
  return { config, tensors: tensors.filter(({ name }) => !starts.has(name)).map(doubled) };
}

export async function importAdapter(file: TensorSource, host: AdapterHost): Promise<TensorSource> {
  const tensors = new Map<string, AdapterTensor>();
  for (const name of file.names()) {
    const tensor = file.get(name) as StoredTensor;
    if (await isBaseCopy(name, tensor, host)) continue;
    for (const each of await undoubled({ name, shape: tensor.shape, data: await readFloat32(tensor) }, host)) {
      tensors.set(each.name, each);
    }
  }
  for (const { name, data } of [...tensors.values()]) {
    if (!name.endsWith(rightSuffix)) continue;
    const handle = host.handle(pathOf(name).replace(rightSuffix, preconditionerSuffix));
    if (handle === undefined) continue;
    const { path, shape } = handle;
    tensors.set(peftName(path), { name: peftName(path), shape, data: preconditionerOf(data, shape[0] as number) });
  }
  const stored = new Map([...tensors].map(([name, { shape, data }]) => [name, memoryTensor(name, shape, data)]));
  return { names: () => [...stored.keys()], get: (name) => stored.get(name) };
}

/** A factor as the handles have it: its own half, and the half that is to be taken away. */
async function undoubled(tensor: AdapterTensor, host: AdapterHost): Promise<AdapterTensor[]> {
  const { name } = tensor;
  const handle = host.handle(pathOf(name));
  const start = linearFactor.test(name) ? host.handle(pathOf(name).replace(/weight$/, 'start')) : undefined;
  if (handle === undefined || !(start !== undefined || embeddingFactor.test(name))) return [tensor];
  const axis = isRight(name) ? 0 : 1;
  const isDouble = tensor.shape[axis] === 2 * (handle.shape[axis] as number);
  const [own, taken] = isDouble ? halve(tensor, handle.shape) : [tensor.data, undefined];
  const first = isDouble ? { name, shape: handle.shape, data: own } : tensor;
  if (start === undefined) return [first];
  // Not doubled: A and B for a base without A₀·B₀, as PEFT trains them. Then this base's own decomposition is taken away.
  const second = taken === undefined ? await host.read(start) : isRight(name) ? taken : taken.map((value) => -value);
  return [first, { name: peftName(start.path), shape: start.shape, data: second }];
}

/** Whether a tensor is a targeted embedding's or head's own weight, which PEFT saves beside A and B (`save_embedding_layers`). */
async function isBaseCopy(name: string, tensor: StoredTensor, host: AdapterHost): Promise<boolean> {
  const base = /^(.*)\.base_layer\.weight$/.exec(pathOf(name));
  const handle = base === null ? undefined : host.handle(`${base[1]}.weight`);
  if (handle === undefined) return false;
  const [saved, own] = [await readFloat32(tensor), await host.read(handle)];
  if (saved.length === own.length && saved.every((value, index) => value === own[index])) return true;
  throw new TunesmithError('FILE_INVALID', "the adapter holds another weight for one of the base model's modules", {
    where: name,
    hint: 'It was trained on a model whose embedding was resized or trained; load it with that model.',
  });
}

/** [A; A₀]: [rank, in] twice → [2·rank, in]. */
function stack({ name, shape: [rank = 0, width = 0], data }: AdapterTensor, second: Float32Array): AdapterTensor {
  const both = new Float32Array(2 * data.length);
  both.set(data);
  both.set(second, data.length);
  return { name, shape: [2 * rank, width], data: both };
}

/** [B, −B₀]: [out, rank] twice → [out, 2·rank]. */
function putBeside({ name, shape: [height = 0, rank = 0], data }: AdapterTensor, second: Float32Array): AdapterTensor {
  const both = new Float32Array(2 * data.length);
  for (let row = 0; row < height; row++) {
    both.set(data.subarray(row * rank, (row + 1) * rank), 2 * row * rank);
    both.set(second.subarray(row * rank, (row + 1) * rank), (2 * row + 1) * rank);
  }
  return { name, shape: [height, 2 * rank], data: both };
}

/** A doubled factor's halves, each of the shape given. */
function halve({ name, data }: AdapterTensor, [height = 0, width = 0]: Shape): [Float32Array, Float32Array] {
  const size = height * width;
  if (isRight(name)) return [data.slice(0, size), data.slice(size)];
  const halves: [Float32Array, Float32Array] = [new Float32Array(size), new Float32Array(size)];
  for (let row = 0; row < height; row++) {
    for (const [index, half] of halves.entries()) {
      const from = (2 * row + index) * width;
      half.set(data.subarray(from, from + width), row * width);
    }
  }
  return halves;
}
